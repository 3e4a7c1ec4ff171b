// The definition of the three products, scalar. x (M, K), w (N, K), y (M, N):
//     float x qtype   y[m][n] = float(sum_k double(x[m][k]) * double(w[n][k]))    w[n][k] as dequantized, f32
//     float x float   the same
//     int8 x qint8    y[m][n] = sum_g float(sum_{k in g} x[m][k] * code[n][k]) * (x_scale * scale[n][g])
//                     the inner sum an exact int32: K <= longest_int8_sum, the outer one f32, in the order of the groups
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

// So many products of two int8 sum up in an int32: (-128)^2 times that is below 2^31.
inline constexpr std::size_t longest_int8_sum = (std::size_t{1} << 17) - 1;

namespace detail {
// w(n, k) gives the value of a weight.
template <class W>
void matmul_definition(matrix_view<float const> x, W const& w, matrix_view<float> y) noexcept {
    for (std::size_t n = 0; n != y.cols; ++n)
        for (std::size_t m = 0; m != x.rows; ++m) {
            double sum = 0.0;
            for (std::size_t k = 0; k != x.cols; ++k)
                sum += static_cast<double>(x(m, k)) * static_cast<double>(w(n, k));
            y(m, n) = static_cast<float>(sum);
        }
}
}  // namespace detail

// Precondition of all: x.cols == columns of w, y is (x.rows, rows of w), w along axis::first, y overlaps no operand.
template <QType Q>
void matmul_reference(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) noexcept {
    detail::matmul_definition(
        x, [&](std::size_t n, std::size_t k) { return w[n * w.layout.length() + k]; }, y);
}

template <FloatStorage W>
void matmul_reference(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y) noexcept {
    detail::matmul_definition(
        x, [&](std::size_t n, std::size_t k) { return static_cast<float>(w(n, k)); }, y);
}

inline void matmul_reference(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                             matrix_view<float> y) noexcept {
    std::size_t const length = w.layout.length(), group = w.layout.group_size(), groups = w.layout.groups_per_line();
    for (std::size_t m = 0; m != x.rows; ++m)
        for (std::size_t n = 0; n != y.cols; ++n) {
            float total = 0.0f;
            for (std::size_t g = 0; g != groups; ++g) {
                std::size_t const begin = g * group, end = length - begin < group ? length : begin + group;
                std::int32_t sum = 0;
                for (std::size_t k = begin; k != end; ++k)
                    sum += std::int32_t{x(m, k)} * static_cast<std::int8_t>(w.codes[n * length + k]);
                float const scaled = rounded(static_cast<float>(sum) * (x_scale * w.scale(n * groups + g)));
                total = g == 0 ? scaled : total + scaled;
            }
            y(m, n) = total;
        }
}

}  // namespace quanto::inline v0
