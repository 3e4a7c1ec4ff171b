// Batches of products as attention has them: queries times keys, probabilities times values, of heads that lie in the
// rows of one tensor. M = 1: a cache of keys or values that comes from memory.
#include <quanto/backend/cpu_backend.hpp>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

// 8 heads of 64; M queries, T keys. W: how keys and values are stored.
template <class W>
subject batch(std::size_t m, std::size_t t, batch_axis axis) {
    static constexpr std::size_t heads = 8, d = 64;
    struct operands {
        huge_pages pages;
        std::size_t copies, next = 0;
        Tensor<float> x, y;
        Tensor<W> w{};
        cpu_backend backend{};
    };
    bool const keys = axis == batch_axis::n;
    std::size_t const n = keys ? t : d, k = keys ? d : t, size = t * heads * d;
    auto o = std::make_shared<operands>(operands{{},
                                                 m == 1 ? copies_beyond_caches(size * sizeof(W)) : 1,
                                                 0,
                                                 random_values(m, heads * k, 1),
                                                 Tensor<float>(m, heads * n)});
    o->w = Tensor<W>(o->copies * t, heads * d, memory_ref(&o->pages));
    auto const one = random_values<W>(t, heads * d, 2);
    for (std::size_t i = 0; i != o->copies; ++i)
        std::memcpy(static_cast<void*>(o->w.data() + i * size), one.data(), size * sizeof(W));
    auto const run = [=] {
        W const* const w = std::as_const(o->w).data() + o->next * size;
        o->next = (o->next + 1) % o->copies;
        batch_product const p{{1, heads, 1},
                              {matrix_view<float const>(o->x.data(), m, k, heads * k), {0, k, 0}},
                              {matrix_view<W const>(w, t, d, heads * d), {0, d, 0}},
                              {matrix_view<float>(o->y.data(), m, n, heads * n), {0, n, 0}},
                              axis};
        if (!o->backend.matmul(p, memory_ref(&o->pages))) std::abort();
    };
    // The last head against its definition.
    auto const check = [=] {
        Tensor<float> x(m, k), y(m, n);
        for (std::size_t i = 0; i != x.size(); ++i) x[i] = o->x[i / k * heads * k + (heads - 1) * k + i % k];
        for (std::size_t i = 0; i != y.size(); ++i) y[i] = o->y[i / n * heads * n + (heads - 1) * n + i % n];
        return check_product(
            x,
            [&](std::size_t j, std::size_t i) {
                std::size_t const row = keys ? j : i, column = keys ? i : j;
                return static_cast<float>(o->w[row * heads * d + (heads - 1) * d + column]);
            },
            y);
    };
    return {static_cast<double>(size * sizeof(W)), 2.0 * static_cast<double>(m * size), run, check};
}

}  // namespace

void add_batches(table& t) {
    t.add({"8 heads, f32 queries x keys, 512 x 512 x 64", limit::fma_f32},
          [] { return batch<float>(512, 512, batch_axis::n); });
    t.add({"8 heads, f32 probabilities x values, 512 x 64 x 512", limit::fma_f32},
          [] { return batch<float>(512, 512, batch_axis::k); });
    t.add({"8 heads, f32 query x bf16 keys, 1 x 4096 x 64", limit::read_dram},
          [] { return batch<bfloat16>(1, 4096, batch_axis::n); });
    t.add({"8 heads, f32 probabilities x bf16 values, 1 x 64 x 4096", limit::read_dram},
          [] { return batch<bfloat16>(1, 4096, batch_axis::k); });
}

}  // namespace benchmarks
