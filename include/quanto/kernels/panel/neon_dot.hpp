// Products with panels of qint2, qint4 and qint8 by sdot, as avx512vnni.hpp has them: the same sums, exact in int32, and
// the same float operations in the same order, so the same bounds. Four registers hold a line of w, sums[j][i] row
// 4j + i of a panel; x[m] is broadcast by lane. Codes are signed here: qint8's top bit is flipped back, so that sums
// start at 0.
#pragma once

#include <quanto/kernels/panel/tile.hpp>
#include <quanto/kernels/target.hpp>

#if QUANTO_TARGETS_NEON

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_NEON_DOT)
namespace neon_dot {

// acc[i] + w[4i .. 4i + 4) * the four digits in lane Lane of x. As assembly: not every compiler that knows dotprod has
// its intrinsic without a flag.
template <int Lane>
QUANTO_INLINE int32x4_t dot(int32x4_t acc, int8x16_t w, int8x16_t x) noexcept {
    asm volatile("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(acc) : "w"(w), "w"(x), "i"(Lane));
    return acc;
}
QUANTO_INLINE int32x4_t dot(int32x4_t acc, int8x16_t w, int8x16_t x, std::size_t lane) noexcept {
    return lane == 0   ? dot<0>(acc, w, x)
           : lane == 1 ? dot<1>(acc, w, x)
           : lane == 2 ? dot<2>(acc, w, x)
                       : dot<3>(acc, w, x);
}
QUANTO_INLINE int32x4_t sum_of_quads(int32x4_t acc, int8x16_t x) noexcept {
    asm("sdot %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(x), "w"(vdupq_n_s8(1)));
    return acc;
}

// v as a value of its own: no fused operation with what follows.
QUANTO_INLINE float32x4_t rounded(float32x4_t v) noexcept {
    asm("" : "+w"(v));
    return v;
}

// Scales 4j .. 4j + 3 of a header.
QUANTO_INLINE float32x4_t load_scales(dtype type, std::byte const* p, std::size_t j) noexcept {
    if (type == dtype::f32) return vld1q_f32(reinterpret_cast<float const*>(p) + 4 * j);
    uint16x4_t const half = vld1_u16(reinterpret_cast<std::uint16_t const*>(p) + 4 * j);
    if (type == dtype::f16) return vcvt_f32_f16(vreinterpret_f16_u16(half));
    return vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

// Field f of a quarter of a line, signed.
template <std::size_t Fields>
QUANTO_INLINE int8x16_t field(uint8x16_t line, std::size_t f) noexcept {
    if constexpr (Fields == 1) {
        return vreinterpretq_s8_u8(veorq_u8(line, vdupq_n_u8(0x80)));
    } else {
        constexpr int bits = 8 / Fields;
        if (f != 0) line = f == 1 ? vshrq_n_u8(line, bits) : f == 2 ? vshrq_n_u8(line, 4) : vshrq_n_u8(line, 6);
        if (f + 1 != Fields) line = vandq_u8(line, vdupq_n_u8((1u << bits) - 1u));
        return vreinterpretq_s8_u8(line);
    }
}

// p, which from here on the compiler knows nothing of: it reads a line again for each field, from the cache, where it
// would run out of registers for what it has read.
QUANTO_INLINE std::uint8_t const* again(std::byte const* p) noexcept {
    asm volatile("" : "+r"(p));
    return reinterpret_cast<std::uint8_t const*>(p);
}

// sum[.][r] += codes of Lines lines * digits of row r, in Sums independent chains. Reads up to 12 bytes beyond the
// digits: the numbers of a tile.
template <std::size_t Fields, std::size_t R, std::size_t Sums, std::size_t Lines>
QUANTO_INLINE void dot_lines(int32x4_t (&sum)[Sums][R][4], std::byte const* w, std::byte const* x) noexcept {
    constexpr std::size_t quads_at_once = 4 % R == 0 ? 4 / R : 1,
                          registers = ceil_div(quads_at_once * R, std::size_t{4});
    int8x16_t digits[registers];
    QUANTO_UNROLL
    for (std::size_t q = 0; q != Lines * Fields; ++q) {
        std::size_t const at = q % quads_at_once * R;
        std::uint8_t const* const line = again(w + 64 * (q / Fields));
        if (at == 0) {
            QUANTO_UNROLL
            for (std::size_t i = 0; i != registers; ++i)
                digits[i] = vld1q_s8(reinterpret_cast<std::int8_t const*>(x) + 4 * q * R + 16 * i);
        }
        QUANTO_UNROLL
        for (std::size_t j = 0; j != 4; ++j) {
            int8x16_t const codes = field<Fields>(vld1q_u8(line + 16 * j), q % Fields);
            QUANTO_UNROLL
            for (std::size_t r = 0; r != R; ++r)
                sum[q % Sums][r][j] = dot(sum[q % Sums][r][j], codes, digits[(at + r) / 4], (at + r) % 4);
        }
    }
}

template <std::size_t Fields, std::size_t R, std::size_t Sums>
QUANTO_INLINE void dot_block(int32x4_t (&sum)[Sums][R][4], std::byte const* w, std::byte const* x,
                             std::size_t lines) noexcept {
    constexpr std::size_t at_once = ceil_div(4 % R == 0 ? 4 / R : std::size_t{1}, Fields);
    for (; lines >= at_once; lines -= at_once) {
        dot_lines<Fields, R, Sums, at_once>(sum, w, x);
        w += 64 * at_once;
        x += 4 * Fields * R * at_once;
    }
    if constexpr (at_once != 1)
        for (; lines != 0; --lines) {
            dot_lines<Fields, R, Sums, 1>(sum, w, x);
            w += 64;
            x += 4 * Fields * R;
        }
}

// Once for all kernels: within them it would take registers from their loops.
__attribute__((noinline)) inline void finish(tile_product const& p, float (&v)[16], std::size_t m,
                                             std::size_t panel) noexcept {
    p.finish(v, m, panel);
}

// Tile x (M rows, of which `valid` have a y, from row m0 on) times panels.
template <std::size_t Fields, std::size_t D, std::size_t M>
void multiply_tile(tile_product const& p, std::byte const* tile, std::size_t m0, std::size_t valid,
                   panel_range range) noexcept {
    constexpr std::size_t R = M * D, sums = R == 1 ? 4 : R <= 3 ? 2 : 1;
    std::size_t const words = p.x.words_per_block(M);
    auto const* const blocks = reinterpret_cast<float const*>(tile + p.x.digit_bytes(M));
    float const* const row_scale = blocks + p.x.blocks() * words;
    for (std::size_t panel = range.begin; panel != range.end; ++panel) {
        std::byte const *w = p.w + panel * p.panel_bytes, *x = tile;
        float const* block = blocks;
        float total[M][16] = {};
        for (std::size_t g = 0; g != p.x.groups; ++g) {
            std::byte const* const header = w;
            w += p.header_bytes;
            std::size_t left = g + 1 == p.x.groups ? p.x.last_lines : p.x.group_lines;
            while (left != 0) {
                std::size_t const lines = left < p.x.block_lines ? left : p.x.block_lines;
                left -= lines;
                float const* const s = block;  // D = 3
                float const* const of_codes = block + (D == 1 ? 0 : M);
                int32x4_t sum[sums][R][4];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != sums; ++i) QUANTO_UNROLL
                for (std::size_t r = 0; r != R; ++r) QUANTO_UNROLL
                for (std::size_t j = 0; j != 4; ++j) sum[i][r][j] = vdupq_n_s32(0);
                dot_block<Fields, R, sums>(sum, w, x, lines);
                w += 64 * lines;
                x += 4 * Fields * R * lines;
                block += words;
                QUANTO_UNROLL
                for (std::size_t j = 0; j != 4; ++j) {
                    float32x4_t const scale = load_scales(p.scale_type, header, j);
                    float32x4_t shift = vdupq_n_f32(0.0f);
                    if constexpr (Fields != 1) {
                        shift = load_scales(p.scale_type, header + p.shift_offset, j);
                        if (p.integer_zero_point) shift = rounded(vmulq_f32(shift, scale));
                    }
                    QUANTO_UNROLL
                    for (std::size_t r = 0; r != R; ++r) QUANTO_UNROLL
                    for (std::size_t i = 1; i != sums; ++i) sum[0][r][j] = vaddq_s32(sum[0][r][j], sum[i][r][j]);
                    QUANTO_UNROLL
                    for (std::size_t m = 0; m != M; ++m) {
                        float32x4_t t = vld1q_f32(total[m] + 4 * j);
                        if constexpr (D == 3) {
                            int32x4_t const high = vaddq_s32(vshlq_n_s32(sum[0][3 * m][j], 8), sum[0][3 * m + 1][j]);
                            float32x4_t const a =
                                vfmaq_n_f32(vcvtq_f32_s32(sum[0][3 * m + 2][j]), vcvtq_f32_s32(high), 256.0f);
                            t = vfmaq_f32(t, rounded(vmulq_n_f32(a, s[m])), scale);
                            if constexpr (Fields != 1) t = vfmsq_n_f32(t, shift, of_codes[m]);
                        } else {
                            float32x4_t const a = vcvtq_f32_s32(sum[0][m][j]);
                            if constexpr (Fields == 1) {
                                float32x4_t const both = rounded(vmulq_n_f32(scale, row_scale[m]));
                                t = vaddq_f32(t, rounded(vmulq_f32(a, both)));
                            } else {
                                t = vaddq_f32(t, rounded(vmulq_f32(a, scale)));
                                t = vsubq_f32(t, rounded(vmulq_n_f32(shift, of_codes[m])));
                            }
                        }
                        vst1q_f32(total[m] + 4 * j, t);
                    }
                }
            }
        }
        for (std::size_t m = 0; m != valid; ++m) {
            if constexpr (D == 1 && Fields != 1)
                for (float& t : total[m]) t = quanto::rounded(t * row_scale[m]);
            finish(p, total[m], m0 + m, panel);
        }
    }
}

// The rows of the tile that takes `m` rows, and its kernel: 24 of 32 registers are sums.
template <std::size_t D>
constexpr std::size_t tile_rows(std::size_t m) noexcept {
    return D == 3 ? (m < 2 ? m : 2) : m <= 4 ? m : 6;
}

template <std::size_t Fields, std::size_t D>
tile_kernel kernel_of(std::size_t rows) noexcept {
    if (rows == 1) return multiply_tile<Fields, D, 1>;
    if (rows == 2) return multiply_tile<Fields, D, 2>;
    if constexpr (D == 1) {
        if (rows == 3) return multiply_tile<Fields, D, 3>;
        if (rows == 4) return multiply_tile<Fields, D, 4>;
        if (rows == 6) return multiply_tile<Fields, D, 6>;
    }
    return nullptr;
}

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

// The three digits of a block of n floats, `quads` quads to `out`, `stride` bytes apart; the sum of the codes.
QUANTO_INLINE std::int32_t pack_digits(float const* x, std::size_t n, std::size_t quads, float inverse, std::byte* out,
                                       std::size_t stride) noexcept {
    static constexpr std::uint8_t order[16] = {2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, 255, 255, 255, 255};
    uint8x16_t const by_digit = vld1q_u8(order);
    uint32x4_t const bias = vdupq_n_u32(0x0080'8080);
    int32x4_t sum = vdupq_n_s32(0);
    for (std::size_t q = 0; q != quads; ++q, out += stride) {
        uint32x4_t const code = vreinterpretq_u32_s32(code_of(x, n, 4 * q, inverse));
        uint8x16_t const bytes = vreinterpretq_u8_u32(veorq_u32(vaddq_u32(code, bias), bias));
        uint8x16_t const digits = vqtbl1q_u8(bytes, by_digit);
        sum = sum_of_quads(sum, vreinterpretq_s8_u8(digits));
        vst1_u8(reinterpret_cast<std::uint8_t*>(out), vget_low_u8(digits));
        vst1q_lane_u32(reinterpret_cast<std::uint32_t*>(out + 8), vreinterpretq_u32_u8(digits), 2);
    }
    return vgetq_lane_s32(sum, 0) * 65536 + vgetq_lane_s32(sum, 1) * 256 + vgetq_lane_s32(sum, 2);
}

// n codes, as they are or of floats times `inverse`, to `quads` quads of one digit, `stride` bytes apart; their sum.
template <class T>
QUANTO_INLINE std::int32_t pack_codes(T const* x, std::size_t n, std::size_t quads, float inverse, std::byte* out,
                                      std::size_t stride) noexcept {
    std::int32_t total = 0;
    if constexpr (std::is_same_v<T, float>) {
        int32x4_t sum = vdupq_n_s32(0);
        for (std::size_t q = 0; q != quads; ++q, out += stride) {
            int32x4_t const code = code_of(x, n, 4 * q, inverse);
            sum = vaddq_s32(sum, code);
            int16x4_t const half = vmovn_s32(code);
            int8x8_t const bytes = vmovn_s16(vcombine_s16(half, half));
            vst1_lane_u32(reinterpret_cast<std::uint32_t*>(out), vreinterpret_u32_s8(bytes), 0);
        }
        total = vaddvq_s32(sum);
    } else {
        for (std::size_t q = 0; q != quads; ++q, out += stride) {
            std::int8_t four[4] = {};
            for (std::size_t i = 4 * q; i < n && i != 4 * q + 4; ++i) {
                four[i - 4 * q] = x[i];
                total += x[i];
            }
            __builtin_memcpy(out, four, 4);
        }
    }
    return total;
}

template <std::size_t Fields, std::size_t D, class T>
void pack_row(tile_row const& row, T const* x, std::size_t cols, std::size_t group, float x_scale) noexcept {
    std::size_t const stride = 4 * D * row.rows, words = row.layout.words_per_block(row.rows);
    std::byte* out = row.tile + 4 * D * row.m;
    float* s = row.block(0) + row.m;  // D = 3
    float* of_codes = row.block(0) + (D == 1 ? 0 : row.rows) + row.m;
    float by = 0.0f;
    if constexpr (std::is_same_v<T, std::int8_t>)
        row.scale() = x_scale;
    else if constexpr (D == 1)
        by = row.choose_scale(largest_magnitude(x, cols), 127.0f, row.scale());
    for (block_walk b(row.layout, cols, group); b.next(); s += words, of_codes += words, out += b.quads * stride) {
        if constexpr (D == 3) {
            by = row.choose_scale(largest_magnitude(x + b.k, b.n), digit_layout::largest_code, *s);
            std::int32_t const sum = pack_digits(x + b.k, b.n, b.quads, by, out, stride);
            if constexpr (Fields != 1) *of_codes = static_cast<float>(sum) * *s;
        } else {
            std::int32_t const sum = pack_codes(x + b.k, b.n, b.quads, by, out, stride);
            if constexpr (Fields != 1) *of_codes = static_cast<float>(sum);
        }
    }
}

// Rows m0 .. m0 + valid of x as a tile; those beyond are 0.
template <std::size_t Fields, std::size_t D, class T>
void pack_tile(panel_operands<T> const& o, tile_row row, std::size_t m0, std::size_t valid) noexcept {
    row.clear(valid);
    for (; row.m != valid; ++row.m)
        pack_row<Fields, D>(row, o.x.row(m0 + row.m), o.x.cols, o.w.layout().group, o.x_scale);
}

}  // namespace neon_dot
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

#endif
