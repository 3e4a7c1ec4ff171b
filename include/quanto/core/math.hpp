// Small integer and float helpers, constexpr and exact where they can be. (<cmath> costs each includer 0.1 s and is not
// constexpr in C++20.)
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <quanto/core/config.hpp>
#if !defined(__GNUC__)
#include <cmath>
#endif

namespace quanto::inline v0 {

static_assert(std::numeric_limits<float>::is_iec559 && sizeof(float) == 4, "quanto needs IEEE 754 binary32 floats");

// std::bit_cast, which some standard libraries still lack.
template <class To, class From>
QUANTO_HOST_DEVICE constexpr To bit_cast(From const& from) noexcept {
    static_assert(sizeof(To) == sizeof(From), "quanto: bit_cast needs two types of one size");
    return __builtin_bit_cast(To, from);
}

QUANTO_HOST_DEVICE constexpr float absolute(float x) noexcept {
    return bit_cast<float>(bit_cast<std::uint32_t>(x) & 0x7fff'ffffu);
}

QUANTO_HOST_DEVICE constexpr bool is_finite(float x) noexcept {
    return (bit_cast<std::uint32_t>(x) & 0x7f80'0000u) != 0x7f80'0000u;
}

constexpr bool is_finite(double x) noexcept {
    return (bit_cast<std::uint64_t>(x) & 0x7ff0'0000'0000'0000u) != 0x7ff0'0000'0000'0000u;
}

QUANTO_HOST_DEVICE constexpr bool is_nan(float x) noexcept {
    return (bit_cast<std::uint32_t>(x) & 0x7fff'ffffu) > 0x7f80'0000u;
}

// The nearest integer, ties to even. Precondition: |x| <= 2^23. No dependence on the rounding mode or on -ffast-math:
// the fraction is compared, never added away; and no branch, so that loops over it become vector code.
QUANTO_HOST_DEVICE constexpr std::int32_t nearest_integer(float x) noexcept {
    auto const whole = static_cast<std::int32_t>(x);
    float const fraction = x - static_cast<float>(whole);  // exact
    int const odd = whole & 1;
    int const up = int{fraction > 0.5f} | (int{fraction == 0.5f} & odd);
    int const down = int{fraction < -0.5f} | (int{fraction == -0.5f} & odd);
    return whole + up - down;
}

// The same as a float; NaN, infinities and |x| >= 2^23 come back unchanged.
QUANTO_HOST_DEVICE constexpr float round_half_even(float x) noexcept {
    return absolute(x) < 8388608.0f ? static_cast<float>(nearest_integer(x)) : x;
}

// x, as a value of its own: the compiler may not contract what comes before with what comes after into one fused
// operation. For formulas whose roundings are part of the definition, like code * scale - shift.
QUANTO_HOST_DEVICE constexpr float rounded(float x) noexcept {
#if defined(__GNUC__) && !defined(__CUDACC__)
    if (!std::is_constant_evaluated()) {
#if defined(__SSE2__)
        asm("" : "+x"(x));
#elif defined(__aarch64__)
        asm("" : "+w"(x));
#else
        asm("" : "+m"(x));
#endif
    }
#endif
    return x;
}

// The functions of <cmath> and <algorithm> that formulas need.
namespace math {
#if defined(__GNUC__)
#define QUANTO_LIBM(function) __builtin_##function
#else
#define QUANTO_LIBM(function) std::function
#endif
inline float sqrt(float x) noexcept { return QUANTO_LIBM(sqrtf)(x); }
inline double sqrt(double x) noexcept { return QUANTO_LIBM(sqrt)(x); }
inline float exp(float x) noexcept { return QUANTO_LIBM(expf)(x); }
inline double exp(double x) noexcept { return QUANTO_LIBM(exp)(x); }
inline double log(double x) noexcept { return QUANTO_LIBM(log)(x); }
inline double log10(double x) noexcept { return QUANTO_LIBM(log10)(x); }
inline double cos(double x) noexcept { return QUANTO_LIBM(cos)(x); }
inline float pow(float x, float y) noexcept { return QUANTO_LIBM(powf)(x, y); }
inline double pow(double x, double y) noexcept { return QUANTO_LIBM(pow)(x, y); }
#undef QUANTO_LIBM

constexpr std::size_t min(std::size_t a, std::size_t b) noexcept { return b < a ? b : a; }
constexpr std::size_t max(std::size_t a, std::size_t b) noexcept { return a < b ? b : a; }
}  // namespace math

// ceil(a / b); b > 0.
QUANTO_HOST_DEVICE constexpr std::size_t ceil_div(std::size_t a, std::size_t b) noexcept {
    return a / b + (a % b != 0);
}

// product = a * b; false where that does not fit (product is then unspecified).
constexpr bool checked_multiply(std::size_t a, std::size_t b, std::size_t& product) noexcept {
    product = a * b;
    return b == 0 || a <= std::numeric_limits<std::size_t>::max() / b;
}

}  // namespace quanto::inline v0
