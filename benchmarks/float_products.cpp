// The library's own products of float weights, which the quantized ones are compared with.
#include <quanto/backend/cpu_backend.hpp>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

// Weights of storage type S that come from memory (M = 1: rotated) or stay where the cache has them.
template <class S>
subject float_product(shape s, bool from_memory, cpu_options const& options) {
    struct operands {
        huge_pages pages;
        std::size_t copies, next = 0;
        Tensor<S> w;
        Tensor<float> x, y;
        cpu_backend backend;
    };
    std::size_t const bytes = s.n * s.k * sizeof(S), copies = from_memory ? copies_beyond_caches(bytes) : 1;
    auto o =
        std::make_shared<operands>(operands{{}, copies, 0, {}, random_values(s.m, s.k, 1), {}, cpu_backend(options)});
    o->w = Tensor<S>(copies * s.n, s.k, memory_ref(&o->pages));
    o->y = Tensor<float>(s.m, s.n);
    auto const one = random_values<S>(s.n, s.k, 2);
    for (std::size_t i = 0; i != copies; ++i) std::memcpy(o->w.data() + i * one.size(), one.data(), bytes);
    return {static_cast<double>(bytes), s.operations(),
            [o, s] {
                matrix_view<S const> const w(o->w.data() + o->next * s.n * s.k, s.n, s.k);
                o->next = (o->next + 1) % o->copies;
                o->backend.matmul(matrix_view<float const>(o->x), w, matrix_view<float>(o->y));
            },
            [o, s] {
                return check_product(
                    o->x, [&](std::size_t n, std::size_t k) { return static_cast<float>(o->w[n * s.k + k]); }, o->y);
            }};
}

template <class S>
void add_products(table& t, std::string const& type) {
    auto const gemv = [&](shape s, limit bound, double goal, bool from_memory, std::string const& where,
                          std::string_view isa = {}) {
        std::string const title = "GEMV " + type + " x f32, " + s.text() + where;
        t.add({title, bound, goal, 1, isa}, [=] { return float_product<S>(s, from_memory, {.force_isa = isa}); });
    };
    auto const gemm = [&](shape s, double goal, std::string_view isa = {}) {
        std::string const title = "GEMM " + type + " x f32, " + s.text();
        t.add({title, limit::fma_f32, goal, 1, isa}, [=] { return float_product<S>(s, false, {.force_isa = isa}); });
    };
    gemv({1, 4096, 4096}, limit::read_dram, 0.90, true, "");
    gemv({1, 4096, 4096}, limit::read_dram, 0.90, true, "", "avx2");
    gemv({1, 1536, 576}, limit::read_dram, 0.90 * 0.75, true, "");
    gemv({1, 256, 784 / sizeof(S) * 2}, limit::read_l2, 0, false, ", cached");
    gemm({512, 4096, 4096}, 0.85);
    gemm({512, 4096, 4096}, 0.85, "avx2");
    gemm({16, 4096, 4096}, 0);
    gemm({3, 1536, 576}, 0);
    gemm({256, 256, 784}, 0);
    gemm({129, 10, 172}, 0);
    shape const large{512, 4096, 4096};
    t.add({"GEMM " + type + " x f32, " + large.text(), limit::fma_f32, 0.85, 2},
          [large, &t] { return float_product<S>(large, false, {.executor = executor_ref(t.two_threads())}); });
}

}  // namespace

void add_float_products(table& t) {
    add_products<float>(t, "f32");
    add_products<float16>(t, "f16");
    add_products<bfloat16>(t, "bf16");
}

}  // namespace benchmarks
