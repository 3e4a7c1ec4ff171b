// Prints which kernel multiplies with panels on this processor, for each weight and kind of x, and under each cap on the
// instruction set; below, the reasons. Plain C++, so that emulators without a test framework run it too.
//     chosen            the table
//     chosen KERNEL     the same; status 1 unless qint4 x f32 takes that kernel, and matmul conforms
#include <cstdio>
#include <string_view>
#include <utility>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/testing.hpp>

using namespace quanto;

namespace {

constexpr std::pair<product_input, char const*> inputs[] = {
    {product_input::f32, "f32"}, {product_input::dynamic_int8, "dynamic int8"}, {product_input::int8, "int8"}};

#if QUANTO_TARGETS_X86
constexpr std::string_view caps[] = {"", "avx2", "portable"};
#else
constexpr std::string_view caps[] = {"", "portable"};
#endif

// "matmul_qint4_f32_panel_avx512vnni" without what the table's row says.
constexpr std::string_view without_operands(std::string_view kernel) {
    std::size_t const at = kernel.find("panel_");
    return at == kernel.npos ? kernel : kernel.substr(at + 6);
}

void print(std::string_view text, int width) { std::printf("%-*.*s", width, static_cast<int>(text.size()), text.data()); }

// Calls f(weight as panels).
template <class F>
void for_each_weight(F const& f) {
    auto const dense = testing::test_values(32, 256, 1);
    any_qtype::for_each([&]<QType Q>(Q) {
        f(*panels::pack(any_qtensor(*quantize<Q>(dense, default_optimizer<Q>{}, {.group = 128}))));
    });
}

}  // namespace

int main(int argc, char** argv) {
    print("weight", 18), print("x", 14);
    for (auto const cap : caps) print(cap.empty() ? "here" : cap, 14);
    std::printf("\n");
    for_each_weight([](panels const& w) {
        for (auto const& [input, input_name] : inputs) {
            print(w.type().name(), 18), print(input_name, 14);
            for (auto const cap : caps)
                print(without_operands(cpu_backend({.force_isa = cap}).explain_matmul(1, w, input).kernel), 14);
            std::printf("\n");
        }
    });
    std::string_view last;
    for_each_weight([&](panels const& w) {
        auto const why = cpu_backend().explain_matmul(1, w);
        if (std::exchange(last, why.reason) == why.reason) return;
        print(without_operands(why.kernel), 0), std::printf(": "), print(why.reason, 0), std::printf("\n");
    });
    if (argc < 2) return 0;

    auto const w = *panels::pack(any_qtensor(*quantize<qint4>(testing::test_values(32, 256, 1))));
    if (auto const kernel = without_operands(cpu_backend().explain_matmul(1, w).kernel); kernel != argv[1]) {
        std::printf("expected %s\n", argv[1]);
        return 1;
    }
    auto const ok = testing::check_backend_conformance(cpu_backend());
    if (!ok) std::printf("%s\n", ok.error().c_str());
    return ok ? 0 : 1;
}
