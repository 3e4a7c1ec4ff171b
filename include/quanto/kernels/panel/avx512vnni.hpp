// Products with panels of qint2, qint4 and qint8 by vpdpbusd: lane r of a sum is row r of a panel, four elements at a
// time, x[m] broadcast in digits (digits.hpp). Per panel and block, exact in int32,
//     A_i[r] = sum_k code[r][k] * digit_i[m][k]                             code unsigned; qint8 starts at -128 * sum
// and in float32, a the sum of A_i * 256^(D - 1 - i):
//     D = 3           total[r] += scale[r] * (s[m] * a) - shift[r] * (s[m] * sum of codes)
//     D = 1, qint8    total[r] += a * (s[m] * scale[r])                     each operation rounded, as the definition
//     has it D = 1, others   total[r] += scale[r] * a - shift[r] * (sum of codes)  the same; in the end times s[m]
// Error of y[m][n] for float x, D = 3, before the activation: with B blocks, b(k) the block of k,
//     2^-24 * sum_k (|code * scale| + |shift|) * ((B + 10) * |x[m][k]| + 1.01 * max |x[m][b(k)]|)
// The order of operations does not depend on M, threads, or where rows lie in a tile.
#pragma once

#include <quanto/kernels/isa.hpp>
#include <quanto/kernels/panel/digits.hpp>
#include <quanto/kernels/panel/tile.hpp>

#if QUANTO_TARGETS_X86

#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
namespace avx512vnni {

#define QUANTO_INLINE __attribute__((always_inline)) inline
#define QUANTO_UNROLL _Pragma("GCC unroll 64")

typedef std::int32_t four_digits __attribute__((may_alias));

// acc + u (16 x 4 unsigned bytes) * the four digits at p. g++ copies accumulators around the intrinsic.
QUANTO_INLINE __m512i dot(__m512i acc, __m512i u, std::byte const* p) noexcept {
    auto const* const d = reinterpret_cast<four_digits const*>(p);
#if defined(__clang__)
    return _mm512_dpbusd_epi32(acc, u, _mm512_set1_epi32(*d));
#else
    asm("{vpdpbusd %2%{1to16%}, %1, %0|vpdpbusd %0, %1, %2%{1to16%}}" : "+v"(acc) : "v"(u), "m"(*d));
    return acc;
#endif
}

// v as a value of its own: no fused operation with what follows.
QUANTO_INLINE __m512 rounded(__m512 v) noexcept {
    asm("" : "+v"(v));
    return v;
}

QUANTO_INLINE __m512 load_scales(dtype type, std::byte const* p) noexcept {
    if (type == dtype::f32) return _mm512_load_ps(p);
    __m256i const half = _mm256_load_si256(reinterpret_cast<__m256i const*>(p));
    if (type == dtype::f16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// The first n of 16 lanes.
QUANTO_INLINE __mmask16 first(std::size_t n) noexcept {
    return n < 16 ? static_cast<__mmask16>((1u << n) - 1u) : static_cast<__mmask16>(0xffff);
}

// Field f of a line of codes.
template <std::size_t Fields>
QUANTO_INLINE __m512i field(__m512i line, unsigned f) noexcept {
    if constexpr (Fields == 1) return line;
    __m512i const mask = _mm512_set1_epi8(Fields == 2 ? char{15} : char{3});
    return _mm512_and_si512(f == 0 ? line : _mm512_srli_epi32(line, f * unsigned{8 / Fields}), mask);
}

// sum[.][r] += the codes of line l of a block * digits of row r, in Sums independent chains.
template <std::size_t Fields, std::size_t R, std::size_t Sums>
QUANTO_INLINE void dot_line(__m512i (&sum)[Sums][R], __m512i line, std::size_t l, std::byte const* x) noexcept {
    QUANTO_UNROLL
    for (std::size_t f = 0; f != Fields; ++f) {
        __m512i const u = field<Fields>(line, static_cast<unsigned>(f));
        std::size_t const i = (l * Fields + f) % Sums;
        QUANTO_UNROLL
        for (std::size_t r = 0; r != R; ++r) sum[i][r] = dot(sum[i][r], u, x + 4 * (f * R + r));
    }
}

// The lines of a block. With much work per line the hardware's own prefetching lags behind; with little, ours would.
template <std::size_t Fields, std::size_t R, std::size_t Sums>
QUANTO_INLINE void dot_block(__m512i (&sum)[Sums][R], std::byte const* w, std::byte const* x,
                             std::size_t lines) noexcept {
    constexpr std::size_t at_once = R <= 4 ? 4 : 1, step = 4 * Fields * R;
    constexpr bool prefetch = Fields * R >= 6;
    for (; lines >= at_once; lines -= at_once) {
        QUANTO_UNROLL
        for (std::size_t l = 0; l != at_once; ++l) {
            if constexpr (prefetch) _mm_prefetch(reinterpret_cast<char const*>(w + 64 * l + 4096), _MM_HINT_T0);
            dot_line<Fields, R, Sums>(sum, _mm512_load_si512(w + 64 * l), l, x + step * l);
        }
        w += 64 * at_once;
        x += step * at_once;
    }
    if constexpr (at_once != 1)
        for (; lines != 0; --lines) {
            dot_line<Fields, R, Sums>(sum, _mm512_load_si512(w), 0, x);
            w += 64;
            x += step;
        }
}

// 16 outputs of one row of x. NaN stays NaN.
QUANTO_INLINE void finish(tile_product const& p, __m512 v, float* y, std::size_t n) noexcept {
    std::size_t const left = p.rows - n;
    __mmask16 const mask = first(left);
    if (p.bias != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, p.bias + n));
    if (p.activation == fused_activation::relu) v = _mm512_max_ps(_mm512_setzero_ps(), v);
    _mm512_mask_storeu_ps(y + n, mask, v);
    if (p.activation == fused_activation::gelu || p.activation == fused_activation::silu)
        for (std::size_t i = 0; i != 16 && i != left; ++i) y[n + i] = activated(y[n + i], p.activation);
}

// Tile x (M rows, of which `valid` have a y, from row m0 on) times panels.
template <std::size_t Fields, std::size_t D, std::size_t M>
void multiply_tile(tile_product const& p, std::byte const* tile, std::size_t m0, std::size_t valid,
                   panel_range range) noexcept {
    constexpr std::size_t R = M * D, sums = R == 1 ? 4 : R <= 3 ? 2 : 1;  // vpdpbusd takes 4 cycles
    std::size_t const digit_bytes = p.x.digit_bytes(M), words = p.x.words_per_block(M);
    auto const* const blocks = reinterpret_cast<float const*>(tile + digit_bytes);
    float const* const row_scale = blocks + p.x.blocks() * words;
    for (std::size_t panel = range.begin; panel != range.end; ++panel) {
        std::byte const *w = p.w + panel * p.panel_bytes, *x = tile;
        float const* block = blocks;
        alignas(64) float total[M][16];
        QUANTO_UNROLL
        for (std::size_t m = 0; m != M; ++m) _mm512_store_ps(total[m], _mm512_setzero_ps());
        for (std::size_t g = 0; g != p.x.groups; ++g) {
            __m512 const scale = load_scales(p.scale_type, w);
            __m512 shift = _mm512_setzero_ps();
            if constexpr (Fields != 1) {
                shift = load_scales(p.scale_type, w + p.shift_offset);
                if (p.integer_zero_point) shift = rounded(_mm512_mul_ps(shift, scale));
            }
            w += p.header_bytes;
            std::size_t left = g + 1 == p.x.groups ? p.x.last_lines : p.x.group_lines;
            while (left != 0) {
                std::size_t const lines = left < p.x.block_lines ? left : p.x.block_lines;
                left -= lines;
                float const* const s = block;  // D = 3
                float const* const of_codes = block + (D == 1 ? 0 : M);
                __m512i sum[sums][R];
                QUANTO_UNROLL
                for (std::size_t r = 0; r != R; ++r) {
                    if constexpr (Fields == 1)
                        sum[0][r] = _mm512_set1_epi32(reinterpret_cast<four_digits const*>(of_codes)[r]);
                    else
                        sum[0][r] = _mm512_setzero_si512();
                    QUANTO_UNROLL
                    for (std::size_t i = 1; i != sums; ++i) sum[i][r] = _mm512_setzero_si512();
                }
                dot_block<Fields, R, sums>(sum, w, x, lines);
                w += 64 * lines;
                x += 4 * Fields * R * lines;
                block += words;
                QUANTO_UNROLL
                for (std::size_t r = 0; r != R; ++r) {
                    QUANTO_UNROLL
                    for (std::size_t i = 1; i != sums; ++i) sum[0][r] = _mm512_add_epi32(sum[0][r], sum[i][r]);
                }
                QUANTO_UNROLL
                for (std::size_t m = 0; m != M; ++m) {
                    __m512 t = _mm512_load_ps(total[m]);
                    if constexpr (D == 3) {
                        __m512i const high = _mm512_add_epi32(_mm512_slli_epi32(sum[0][3 * m], 8), sum[0][3 * m + 1]);
                        __m512 const a = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(256.0f),
                                                         _mm512_cvtepi32_ps(sum[0][3 * m + 2]));
                        t = _mm512_fmadd_ps(_mm512_mul_ps(a, _mm512_set1_ps(s[m])), scale, t);
                        if constexpr (Fields != 1) t = _mm512_fnmadd_ps(shift, _mm512_set1_ps(of_codes[m]), t);
                    } else {
                        __m512 const a = _mm512_cvtepi32_ps(sum[0][m]);
                        if constexpr (Fields == 1) {
                            __m512 const both = rounded(_mm512_mul_ps(_mm512_set1_ps(row_scale[m]), scale));
                            t = _mm512_add_ps(t, rounded(_mm512_mul_ps(a, both)));
                        } else {
                            t = _mm512_add_ps(t, rounded(_mm512_mul_ps(a, scale)));
                            t = _mm512_sub_ps(t, rounded(_mm512_mul_ps(_mm512_set1_ps(of_codes[m]), shift)));
                        }
                    }
                    _mm512_store_ps(total[m], t);
                }
            }
        }
        for (std::size_t m = 0; m != valid; ++m) {
            __m512 t = _mm512_load_ps(total[m]);
            if constexpr (D == 1 && Fields != 1) t = rounded(_mm512_mul_ps(t, _mm512_set1_ps(row_scale[m])));
            finish(p, t, p.y + (m0 + m) * p.y_stride, panel * panel_layout::panel_rows);
        }
    }
}

// The rows of the tile that takes `m` rows, and its kernel.
template <std::size_t D>
constexpr std::size_t tile_rows(std::size_t m) noexcept {
    return m <= 4 ? m : m <= 6 ? 6 : m <= 8 ? 8 : D == 3 ? 8 : m <= 12 ? 12 : 16;
}

template <std::size_t Fields, std::size_t D>
tile_kernel kernel_of(std::size_t rows) noexcept {
    switch (rows) {
        case 1:
            return multiply_tile<Fields, D, 1>;
        case 2:
            return multiply_tile<Fields, D, 2>;
        case 3:
            return multiply_tile<Fields, D, 3>;
        case 4:
            return multiply_tile<Fields, D, 4>;
        case 6:
            return multiply_tile<Fields, D, 6>;
        case 8:
            return multiply_tile<Fields, D, 8>;
        case 12:
            if constexpr (D == 1) return multiply_tile<Fields, D, 12>;
            break;
        default:
            if constexpr (D == 1) return multiply_tile<Fields, D, 16>;
    }
    return nullptr;
}

// The bits of the largest |x|: of NaN and infinity above those of all numbers.
QUANTO_INLINE std::uint32_t largest_magnitude(float const* x, std::size_t n) noexcept {
    __m512i const magnitude = _mm512_set1_epi32(0x7fff'ffff);
    __m512i largest = _mm512_setzero_si512();
    std::size_t k = 0;
    for (; n - k >= 16; k += 16)
        largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_loadu_si512(x + k), magnitude));
    if (k != n)
        largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_maskz_loadu_epi32(first(n - k), x + k), magnitude));
    return _mm512_reduce_max_epu32(largest);
}

// Sixteen floats as three digits each, the quads of digits of k .. k + 3 in one quarter.
QUANTO_INLINE __m512i digits_of(__m512 v, __m512 inverse) noexcept {
    __m512i const bias = _mm512_set1_epi32(0x0080'8080);  // then bytes are digits + 128
    __m512i const by_digit =
        _mm512_broadcast_i32x4(_mm_setr_epi8(2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, -1, -1, -1, -1));
    __m512i const code = _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse));
    return _mm512_shuffle_epi8(_mm512_xor_si512(_mm512_add_epi32(code, bias), bias), by_digit);
}

// Up to four quads of three digits, `stride` bytes apart.
QUANTO_INLINE void store_digits(__m512i digits, std::size_t quads, std::byte* out, std::size_t stride) noexcept {
    if (stride == 12) {
        __m512i const together = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3);
        _mm512_mask_storeu_epi32(out, static_cast<__mmask16>((1u << 3 * quads) - 1u),
                                 _mm512_permutexvar_epi32(together, digits));
        return;
    }
    _mm_mask_storeu_epi32(out, 7, _mm512_castsi512_si128(digits));
    if (quads > 1) _mm_mask_storeu_epi32(out + stride, 7, _mm512_extracti32x4_epi32(digits, 1));
    if (quads > 2) _mm_mask_storeu_epi32(out + 2 * stride, 7, _mm512_extracti32x4_epi32(digits, 2));
    if (quads > 3) _mm_mask_storeu_epi32(out + 3 * stride, 7, _mm512_extracti32x4_epi32(digits, 3));
}

// The three digits of a block of n floats, `quads` quads to `out`, `stride` bytes apart; the sum of each digit.
QUANTO_INLINE __m128i pack_digits(float const* x, std::size_t n, std::size_t quads, float inverse, std::byte* out,
                                  std::size_t stride) noexcept {
    __m512i const ones = _mm512_set1_epi8(1);
    __m512 const by = _mm512_set1_ps(inverse);
    __m512i sum = _mm512_setzero_si512();
    std::size_t k = 0;
    for (; n - k >= 16; k += 16, quads -= 4, out += 4 * stride) {
        __m512i const digits = digits_of(_mm512_loadu_ps(x + k), by);
        sum = _mm512_dpbusd_epi32(sum, ones, digits);
        store_digits(digits, 4, out, stride);
    }
    for (; quads != 0; k += 16, out += 4 * stride) {
        __m512 const v = n > k ? _mm512_maskz_loadu_ps(first(n - k), x + k) : _mm512_setzero_ps();
        __m512i const digits = digits_of(v, by);
        sum = _mm512_dpbusd_epi32(sum, ones, digits);
        std::size_t const take = quads < 4 ? quads : 4;
        store_digits(digits, take, out, stride);
        quads -= take;
    }
    __m256i const half = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// n codes to quads of one digit, `stride` bytes apart; their sum.
QUANTO_INLINE std::int32_t pack_codes(std::int8_t const* x, std::size_t n, std::size_t quads, float, std::byte* out,
                                      std::size_t stride) noexcept {
    __m512i const ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    std::size_t k = 0, q = 0;
    for (; n - k >= 64; k += 64) {
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(x + k));
        for (std::size_t const end = q + 16; q != end; ++q) __builtin_memcpy(out + q * stride, x + 4 * q, 4);
    }
    alignas(64) std::int8_t rest[64];
    __m512i const last = _mm512_maskz_loadu_epi8((std::uint64_t{1} << (n - k)) - 1u, x + k);
    sum = _mm512_dpbusd_epi32(sum, ones, last);
    _mm512_store_si512(rest, last);
    for (std::size_t i = 0; q != quads; ++q, i += 4) __builtin_memcpy(out + q * stride, rest + i, 4);
    return _mm512_reduce_add_epi32(sum);
}

// Up to four quads of 32-bit codes as bytes, `stride` bytes apart.
QUANTO_INLINE void store_codes(__m512i code, std::size_t quads, std::byte* out, std::size_t stride) noexcept {
    __m128i const bytes = _mm512_cvtepi32_epi8(code);
    if (stride == 4 && quads == 4) return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    std::int32_t const quad[4] = {_mm_extract_epi32(bytes, 0), _mm_extract_epi32(bytes, 1), _mm_extract_epi32(bytes, 2),
                                  _mm_extract_epi32(bytes, 3)};
    for (std::size_t q = 0; q != quads; ++q) __builtin_memcpy(out + q * stride, &quad[q], 4);
}

// The same of floats times `inverse`, rounded.
QUANTO_INLINE std::int32_t pack_codes(float const* x, std::size_t n, std::size_t quads, float inverse, std::byte* out,
                                      std::size_t stride) noexcept {
    __m512 const by = _mm512_set1_ps(inverse);
    __m512i sum = _mm512_setzero_si512();
    std::size_t k = 0;
    for (; n - k >= 16; k += 16, quads -= 4, out += 4 * stride) {
        __m512i const code = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + k), by));
        sum = _mm512_add_epi32(sum, code);
        store_codes(code, 4, out, stride);
    }
    for (; quads != 0; k += 16, out += 4 * stride) {
        __m512 const v = n > k ? _mm512_maskz_loadu_ps(first(n - k), x + k) : _mm512_setzero_ps();
        __m512i const code = _mm512_cvtps_epi32(_mm512_mul_ps(v, by));
        sum = _mm512_add_epi32(sum, code);
        std::size_t const take = quads < 4 ? quads : 4;
        store_codes(code, take, out, stride);
        quads -= take;
    }
    return _mm512_reduce_add_epi32(sum);
}

// The blocks of a row, one after the other: x[k .. k + n), padded to `quads` quads.
class block_walk {
public:
    std::size_t k = 0, n = 0, quads = 0;

    QUANTO_INLINE block_walk(digit_layout const& layout, std::size_t cols, std::size_t group) noexcept
        : layout_(layout), cols_(cols), group_(group) {}
    QUANTO_INLINE bool next() noexcept {
        k += n;
        if (lines_ == 0) {
            if (group_index_ == layout_.groups) return false;
            k = group_index_ * group_;
            end_ = cols_ - k < group_ ? cols_ : k + group_;
            lines_ = ++group_index_ == layout_.groups ? layout_.last_lines : layout_.group_lines;
        }
        std::size_t const take = lines_ < layout_.block_lines ? lines_ : layout_.block_lines;
        lines_ -= take;
        quads = take * layout_.line_cols / panel_layout::quad;
        n = end_ - k < panel_layout::quad * quads ? end_ - k : panel_layout::quad * quads;
        return true;
    }

private:
    digit_layout const& layout_;
    std::size_t cols_, group_, group_index_ = 0, end_ = 0, lines_ = 0;
};

// x as three digits. Two passes: the largest magnitudes of all blocks do not wait for each other.
template <std::size_t Fields>
void pack_row_digits(tile_row const& row, float const* x, std::size_t cols, std::size_t group) noexcept {
    std::size_t const stride = 12 * row.rows, words = row.layout.words_per_block(row.rows);
    float* const numbers = row.block(0);
    float* s = numbers + row.m;
    for (block_walk b(row.layout, cols, group); b.next(); s += words) {
        std::uint32_t const largest = largest_magnitude(x + b.k, b.n);
        if (follows_definition(largest)) row.mark();
        *s = bit_cast<float>(largest);
    }
    if ((row.marks() >> row.m & 1u) != 0)  // infinities would become NaN further on
        for (std::size_t b = 0; b != row.layout.blocks(); ++b) numbers[b * words + row.m] = 0.0f;
    std::byte* out = row.tile + 12 * row.m;
    s = numbers + row.m;
    float* of_codes = numbers + row.rows + (Fields == 1 ? 3 : 1) * row.m;
    for (block_walk b(row.layout, cols, group); b.next(); s += words, of_codes += words, out += b.quads * stride) {
        float const largest = *s, scale = largest / digit_layout::largest_code;
        float const inverse = largest == 0.0f ? 0.0f : digit_layout::largest_code / largest;
        __m128i const sums = pack_digits(x + b.k, b.n, b.quads, inverse, out, stride);
        *s = scale;
        if constexpr (Fields == 1) {
            _mm_mask_storeu_epi32(of_codes, 7, _mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(sums, 7)));
        } else {
            std::int32_t const sum =
                _mm_extract_epi32(sums, 0) * 65536 + _mm_extract_epi32(sums, 1) * 256 + _mm_extract_epi32(sums, 2);
            *of_codes = static_cast<float>(sum) * scale;
        }
    }
}

// x as one digit: int8 as it is, float rounded to 255 levels.
template <std::size_t Fields, class T>
void pack_row_codes(tile_row const& row, T const* x, std::size_t cols, std::size_t group, float x_scale) noexcept {
    std::size_t const stride = 4 * row.rows, words = row.layout.words_per_block(row.rows);
    float inverse = 0.0f;
    if constexpr (std::is_same_v<T, float>) {
        std::uint32_t const largest = largest_magnitude(x, cols);
        bool const marked = follows_definition(largest);
        if (marked) row.mark();
        inverse = marked || largest == 0 ? 0.0f : 127.0f / bit_cast<float>(largest);
        x_scale = marked ? 0.0f : bit_cast<float>(largest) / 127.0f;
    }
    row.scale() = x_scale;
    std::byte* out = row.tile + 4 * row.m;
    float* of_codes = row.block(0) + row.m;
    for (block_walk b(row.layout, cols, group); b.next(); of_codes += words, out += b.quads * stride) {
        std::int32_t const sum = pack_codes(x + b.k, b.n, b.quads, inverse, out, stride);
        if constexpr (Fields == 1)
            *reinterpret_cast<four_digits*>(of_codes) =
                static_cast<std::int32_t>(0u - (static_cast<std::uint32_t>(sum) << 7));
        else
            *of_codes = static_cast<float>(sum);
    }
}

// Rows m0 .. m0 + valid of x as a tile of `rows` rows; those beyond are 0.
template <std::size_t Fields, std::size_t D, class T>
void pack_tile(panel_operands<T> const& o, digit_layout const& layout, std::size_t m0, std::size_t valid,
               std::size_t rows, std::byte* tile) noexcept {
    if (valid != rows) __builtin_memset(tile, 0, layout.tile_bytes(rows));
    tile_row row{layout, tile, rows, 0};
    row.unmark();
    for (; row.m != valid; ++row.m)
        if constexpr (D == 3)
            pack_row_digits<Fields>(row, o.x.row(m0 + row.m), o.x.cols, o.w.layout().group);
        else
            pack_row_codes<Fields>(row, o.x.row(m0 + row.m), o.x.cols, o.w.layout().group, o.x_scale);
}

#undef QUANTO_UNROLL
#undef QUANTO_INLINE

}  // namespace avx512vnni
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
