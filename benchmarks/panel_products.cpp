// Products with prepared weights (panels): the goals of the library, one row each.
// Weights of GEMV rotate through more than any cache holds. What the product does to x (digits, int8) is in the time.
#include <quanto/backend/cpu_backend.hpp>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

enum class input { f32, bf16, e4m3fn, int8, dynamic_int8 };

// Of M rows and a weight of qtype Q. M = 1: from memory.
template <QType Q>
subject panel_product(shape s, std::size_t group, input in, cpu_options const& options) {
    struct operands {
        huge_pages pages;
        cpu_backend backend;
        std::vector<panels> weights{};
        std::size_t next = 0;
        QTensor<Q> portable{};
        Tensor<float> x{}, y{};  // x: the values
        Tensor<std::int8_t> codes{};
        Tensor<bfloat16> halves{};
        Tensor<float8_e4m3fn> float8{};
        input_matrix operand{};
    };
    auto o = std::make_shared<operands>(operands{{}, cpu_backend(options)});
    o->portable = *quantize<Q>(random_values<float16>(s.n, s.k, 2), default_optimizer<Q>{}, {.group = group});
    memory_ref const memory(&o->pages);
    any_qtensor const w(o->portable);
    do o->weights.push_back(*o->backend.prepare(w, memory));
    while (s.m == 1 && o->weights.size() < copies_beyond_caches(o->weights.front().bytes().size()));
    o->x = random_values(s.m, s.k, 1);
    o->y = Tensor<float>(s.m, s.n);
    constexpr float scale = 0.0078125f;
    // x as T, and what that leaves of its values.
    auto const take = [&]<class T>(Tensor<T>& to, auto const& stored, auto const& value) {
        to = Tensor<T>(s.m, s.k);
        for (std::size_t i = 0; i != o->x.size(); ++i) {
            to[i] = stored(o->x[i]);
            o->x[i] = value(to[i]);
        }
        if constexpr (CodeElement<T>)
            o->operand = {to, scale};
        else
            o->operand = to;
    };
    o->operand = o->x;
    auto const scaled = [](auto code) { return static_cast<float>(code) * scale; };
    if (in == input::int8)
        take(
            o->codes, [](float v) { return static_cast<std::int8_t>(nearest_integer(v * 127.0f)); }, scaled);
    if (in == input::e4m3fn)
        take(
            o->float8, [](float v) { return float8_e4m3fn(v / scale); }, scaled);
    if (in == input::bf16)
        take(
            o->halves, [](float v) { return bfloat16(v); }, [](bfloat16 h) { return float(h); });
    auto const run = [o, in] {
        panels const& weight = o->weights[o->next];
        o->next = (o->next + 1) % o->weights.size();
        product_options const how{.accuracy = in == input::dynamic_int8 ? product_accuracy::dynamic_int8
                                                                        : product_accuracy::exact};
        if (!o->backend.matmul(o->operand, weight, o->y, how)) std::abort();
    };
    // Dynamic int8 rounds x to 1/127 of the largest, by half of that at most: relative to an average |x| of 1/2, 1/127.
    return {static_cast<double>(o->weights.front().bytes().size()), s.operations(), run, [o, s, in] {
                return check_product(
                    o->x, [&](std::size_t n, std::size_t k) { return o->portable[n * s.k + k]; }, o->y,
                    in == input::dynamic_int8 ? 1.0 / 64 : 0);
            }};
}

struct adder {
    table& t;

    template <QType Q>
    void operator()(std::string const& title, shape s, std::size_t group, input in, limit bound, double goal,
                    std::string_view isa = {}) const {
        t.add({title + ", " + s.text(), bound, goal, 1, isa},
              [=] { return panel_product<Q>(s, group, in, {.force_isa = isa}); });
    }
    template <QType Q>
    void two_threads(std::string const& title, shape s, std::size_t group, input in, limit bound, double goal) const {
        table& all = t;
        t.add({title + ", " + s.text(), bound, goal, 2},
              [=, &all] { return panel_product<Q>(s, group, in, {.executor = executor_ref(all.two_threads())}); });
    }
};

}  // namespace

void add_panel_products(table& t) {
    adder const add{t};
    shape const gemv{1, 4096, 4096}, large{512, 4096, 4096}, small{16, 4096, 4096};
    using enum limit;

    add.operator()<qint4>("GEMV W4 g128 x dynamic int8", gemv, 128, input::dynamic_int8, read_dram, 0.95);
    add.operator()<qint4>("GEMV W4 g128 x f32", gemv, 128, input::f32, read_dram, 0.90);
    add.operator()<qint2>("GEMV W2 g128 x dynamic int8", gemv, 128, input::dynamic_int8, read_dram, 0.92);
    add.operator()<qint8>("GEMV W8 x dynamic int8", gemv, 0, input::dynamic_int8, read_dram, 0.95);
    add.operator()<qint8>("GEMV W8 x f32", gemv, 0, input::f32, read_dram, 0);
    add.operator()<qfloat8_e4m3fn>("GEMV e4m3fn x f32", gemv, 0, input::f32, read_dram, 0.92);
    add.operator()<qfloat8_e4m3fnuz>("GEMV e4m3fnuz x f32", gemv, 0, input::f32, read_dram, 0.92);
    add.operator()<qfloat8_e5m2>("GEMV e5m2 x f32", gemv, 0, input::f32, read_dram, 0.92);

    add.operator()<qint8>("GEMM W8A8", large, 0, input::int8, dot_int8, 0.95);
    add.operator()<qint8>("GEMM W8A8", small, 0, input::int8, dot_int8, 0.88);
    add.operator()<qint4>("GEMM W4A8 g128", large, 128, input::int8, dot_int8, 0.90);
    add.operator()<qint4>("GEMM W4A8 g128", small, 128, input::int8, dot_int8, 0.75);
    add.operator()<qint4>("GEMM W4 g128 x f32", large, 128, input::f32, fma_f32, 1.20);
    add.operator()<qint4>("GEMM W4 g128 x f32", small, 128, input::f32, fma_f32, 1.05);
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x f32", large, 0, input::f32, fma_f32, 0.88);
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x f32", small, 0, input::f32, fma_f32, 0);
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x bf16", large, 0, input::bf16, dot_bf16, 0.80);
    add.operator()<qfloat8_e4m3fnuz>("GEMM e4m3fnuz x bf16", large, 0, input::bf16, dot_bf16, 0.80);
    add.operator()<qfloat8_e5m2>("GEMM e5m2 x bf16", large, 0, input::bf16, dot_bf16, 0.80);
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x bf16", small, 0, input::bf16, dot_bf16, 0);

    // x of other types: as above, and what its conversion costs.
    add.operator()<qint4>("GEMV W4 g128 x bf16", gemv, 128, input::bf16, read_dram, 0.90);
    add.operator()<qint4>("GEMM W4 g128 x bf16", large, 128, input::bf16, fma_f32, 1.20);
    add.operator()<qint4>("GEMM W4 g128 x e4m3fn", large, 128, input::e4m3fn, fma_f32, 0);
    add.operator()<qint8>("GEMM W8 x e4m3fn", small, 0, input::e4m3fn, fma_f32, 0);

    // Shapes that real models have: three quarters of the goals (M = 3: of those of M = 16).
    constexpr double part = 0.75;
    for (shape const s : {shape{1, 1536, 576}, {1, 576, 1536}, {1, 49152, 576}}) {
        add.operator()<qint4>("GEMV W4 g64 x f32", s, 64, input::f32, read_dram, 0.90 * part);
        add.operator()<qint8>("GEMV W8 x dynamic int8", s, 0, input::dynamic_int8, read_dram, 0.95 * part);
        add.operator()<qfloat8_e4m3fn>("GEMV e4m3fn x f32", s, 0, input::f32, read_dram, 0.92 * part);
    }
    shape const three{3, 1536, 576}, narrow{512, 1536, 576}, tiny{512, 10, 172};
    add.operator()<qint8>("GEMM W8A8", three, 0, input::int8, dot_int8, 0.88 * part);
    add.operator()<qint4>("GEMM W4A8 g64", three, 64, input::int8, dot_int8, 0.75 * part);
    add.operator()<qint4>("GEMM W4 g64 x f32", three, 64, input::f32, fma_f32, 1.05 * part);
    add.operator()<qint8>("GEMM W8A8", narrow, 0, input::int8, dot_int8, 0.95 * part);
    add.operator()<qint4>("GEMM W4A8 g64", narrow, 64, input::int8, dot_int8, 0.90 * part);
    add.operator()<qint4>("GEMM W4 g64 x f32", narrow, 64, input::f32, fma_f32, 1.20 * part);
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x f32", narrow, 0, input::f32, fma_f32, 0.88 * part);
    add.operator()<qint8>("GEMM W8A8", tiny, 0, input::int8, dot_int8, 0.95 * part);
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x f32", tiny, 0, input::f32, fma_f32, 0.88 * part);

    add.operator()<qint4>("GEMV W4 g128 x dynamic int8", gemv, 128, input::dynamic_int8, read_dram, 0.90, "avx2");
    add.operator()<qint4>("GEMV W4 g128 x f32", gemv, 128, input::f32, read_dram, 0, "avx2");
    add.operator()<qfloat8_e4m3fn>("GEMV e4m3fn x f32", gemv, 0, input::f32, read_dram, 0, "avx2");
    add.operator()<qint4>("GEMM W4A8 g128", large, 128, input::int8, dot_int8_256, 0.55, "avx2");
    add.operator()<qint8>("GEMM W8A8", large, 0, input::int8, fma_f32, 1.40, "avx2");
    add.operator()<qint4>("GEMM W4 g128 x f32", large, 128, input::f32, fma_f32, 0, "avx2");
    add.operator()<qfloat8_e4m3fn>("GEMM e4m3fn x f32", large, 0, input::f32, fma_f32, 0, "avx2");

    // 1.8 times one thread.
    add.two_threads<qint8>("GEMM W8A8", large, 0, input::int8, dot_int8, 0.95 * 0.9);
    add.two_threads<qint4>("GEMM W4A8 g128", large, 128, input::int8, dot_int8, 0.90 * 0.9);
    add.two_threads<qint4>("GEMM W4 g128 x f32", large, 128, input::f32, fma_f32, 1.20 * 0.9);
    add.two_threads<qfloat8_e4m3fn>("GEMM e4m3fn x f32", large, 0, input::f32, fma_f32, 0.88 * 0.9);
    add.two_threads<qfloat8_e4m3fn>("GEMM e4m3fn x bf16", large, 0, input::bf16, dot_bf16, 0.80 * 0.9);
}

}  // namespace benchmarks
