// One float as the bits of a smaller type, without a branch and without a call, so that loops over these functions
// become vector code in every instruction set: the bits in an int32, so that all lanes have one size. As the definitions
// have it, inside a floating_point_guard:
//     element_bits<T>(x)             T(x).bits of float16, bfloat16, and of float8, which saturates
//     element_bits<std::int8_t>(y)   symmetric_code<qint8>(x, scale), y = x / scale, in the lowest byte
#pragma once

#include <cstdint>
#include <type_traits>

#include <quanto/core/math.hpp>
#include <quanto/kernels/convert/format.hpp>
#include <quanto/kernels/inlining.hpp>

namespace quanto::inline v0::detail {

// c ? a : b, by bits: compilers would branch.
QUANTO_INLINE constexpr std::int32_t select(bool c, std::int32_t a, std::int32_t b) noexcept {
    std::int32_t const all = -std::int32_t{c};
    return (a & all) | (b & ~all);
}

template <class T>
QUANTO_INLINE constexpr std::int32_t element_bits(float x) noexcept {
    auto const u = bit_cast<std::int32_t>(x);
    std::int32_t const a = u & 0x7fff'ffff;
    if constexpr (std::is_same_v<T, std::int8_t>) {
        // Within -128 .. 128, adding 3 * 2^22 leaves the nearest integer, ties to even, in the last bits.
        constexpr auto largest = bit_cast<std::int32_t>(128.0f), magic = bit_cast<std::int32_t>(0x1.8p23f);
        std::int32_t const c = (a < largest ? a : largest) | (u & ~0x7fff'ffff);
        std::int32_t const code = bit_cast<std::int32_t>(bit_cast<float>(c) + 0x1.8p23f) - magic;
        return select(a > 0x7f80'0000, 0, code < 127 ? code : 127);
    } else {
        // As convert/simd.inl has it: codes are in the order of their values, so rounding is on integers.
        using F = small_format<T>;
        constexpr int drop = 23 - F::mantissa_bits;
        constexpr std::int32_t rebias = (127 - F::bias) << 23, smallest_normal = rebias + (1 << 23);
        constexpr std::int32_t magic = (128 - F::bias - F::mantissa_bits + 23) << 23, sign_bit = 1 << (F::bits - 1);
        constexpr std::int32_t most = F::bits == 8 ? F::finite_codes - 1 : F::finite_codes;
        std::int32_t const r = (a < 0x7f80'0000 ? a : 0x7f80'0000) - rebias;
        std::int32_t const normal = (r + ((1 << (drop - 1)) - 1) + ((r >> drop) & 1)) >> drop;
        std::int32_t const subnormal = bit_cast<std::int32_t>(bit_cast<float>(a) + bit_cast<float>(magic)) - magic;
        std::int32_t const rounded = select(a < smallest_normal, subnormal, normal),
                           code = rounded < most ? rounded : most;
        std::int32_t const sign = (u >> (32 - F::bits)) & sign_bit & (F::has_negative_zero ? -1 : -code >> 31);
        std::int32_t const nan = F::keeps_nan ? ((u >> 16) & 0xffff) | 0x40 : F::bits == 16 ? F::nan | sign : F::nan;
        return select(a > 0x7f80'0000, nan, code | sign);
    }
}

}  // namespace quanto::inline v0::detail
