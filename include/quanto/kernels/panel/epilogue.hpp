// What a product with panels does to its sums v, the same in all kernels (product_options):
//     y[m][n] = activation(v + bias[n]) + residual[m][n]                        NaN stays NaN
#pragma once

#include <cstddef>

#include <quanto/kernels/activation_functions.hpp>
#include <quanto/kernels/inlining.hpp>
#include <quanto/kernels/panel/product_options.hpp>

namespace quanto::inline v0::detail {

// v[0 .. count), from column n of row m on, to y. N is one number, so that the loops become vector code of whatever
// instruction set calls them.
template <std::size_t N>
QUANTO_INLINE void finish_outputs(product_options const& o, float (&v)[N], std::size_t m, std::size_t n,
                                  std::size_t count, float* y) noexcept {
    auto const add = [&](float const* p) {
        float part[N] = {};
        if (count == N)
            __builtin_memcpy(part, p, sizeof part);
        else
            for (std::size_t i = 0; i != count; ++i) part[i] = p[i];
        for (std::size_t i = 0; i != N; ++i) v[i] += part[i];
    };
    if (!o.bias.empty()) add(o.bias.data() + n);
    if (o.activation == fused_activation::relu)
        for (std::size_t i = 0; i != N; ++i) v[i] = v[i] < 0.0f ? 0.0f : v[i];
    else if (o.activation == fused_activation::gelu)
        for (std::size_t i = 0; i != N; ++i) v[i] = gelu(v[i]);
    else if (o.activation == fused_activation::silu)
        for (std::size_t i = 0; i != N; ++i) v[i] = silu(v[i]);
    if (o.residual.data != nullptr) add(o.residual.row(m) + n);
    if (count == N)
        __builtin_memcpy(y, v, sizeof v);
    else
        for (std::size_t i = 0; i != count; ++i) y[i] = v[i];
}

}  // namespace quanto::inline v0::detail
