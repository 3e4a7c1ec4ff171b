// Which kernel multiplies on this processor, a line for each weight, kind of x and number of rows of x:
//     weight<TAB>x<TAB>M<TAB>kernel
// With the name of a kernel: status 1 unless qint4 panels take it for f32, and all products conform. Plain C++, so that
// emulators without a test framework run it, too.
#include <cstdio>
#include <string_view>
#include <utility>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/kernels/matmul/kernel_list.hpp>
#include <quanto/testing.hpp>

using namespace quanto;

namespace {

constexpr std::pair<product_input, char const*> inputs[] = {
    {product_input::f32, "f32"},       {product_input::f16, "f16"},   {product_input::bf16, "bf16"},
    {product_input::float8, "float8"}, {product_input::int8, "int8"}, {product_input::dynamic_int8, "dynamic int8"}};
constexpr std::size_t batches[] = {1, 8, 64};

// "matmul_qint4_f32_panel_avx512vnni" without what the line says before.
constexpr std::string_view last_word(std::string_view kernel) {
    for (std::string_view const end : {"_panel_", "_f32_", "_int8_"})
        if (auto const at = kernel.rfind(end); at != kernel.npos) return kernel.substr(at + end.size());
    return kernel;
}

void print(std::string_view weight, char const* form, char const* x, std::size_t m, std::string_view kernel) {
    auto const word = last_word(kernel);
    bool const stays_float = std::string_view(x) == "dynamic int8" && kernel.find("int8_panel") == kernel.npos;
    std::printf("%.*s%s\t%s\t%zu\t%.*s%s\n", static_cast<int>(weight.size()), weight.data(), form, x, m,
                static_cast<int>(word.size()), word.data(), stays_float ? " (f32)" : "");
}

template <QType Q>
auto weight() {
    return *quantize<Q>(testing::test_values(32, 256, 1), default_optimizer<Q>{}, {.group = 128});
}

auto weight_of_one_group() { return *quantize<qint8>(testing::test_values(32, 256, 1)); }

void print_table(cpu_backend const& backend) {
    any_qtype::for_each([&]<QType Q>(Q) {
        auto const w = weight<Q>();
        auto const packed = *panels::pack(any_qtensor(w));
        for (auto const& [input, x] : inputs)
            for (std::size_t const m : batches)
                print(Q::name, " panels", x, m, backend.explain_matmul(m, packed, input).kernel);
        for (std::size_t const m : batches) print(Q::name, "", "f32", m, backend.explain_matmul(m, w.view()).kernel);
    });
    auto const w8 = weight_of_one_group();
    for (std::size_t const m : batches)
        print("qint8, one group", "", "int8", m, backend.explain_matmul(m, w8.view(), product_input::int8).kernel);
    for (auto const& [type, word] :
         {std::pair{dtype::f32, "float"}, {dtype::f16, "float16"}, {dtype::bf16, "bfloat16"}})
        for (std::size_t const m : batches) print(word, "", "f32", m, backend.explain_matmul(m, type).kernel);
    for (std::size_t const m : batches) print("convolution, f32", "", "f32", m, backend.explain_convolve().kernel);
    auto const direct = backend.explain_convolve(*panels::pack(any_qtensor(w8))).kernel;
    for (std::size_t const m : batches)
        print("convolution, qint8", "", "int8", m, direct.empty() ? "of patches" : direct);
}

}  // namespace

int main(int argc, char** argv) {
    cpu_backend const backend;
    print_table(backend);
    if (argc < 2) return 0;

    auto const why = backend.explain_matmul(1, *panels::pack(any_qtensor(weight<qint4>())));
    if (last_word(why.kernel) != argv[1]) {
        std::fprintf(stderr, "expected %s, not %s: %s\n", argv[1], why.kernel.data(), why.reason.data());
        return 1;
    }
    auto const ok = testing::check_backend_conformance(backend);
    if (!ok) std::fprintf(stderr, "%s\n", ok.error().c_str());
    return ok ? 0 : 1;
}
