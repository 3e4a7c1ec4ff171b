// Products with panels of qint2, qint4 and qint8 by usmmla, which adds the products of 2 rows of unsigned codes and 2 of
// signed digits, 8 each: sum[r / 2][i] holds rows 2i and 2i + 1 of a panel, times rows r and r + 1 of digits. Zipped,
// two lines of w have 8 codes of a row together, 4 of each line; x is packed in that order (neon_pack.hpp). qint8 starts
// at -128 * sum of digits, as in avx512vnni.hpp, whose float operations these are. One row of x stays with sdot.
//
// Vector operations for 16 rows of w, two lines and R rows of digits (loads have units of their own):
//     sdot       8 * R * Fields + 8 (qint8), 16 (4 bits), 48 (2 bits) that make codes
//     usmmla     4 * R * Fields + 8 zips    + 0,         16,          48
// So against sdot's 6 rows, which take 56, 112, 240, 6 rows here take 1.75, 1.56 and 1.58 times less, and 12 rows 2.0,
// 1.87 and 1.94 times less per row. 24 registers are sums: with R > 6 a panel is read in halves, one after the other.
#pragma once

#include <quanto/kernels/panel/neon_dot.hpp>

#if QUANTO_TARGETS_NEON

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_NEON_I8MM)
namespace neon_i8mm {

using namespace neon_dot;

// acc[2i + j] + 8 codes of row i * 8 digits of row j. As assembly: see neon_dot.hpp.
QUANTO_INLINE int32x4_t multiply_2x2(int32x4_t acc, uint8x16_t codes, int8x16_t digits) noexcept {
    asm volatile("usmmla %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(codes), "w"(digits));
    return acc;
}

template <std::size_t Fields, std::size_t R>
struct tile_sums {
    static_assert(R % 2 == 0);
    static constexpr std::size_t parts = R <= 6 ? 4 : 2, line_bytes = 4 * Fields * R;
    // Whether there are registers for all digits of two lines.
    static constexpr bool keeps_digits = R * parts + Fields * R / 2 <= 27;

    int32x4_t sum[R / 2][2 * parts];

    QUANTO_INLINE void start([[maybe_unused]] std::int32_t const* words) noexcept {
        QUANTO_UNROLL
        for (std::size_t r = 0; r != R; r += 2) {
            int32x4_t first = vdupq_n_s32(0);
            if constexpr (Fields == 1) {
                int32x2_t const pair = vld1_s32(words + r);
                first = vcombine_s32(pair, pair);
            }
            QUANTO_UNROLL
            for (std::size_t i = 0; i != 2 * parts; ++i) sum[r / 2][i] = first;
        }
    }

    // Two lines, or the last one alone: then the codes of the other are 0.
    template <bool Two>
    QUANTO_INLINE void add_lines(std::byte const* w, std::byte const* x) noexcept {
        QUANTO_UNROLL
        for (std::size_t part = 0; part != parts; ++part) {
            uint32x4_t const line = vreinterpretq_u32_u8(load_codes(w + 16 * part)),
                             next = Two ? vreinterpretq_u32_u8(load_codes(w + 64 + 16 * part)) : vdupq_n_u32(0);
            uint8x16_t const rows[2] = {vreinterpretq_u8_u32(vzip1q_u32(line, next)),
                                        vreinterpretq_u8_u32(vzip2q_u32(line, next))};
            if constexpr (!keeps_digits) x = again(x);
            QUANTO_UNROLL
            for (std::size_t f = 0; f != Fields; ++f) {
                uint8x16_t const codes[2] = {field<Fields>(rows[0], f), field<Fields>(rows[1], f)};
                QUANTO_UNROLL
                for (std::size_t r = 0; r != R; r += 2) {
                    std::byte const* const at = x + (Two ? 8 : 4) * (f * R + r);
                    int8x16_t digits;
                    if constexpr (Two) {
                        digits = load_digits(at);
                    } else {
                        int32x2_t const pair = vld1_s32(reinterpret_cast<std::int32_t const*>(at));
                        int32x4_t const low = vcombine_s32(pair, vdup_n_s32(0));
                        digits = vreinterpretq_s8_s32(vzip1q_s32(low, low));
                    }
                    QUANTO_UNROLL
                    for (std::size_t i = 0; i != 2; ++i)
                        sum[r / 2][2 * part + i] = multiply_2x2(sum[r / 2][2 * part + i], codes[i], digits);
                }
            }
        }
    }

    QUANTO_INLINE void add(std::byte const* w, std::byte const* x, std::size_t lines) noexcept {
        for (std::byte const* const end = w + 64 * (lines & ~std::size_t{1}); w != end; w += 128, x += 2 * line_bytes)
            add_lines<true>(w, x);
        if (lines % 2 != 0) add_lines<false>(w, x);
    }

    QUANTO_INLINE vi of(std::size_t part, std::size_t r) const noexcept {
        int32x4_t const a = sum[r / 2][2 * part], b = sum[r / 2][2 * part + 1];
        return (vi)(r % 2 == 0 ? vuzp1q_s32(a, b) : vuzp2q_s32(a, b));
    }
};

#include <quanto/kernels/panel/multiply_tile.inl>

// The rows of the tile that takes `m` rows, and its kernel.
template <std::size_t Fields, std::size_t D>
constexpr std::size_t tile_rows(std::size_t m) noexcept {
    std::size_t const even = m == 1 ? 1 : m + m % 2;
    return D == 3 ? (even < 4 ? even : 4) : even <= 8 ? even : 12;
}

template <std::size_t Fields, std::size_t D>
tile_kernel kernel_of(std::size_t rows) noexcept {
    if (rows == 1) return neon_dot::multiply_tile<Fields, D, 1>;
    if (rows == 2) return multiply_tile<Fields, D, 2>;
    if (rows == 4) return multiply_tile<Fields, D, 4>;
    if constexpr (D == 1) {
        if (rows == 6) return multiply_tile<Fields, D, 6>;
        if (rows == 8) return multiply_tile<Fields, D, 8>;
        if (rows == 12) return multiply_tile<Fields, D, 12>;
    }
    return nullptr;
}

template <std::size_t Fields, std::size_t D, class T>
void pack_tile(panel_operands<T> const& o, tile_row const& row, std::size_t m0, std::size_t valid) noexcept {
    if (row.rows == 1) return pack_rows<Fields, D, false>(o, row, m0, valid);
    pack_rows<Fields, D, true>(o, row, m0, valid);
}

}  // namespace neon_i8mm
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

#endif
