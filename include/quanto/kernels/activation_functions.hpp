// The activation functions of kernels, without a branch and without a call, so that loops over them become vector code
// in every instruction set:
//     relu(v) = v where v > 0, else +0        gelu(v) = v * Phi(v)        silu(v) = v / (1 + exp(-v))
// The last two in double inside:
//     |gelu(v) - exact| <= 3.1 * 2^-24 * |exact|, |silu(v) - exact| <= 1.1 * 2^-24 * |exact|, each + 2^-149
// Infinities that the formula multiplies with 0 give NaN, and NaN stays NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/core/math.hpp>
#include <quanto/kernels/inlining.hpp>

namespace quanto::inline v0 {

enum class fused_activation : std::uint8_t { none, relu, gelu, silu };

namespace detail {

// By a mask: signs cannot be predicted, and at -O2 compilers branch.
QUANTO_INLINE constexpr float relu(float v) noexcept {
    return bit_cast<float>(bit_cast<std::uint32_t>(v) & (v <= 0.0f ? 0u : ~0u));
}

// c ? a : b, by bits: compilers would branch.
QUANTO_INLINE constexpr double select(bool c, double a, double b) noexcept {
    std::uint64_t const all = 0 - std::uint64_t{c};
    return bit_cast<double>((bit_cast<std::uint64_t>(a) & all) | (bit_cast<std::uint64_t>(b) & ~all));
}

// e^x, 2^-31 of it away at most. Precondition: -200 <= x < 2^-20.
QUANTO_INLINE constexpr double exp_of_negative(double x) noexcept {
    // x = n * ln 2 + r, |r| <= ln 2 / 2: Taylor's series up to r^8 leaves r^9 / 9! < 2^-32. Then 2^n by its bits.
    auto const n = static_cast<std::int32_t>(x * 1.4426950408889634 - 0.5);
    double const r = x - static_cast<double>(n) * 0.69314718055994531;
    double e = 1.0 / 40320;
    e = e * r + 1.0 / 5040;
    e = e * r + 1.0 / 720;
    e = e * r + 1.0 / 120;
    e = e * r + 1.0 / 24;
    e = e * r + 1.0 / 6;
    e = e * r + 0.5;
    e = e * r + 1.0;
    e = e * r + 1.0;
    return e * bit_cast<double>(static_cast<std::uint64_t>(std::int64_t{n} + 1023) << 52);
}

// Phi(-a) = erfc(z) / 2, z = a / sqrt 2, by the approximation of erfc in Press et al., Numerical Recipes, 6.2 (erfcc):
// t * e^(polynomial of t - z^2) with t = 1 / (1 + z / 2), 1.2e-7 of erfc(z) away at most. That is 2.02 * 2^-24 of gelu,
// and the rounding to float another 2^-24. Where Phi(-a) < e^-200, 0.
QUANTO_INLINE constexpr float gelu(float value) noexcept {
    double const v = static_cast<double>(value), a = select(v < 0.0, -v, v), t = 1.0 / (1.0 + a * 0.35355339059327376);
    double p = 0.17087277;
    p = p * t - 0.82215223;
    p = p * t + 1.48851587;
    p = p * t - 1.13520398;
    p = p * t + 0.27886807;
    p = p * t - 0.18628806;
    p = p * t + 0.09678418;
    p = p * t + 0.37409196;
    p = p * t + 1.00002368;
    p = p * t - 1.26551223;
    double const x = p - 0.5 * a * a;
    double const below = select(x > -200.0, 0.5, 0.0) * t * exp_of_negative(select(x > -200.0, x, -200.0));
    return static_cast<float>(v * select(v < 0.0, below, 1.0 - below));
}

// e = e^-|v|: v / (1 + e), or for negative v, v * e / (1 + e).
QUANTO_INLINE constexpr float silu(float value) noexcept {
    double const v = static_cast<double>(value), x = select(v < 0.0, v, -v);
    double const e = select(x > -200.0, 1.0, 0.0) * exp_of_negative(select(x > -200.0, x, -200.0));
    return static_cast<float>(v * (select(v < 0.0, e, 1.0) / (1.0 + e)));
}

// e^(v - largest), 2^-24 of it away at most (its double, 2^-31), below 2^-150 zero. NaN where the difference is NaN.
// Precondition: v <= largest.
QUANTO_INLINE constexpr float exp_of_difference(float value, float largest) noexcept {
    double const x = static_cast<double>(value) - static_cast<double>(largest);
    double const e = exp_of_negative(select(x > -105.0, x, -105.0));
    return static_cast<float>(select(x > -105.0, e, select(x <= -105.0, 0.0, x)));
}

// v[0 .. N) = f(v[0 .. N)). N is one number, so that compilers make vector code of the loops at every level.
template <std::size_t N>
QUANTO_INLINE constexpr void activate(fused_activation f, float* v) noexcept {
    if (f == fused_activation::relu)
        for (std::size_t i = 0; i != N; ++i) v[i] = relu(v[i]);
    else if (f == fused_activation::gelu)
        for (std::size_t i = 0; i != N; ++i) v[i] = gelu(v[i]);
    else if (f == fused_activation::silu)
        for (std::size_t i = 0; i != N; ++i) v[i] = silu(v[i]);
}

}  // namespace detail
}  // namespace quanto::inline v0
