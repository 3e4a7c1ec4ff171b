// The three 8-bit floats. value(s, e, m) = (-1)^s * 2^(e - bias) * (1 + m / 2^M) for e > 0, (-1)^s * 2^(1 - bias) * m /
// 2^M for e = 0. Sources: OCP 8-bit Floating Point Specification 1.0 (e4m3fn, e5m2); arXiv 2206.02915 (e4m3fnuz).
//
//     format     bias  largest  NaN codes             infinities  -0
//     e4m3fn     7     448      0x7f 0xff             none        0x80
//     e4m3fnuz   8     240      0x80                  none        none
//     e5m2       15    57344    0x7d-0x7f 0xfd-0xff   0x7c 0xfc   0x80
//
// Encoding rounds once, to nearest, ties to even. Out of range, `overflow::saturate` gives the largest value (for
// infinities too), `overflow::ieee` gives infinity (e5m2) or NaN. NaN gives NaN under both.
#pragma once

#include <cstdint>

#include <quanto/core/math.hpp>

namespace quanto::inline v0 {

enum class overflow : std::uint8_t { saturate, ieee };

namespace detail {

// `finite_codes`: codes 0 .. finite_codes - 1 are the finite non-negative values, in order.
template <int MantissaBits, int Bias, unsigned FiniteCodes, bool Infinities, unsigned NaN, bool NegativeZero>
struct float8_format {
    std::uint8_t bits = 0;

    static constexpr int mantissa_bits = MantissaBits;
    static constexpr int bias = Bias;
    static constexpr unsigned finite_codes = FiniteCodes;
    static constexpr bool has_infinity = Infinities;

    constexpr float8_format() noexcept = default;
    QUANTO_HOST_DEVICE constexpr explicit float8_format(float x, overflow policy = overflow::saturate) noexcept
        : bits(encode(x, policy)) {}
    QUANTO_HOST_DEVICE constexpr explicit operator float() const noexcept { return decode(bits); }

    QUANTO_HOST_DEVICE static constexpr float decode(std::uint8_t code) noexcept {
        std::uint32_t const sign = (code & 0x80u) << 24, rest = code & 0x7fu;
        if (!NegativeZero && code == 0x80u) return bit_cast<float>(0x7fc0'0000u);
        if (rest >= FiniteCodes)
            return bit_cast<float>(sign | (Infinities && rest == FiniteCodes ? 0x7f80'0000u : 0x7fc0'0000u));
        constexpr float smallest = bit_cast<float>(static_cast<std::uint32_t>(127 + 1 - Bias - MantissaBits) << 23);
        float const magnitude =
            rest < (1u << MantissaBits)
                ? static_cast<float>(rest) * smallest
                : bit_cast<float>((rest << (23 - MantissaBits)) + (static_cast<std::uint32_t>(127 - Bias) << 23));
        return bit_cast<float>(sign | bit_cast<std::uint32_t>(magnitude));
    }

    QUANTO_HOST_DEVICE static constexpr std::uint8_t encode(float x, overflow policy) noexcept {
        std::uint32_t const u = bit_cast<std::uint32_t>(x), sign = (u >> 24) & 0x80u, a = u & 0x7fff'ffffu;
        if (a > 0x7f80'0000u) return static_cast<std::uint8_t>(NaN);
        std::uint32_t code = round(a);
        if (code >= FiniteCodes) {
            if (policy == overflow::saturate)
                code = FiniteCodes - 1;
            else if (Infinities)
                code = FiniteCodes;
            else
                return static_cast<std::uint8_t>(NaN);
        }
        if (!NegativeZero && code == 0) return 0;
        return static_cast<std::uint8_t>(sign | code);
    }

    static constexpr float8_format from_bits(std::uint8_t code) noexcept {
        float8_format f;
        f.bits = code;
        return f;
    }

    static constexpr float max = decode(FiniteCodes - 1);

private:
    // The code of the magnitude with float bits `a` (finite or infinite), as if codes went on without end.
    QUANTO_HOST_DEVICE static constexpr std::uint32_t round(std::uint32_t a) noexcept {
        constexpr std::uint32_t drop = 23 - MantissaBits, rebias = static_cast<std::uint32_t>(127 - Bias) << 23;
        constexpr std::uint32_t smallest_normal = rebias + (1u << 23);
        if (a >= smallest_normal) {
            std::uint32_t const r = a - rebias;
            return (r + (1u << (drop - 1)) - 1u + ((r >> drop) & 1u)) >> drop;
        }
        std::uint32_t const exponent = a >> 23;
        std::uint32_t const shift = drop + (smallest_normal >> 23) - exponent;  // >= drop + 1
        if (shift > 24) return 0;                                               // below half of the smallest
        std::uint32_t const mantissa = (a & 0x7f'ffffu) | 0x80'0000u;
        std::uint32_t const rest = mantissa & ((1u << shift) - 1u), middle = 1u << (shift - 1u),
                            code = mantissa >> shift;
        return code + static_cast<std::uint32_t>(rest > middle || (rest == middle && (code & 1u) != 0));
    }
};

}  // namespace detail

struct float8_e4m3fn : detail::float8_format<3, 7, 0x7f, false, 0x7f, true> {
    using float8_format::float8_format;
};
struct float8_e4m3fnuz : detail::float8_format<3, 8, 0x80, false, 0x80, false> {
    using float8_format::float8_format;
};
struct float8_e5m2 : detail::float8_format<2, 15, 0x7c, true, 0x7f, true> {
    using float8_format::float8_format;
};

static_assert(float8_e4m3fn::max == 448.0f && float8_e4m3fnuz::max == 240.0f && float8_e5m2::max == 57344.0f);

}  // namespace quanto::inline v0
