// What a product with panels does to its sums v, the same in all kernels (product_options):
//     y[m][n] = stored(activation(v + bias[n]) + residual[m][n])                NaN stays NaN, in codes of int8 0
// stored: f32 as it is; f16, bf16 rounded once, to nearest even; codes as the quantizer has them, symmetric_code.
#pragma once

#include <cstddef>
#include <type_traits>

#include <quanto/kernels/convert/element.hpp>
#include <quanto/kernels/inlining.hpp>
#include <quanto/kernels/panel/product_options.hpp>
#include <quanto/quantizer/symmetric.hpp>

namespace quanto::inline v0::detail {

// count < N elements, in pieces of N / 2, N / 4 ... : nothing is called, and each lies within a vector of its own size,
// so that what was just stored is forwarded.
template <std::size_t N, class T>
QUANTO_INLINE void copy_elements(void const* from, std::size_t count, void* to) noexcept {
    if constexpr (N != 1) {
        constexpr std::size_t bytes = N / 2 * sizeof(T);
        bool const piece = (count & (N / 2)) != 0;
        if (piece) __builtin_memcpy(to, from, bytes);
        std::size_t const done = piece ? bytes : 0;
        copy_elements<N / 2, T>(static_cast<char const*>(from) + done, count, static_cast<char*>(to) + done);
    }
}

// v[0 .. count) = the values at p, those beyond 0. By all N, of a copy: a loop that becomes vector code.
template <class T, std::size_t N>
QUANTO_INLINE void load_values(void const* p, float scale, std::size_t count, float (&v)[N]) noexcept {
    T from[N] = {};
    if (count == N)
        __builtin_memcpy(static_cast<void*>(from), p, sizeof from);
    else
        copy_elements<N, T>(p, count, from);
    for (std::size_t i = 0; i != N; ++i)
        if constexpr (CodeElement<T>)
            v[i] = dequantize_code<qtype_of<T>>(bit_cast<std::uint8_t>(from[i]), scale);
        else
            v[i] = static_cast<float>(from[i]);
#if defined(__GNUC__)
    if constexpr (CodeElement<T>) asm("" : "+m"(v));  // code * scale is rounded: no operation after it may fuse with it
#endif
}
template <class T, std::size_t N>
QUANTO_INLINE void store_values(float const (&v)[N], float scale, std::size_t count, void* p) noexcept {
    T to[N];
    if constexpr (std::is_same_v<T, float>) {
        for (std::size_t i = 0; i != N; ++i) to[i] = v[i];
    } else {
        using bits = std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint16_t>;
        std::int32_t wide[N];
        for (std::size_t i = 0; i != N; ++i) wide[i] = element_bits<T>(CodeElement<T> ? v[i] / scale : v[i]);
        for (std::size_t i = 0; i != N; ++i) to[i] = bit_cast<T>(static_cast<bits>(wide[i]));
    }
    if (count == N)
        __builtin_memcpy(p, to, sizeof to);
    else
        copy_elements<N, T>(to, count, p);
}

// v[.][0 .. count), of `rows` rows from m on and of columns from n on, to y. N is one number, so that the loops become
// vector code of whatever instruction set calls them.
template <std::size_t N>
QUANTO_INLINE void finish_outputs(product_options const& o, output_matrix const& y, float (*v)[N], std::size_t rows,
                                  std::size_t m, std::size_t n, std::size_t count) noexcept {
    auto const each_row = [&](auto const& f) __attribute__((always_inline)) {
        for (std::size_t i = 0; i != rows; ++i) f(v[i], m + i);
    };
    auto const add = [](float(&row)[N], float const(&part)[N]) __attribute__((always_inline)) {
        for (std::size_t i = 0; i != N; ++i) row[i] += part[i];
    };
    if (!o.bias.empty()) {
        float bias[N];
        load_values<float>(o.bias.data() + n, 1.0f, count, bias);
        each_row([&](float(&row)[N], std::size_t) __attribute__((always_inline)) { add(row, bias); });
    }
    if (o.activation != fused_activation::none)
        each_row([&](float(&row)[N], std::size_t) __attribute__((always_inline)) { activate<N>(o.activation, row); });
    if (auto const& r = o.residual; r.data != nullptr)
        visit_element(
            r.type, [&]<class T>(T) __attribute__((always_inline)) {
                each_row([&](float(&row)[N], std::size_t at) __attribute__((always_inline)) {
                    float part[N];
                    load_values<T>(r.at(at, n), r.scale, count, part);
                    add(row, part);
                });
            });
    visit_element(
        y.type, [&]<class T>(T) __attribute__((always_inline)) {
            each_row([&](float(&row)[N], std::size_t at)
                         __attribute__((always_inline)) { store_values<T>(row, y.scale, count, y.at(at, n)); });
        });
}

}  // namespace quanto::inline v0::detail
