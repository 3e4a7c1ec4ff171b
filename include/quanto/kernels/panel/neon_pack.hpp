// x packed into tiles (digits.hpp) with NEON: float32 as three digits or, rounded, as one; int8 as it is.
#pragma once

#include <quanto/kernels/panel/tile.hpp>
#include <quanto/kernels/vector.hpp>

#if QUANTO_TARGETS_NEON

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_NEON_DOT)
namespace neon_dot {

QUANTO_INLINE int32x4_t sum_of_quads(int32x4_t acc, int8x16_t x) noexcept {
    asm("sdot %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(x), "w"(vdupq_n_s8(1)));
    return acc;
}

// Where quad q of digit row r lies in a block of R rows of digits. Pairs: lines l and l + 1, l even, are interleaved, so
// that a row has 8 digits together, of both lines; a last line alone is as it would be without.
template <std::size_t Fields, bool Pairs>
struct place_of_digits {
    std::byte* block;
    std::size_t rows, lines;  // R, lines of the block

    QUANTO_INLINE std::byte* operator()(std::size_t q, std::size_t r) const noexcept {
        if constexpr (Pairs) {
            std::size_t const l = q / Fields, f = q % Fields;
            if ((l | 1) < lines)
                return block + 4 * Fields * rows * (l & ~std::size_t{1}) + 8 * (f * rows + r) + 4 * (l & 1);
        }
        return block + 4 * (q * rows + r);
    }
};

// The bits of the largest |x|: of NaN and infinity above those of all numbers.
QUANTO_INLINE std::uint32_t largest_magnitude(float const* x, std::size_t n) noexcept {
    uint32x4_t const magnitude = vdupq_n_u32(0x7fff'ffff);
    uint32x4_t largest = vdupq_n_u32(0);
    std::size_t k = 0;
    for (; n - k >= 4; k += 4)
        largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + k)), magnitude));
    std::uint32_t most = vmaxvq_u32(largest);
    for (; k != n; ++k) {
        std::uint32_t const bits = bit_cast<std::uint32_t>(x[k]) & 0x7fff'ffff;
        most = bits < most ? most : bits;
    }
    return most;
}

// x[k .. k + 4) * by, rounded; 0 from n on.
QUANTO_INLINE int32x4_t code_of(float const* x, std::size_t n, std::size_t k, float by) noexcept {
    if (k + 4 <= n) return vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + k), by));
    float four[4] = {};
    for (std::size_t i = k; i < n; ++i) four[i - k] = x[i];
    return vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(four), by));
}

// The three digits of a block of n floats, quad q of digit i to place(q, r + i); lane i: the sum of digit i.
template <class Place>
QUANTO_INLINE int32x4_t pack_digits(float const* x, std::size_t n, std::size_t quads, float inverse, Place place,
                                    std::size_t r) noexcept {
    static constexpr std::uint8_t order[16] = {2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, 255, 255, 255, 255};
    uint8x16_t const by_digit = vld1q_u8(order);
    uint32x4_t const bias = vdupq_n_u32(0x0080'8080);
    int32x4_t sum = vdupq_n_s32(0);
    for (std::size_t q = 0; q != quads; ++q) {
        uint32x4_t const code = vreinterpretq_u32_s32(code_of(x, n, 4 * q, inverse));
        uint8x16_t const bytes = vreinterpretq_u8_u32(veorq_u32(vaddq_u32(code, bias), bias));
        uint8x16_t const digits = vqtbl1q_u8(bytes, by_digit);
        sum = sum_of_quads(sum, vreinterpretq_s8_u8(digits));
        vst1q_lane_u32(reinterpret_cast<std::uint32_t*>(place(q, r)), vreinterpretq_u32_u8(digits), 0);
        vst1q_lane_u32(reinterpret_cast<std::uint32_t*>(place(q, r + 1)), vreinterpretq_u32_u8(digits), 1);
        vst1q_lane_u32(reinterpret_cast<std::uint32_t*>(place(q, r + 2)), vreinterpretq_u32_u8(digits), 2);
    }
    return sum;
}

// n codes, as they are or of floats times `inverse`, as one digit; their sum.
template <class T, class Place>
QUANTO_INLINE std::int32_t pack_codes(T const* x, std::size_t n, std::size_t quads, float inverse, Place place,
                                      std::size_t r) noexcept {
    std::int32_t total = 0;
    if constexpr (std::is_same_v<T, float>) {
        int32x4_t sum = vdupq_n_s32(0);
        for (std::size_t q = 0; q != quads; ++q) {
            int32x4_t const code = code_of(x, n, 4 * q, inverse);
            sum = vaddq_s32(sum, code);
            int16x4_t const half = vmovn_s32(code);
            int8x8_t const bytes = vmovn_s16(vcombine_s16(half, half));
            vst1_lane_u32(reinterpret_cast<std::uint32_t*>(place(q, r)), vreinterpret_u32_s8(bytes), 0);
        }
        total = vaddvq_s32(sum);
    } else {
        for (std::size_t q = 0; q != quads; ++q) {
            std::size_t const left = n > 4 * q ? n - 4 * q : 0;
            std::uint32_t four = 0;
            if (left >= 4)
                __builtin_memcpy(&four, x + 4 * q, 4);
            else
                __builtin_memcpy(&four, x + n - left, left);
            __builtin_memcpy(place(q, r), &four, 4);
        }
        int32x4_t sum = vdupq_n_s32(0);
        std::size_t k = 0;
        for (; n - k >= 16; k += 16) sum = sum_of_quads(sum, vld1q_s8(x + k));
        total = vaddvq_s32(sum);
        for (; k != n; ++k) total += x[k];
    }
    return total;
}

// Where sums of unsigned codes start; they may pass 2^31 on their way.
QUANTO_INLINE std::int32_t times_minus_128(std::int32_t sum) noexcept {
    return static_cast<std::int32_t>(0u - (static_cast<std::uint32_t>(sum) << 7));
}

// Pairs: codes of qint8 are unsigned, too.
template <std::size_t Fields, std::size_t D, bool Pairs, class T>
void pack_row(tile_row const& row, T const* x, std::size_t cols, std::size_t group, float x_scale) noexcept {
    std::size_t const rows = D * row.rows, r = D * row.m, words = row.layout.words_per_block(row.rows);
    std::byte* out = row.tile;
    float* s = row.block(0) + row.m;  // D = 3
    float* of_codes = row.block(0) + (D == 1 ? 0 : row.rows) + (Fields == 1 ? D : 1) * row.m;
    float by = 0.0f;
    if constexpr (std::is_same_v<T, std::int8_t>)
        row.scale() = x_scale;
    else if constexpr (D == 1)
        by = row.choose_scale(largest_magnitude(x, cols), 127.0f, row.scale());
    for (block_walk b(row.layout, cols, group); b.next(); s += words, of_codes += words, out += 4 * b.quads * rows) {
        place_of_digits<Fields, Pairs> const place{out, rows, b.quads / Fields};
        if constexpr (D == 3) {
            by = row.choose_scale(largest_magnitude(x + b.k, b.n), digit_layout::largest_code, *s);
            int32x4_t const sums = pack_digits(x + b.k, b.n, b.quads, by, place, r);
            std::int32_t digit[4];
            vst1q_s32(digit, sums);
            if constexpr (Fields != 1)
                *of_codes = static_cast<float>(digit[0] * 65536 + digit[1] * 256 + digit[2]) * *s;
            else if constexpr (Pairs)
                for (std::size_t i = 0; i != D; ++i)
                    reinterpret_cast<std::int32_t*>(of_codes)[i] = times_minus_128(digit[i]);
        } else {
            std::int32_t const sum = pack_codes(x + b.k, b.n, b.quads, by, place, r);
            if constexpr (Fields != 1)
                *of_codes = static_cast<float>(sum);
            else if constexpr (Pairs)
                *reinterpret_cast<std::int32_t*>(of_codes) = times_minus_128(sum);
        }
    }
}

// Rows m0 .. m0 + valid of x as a tile; those beyond are 0.
template <std::size_t Fields, std::size_t D, bool Pairs, class T>
void pack_rows(panel_operands<T> const& o, tile_row row, std::size_t m0, std::size_t valid) noexcept {
    row.clear(valid);
    for (; row.m != valid; ++row.m)
        pack_row<Fields, D, Pairs>(row, o.x.row(m0 + row.m), o.x.cols, o.w.layout().group, o.x_scale);
}

}  // namespace neon_dot
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

#endif
