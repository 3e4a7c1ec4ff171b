// float16 (IEEE binary16) and bfloat16: storage types. Arithmetic is always done in float:
//     float(h)    exact
//     float16(x)  nearest, ties to even; beyond the range to infinity; NaN stays NaN (quiet)
#pragma once

#include <cstdint>

#include <quanto/core/math.hpp>

namespace quanto::inline v0 {

struct float16 {
    std::uint16_t bits = 0;

    constexpr float16() noexcept = default;
    QUANTO_HOST_DEVICE constexpr explicit float16(float x) noexcept : bits(encode(x)) {}
    QUANTO_HOST_DEVICE constexpr explicit operator float() const noexcept {
        std::uint32_t const sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
        if (rest >= 0x7c00u) return bit_cast<float>(sign | 0x7f80'0000u | ((rest & 0x3ffu) << 13));
        // With the exponent of float a subnormal half is a subnormal multiple: (rest * 2^-24) is exact.
        float const magnitude =
            rest < 0x400u ? static_cast<float>(rest) * 0x1p-24f : bit_cast<float>((rest << 13) + ((127u - 15u) << 23));
        return bit_cast<float>(sign | bit_cast<std::uint32_t>(magnitude));
    }

    static constexpr float16 from_bits(std::uint16_t b) noexcept {
        float16 h;
        h.bits = b;
        return h;
    }
    friend constexpr bool operator==(float16 a, float16 b) noexcept { return float(a) == float(b); }

    static constexpr float max = 65504.0f;
    static constexpr float smallest_normal = 0x1p-14f;

private:
    QUANTO_HOST_DEVICE static constexpr std::uint16_t encode(float x) noexcept {
        std::uint32_t const u = bit_cast<std::uint32_t>(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fff'ffffu;
        std::uint32_t half = 0;
        if (a > 0x7f80'0000u) {
            half = 0x7e00u;
        } else if (a >= 0x4780'0000u) {  // 2^16 and above
            half = 0x7c00u;
        } else if (a >=
                   0x3880'0000u) {  // normal: add half of the last place (minus one where even), cut; carry is right
            std::uint32_t const r = a - ((127u - 15u) << 23);
            half = (r + 0xfffu + ((r >> 13) & 1u)) >> 13;
        } else if (a > 0x3300'0000u) {  // above 2^-25: subnormal; at 2^-25 the tie goes to zero
            std::uint32_t const mantissa = (a & 0x7f'ffffu) | 0x80'0000u, shift = 126u - (a >> 23);
            std::uint32_t const rest = mantissa & ((1u << shift) - 1u), middle = 1u << (shift - 1u);
            half = mantissa >> shift;
            half += static_cast<std::uint32_t>(rest > middle || (rest == middle && (half & 1u) != 0));
        }
        return static_cast<std::uint16_t>(sign | half);
    }
};

struct bfloat16 {
    std::uint16_t bits = 0;

    constexpr bfloat16() noexcept = default;
    QUANTO_HOST_DEVICE constexpr explicit bfloat16(float x) noexcept : bits(encode(x)) {}
    QUANTO_HOST_DEVICE constexpr explicit operator float() const noexcept {
        return bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    }

    static constexpr bfloat16 from_bits(std::uint16_t b) noexcept {
        bfloat16 h;
        h.bits = b;
        return h;
    }
    friend constexpr bool operator==(bfloat16 a, bfloat16 b) noexcept { return float(a) == float(b); }

    static constexpr float max = 0x1.fep127f;
    static constexpr float smallest_normal = 0x1p-126f;

private:
    QUANTO_HOST_DEVICE static constexpr std::uint16_t encode(float x) noexcept {
        std::uint32_t const u = bit_cast<std::uint32_t>(x);
        if (is_nan(x)) return static_cast<std::uint16_t>((u >> 16) | 0x40u);
        return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
};

}  // namespace quanto::inline v0
