// What a product with panels does to its sums v, the same in all kernels (product_options):
//     y[m][n] = stored(activation(v + bias[n]) + residual[m][n])                NaN stays NaN, in codes of int8 0
// stored: f32 as it is; f16, bf16 rounded once, to nearest even; codes as the quantizer has them, symmetric_code.
#pragma once

#include <cstddef>

#include <quanto/kernels/inlining.hpp>
#include <quanto/kernels/panel/product_options.hpp>
#include <quanto/quantizer/symmetric.hpp>

namespace quanto::inline v0::detail {

// f(to, from) for the elements p[0 .. count) of N: as many as there are, where they are all, by a loop that becomes
// vector code.
template <std::size_t N, class F>
QUANTO_INLINE void for_elements(std::size_t count, F const& f) noexcept {
    if (count == N)
        for (std::size_t i = 0; i != N; ++i) f(i);
    else
        for (std::size_t i = 0; i != count; ++i) f(i);
}

template <class T, std::size_t N>
QUANTO_INLINE void load_values(void const* p, float scale, std::size_t count, float (&v)[N]) noexcept {
    auto const* const from = static_cast<T const*>(p);
    for_elements<N>(
        count, [&](std::size_t i) __attribute__((always_inline)) {
            if constexpr (CodeElement<T>)
                v[i] = dequantize_code<qtype_of<T>>(bit_cast<std::uint8_t>(from[i]), scale);
            else
                v[i] = static_cast<float>(from[i]);
        });
}
template <class T, std::size_t N>
QUANTO_INLINE void store_values(float const (&v)[N], float scale, std::size_t count, void* p) noexcept {
    auto* const to = static_cast<T*>(p);
    for_elements<N>(
        count, [&](std::size_t i) __attribute__((always_inline)) {
            if constexpr (CodeElement<T>)
                to[i] = bit_cast<T>(symmetric_code<qtype_of<T>>(v[i], scale));
            else
                to[i] = static_cast<T>(v[i]);
        });
}

// v[0 .. count), from column n of row m on, to y. N is one number, so that the loops become vector code of whatever
// instruction set calls them.
template <std::size_t N>
QUANTO_INLINE void finish_outputs(product_options const& o, output_matrix const& y, float (&v)[N], std::size_t m,
                                  std::size_t n, std::size_t count) noexcept {
    float part[N] = {};
    if (!o.bias.empty()) {
        load_values<float>(o.bias.data() + n, 1.0f, count, part);
        for (std::size_t i = 0; i != N; ++i) v[i] += part[i];
    }
    activate<N>(o.activation, v);
    if (auto const& r = o.residual; r.data != nullptr) {
        visit_element(
            r.type, [&]<class T>(T)
                        __attribute__((always_inline)) { load_values<T>(r.at(m, n), r.scale, count, part); });
        for (std::size_t i = 0; i != N; ++i) v[i] += part[i];
    }
    visit_element(
        y.type, [&]<class T>(T) __attribute__((always_inline)) { store_values<T>(v, y.scale, count, y.at(m, n)); });
}

}  // namespace quanto::inline v0::detail
