// Products with panels of qint2, qint4 and qint8 by vpdpbusd: lane r of a sum is row r of a panel, four elements at a
// time, x[m] broadcast in digits (digits.hpp). Per panel and block, exact in int32,
//     A_i[r] = sum_k code[r][k] * digit_i[m][k]                             code unsigned; qint8 starts at -128 * sum
// and in float32, a the sum of A_i * 256^(D - 1 - i):
//     D = 3           total[r] += scale[r] * (s[m] * a) - shift[r] * (s[m] * sum of codes)
//     D = 1, qint8    total[r] += a * (s[m] * scale[r])                     each operation rounded, as by definition
//     D = 1, others   total[r] += scale[r] * a - shift[r] * (sum of codes)  the same; in the end times s[m]
// Error of y[m][n] for float x, D = 3, before the activation: with B blocks, b(k) the block of k,
//     2^-24 * sum_k (|code * scale| + |shift|) * ((B + 10) * |x[m][k]| + 1.01 * max |x[m][b(k)]|)
// The order of operations does not depend on M, threads, or where rows lie in a tile. Weights of few rows: narrow.hpp.
#pragma once

#include <quanto/kernels/panel/avx512vnni_pack.hpp>
#include <quanto/kernels/panel/narrow.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX512VNNI)
namespace avx512vnni {

#define QUANTO_DPBUSD(acc, u, d) "{vpdpbusd " d "%{1to16%}, " u ", " acc "|vpdpbusd " acc ", " u ", " d "%{1to16%}}\n\t"

// acc += u (16 x 4 unsigned bytes) * the four digits d. g++ copies accumulators around the intrinsic.
QUANTO_INLINE void dot(__m512i& acc, __m512i u, four_digits const& d) noexcept {
#if defined(__clang__)
    acc = _mm512_dpbusd_epi32(acc, u, _mm512_set1_epi32(d));
#else
    asm(QUANTO_DPBUSD("%0", "%1", "%2") : "+v"(acc) : "v"(u), "m"(d));
#endif
}

// acc += the unsigned bytes of u * the signed ones of x.
QUANTO_INLINE void dot(__m512i& acc, __m512i u, __m512i x) noexcept {
#if defined(__clang__)
    acc = _mm512_dpbusd_epi32(acc, u, x);
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(x));
#endif
}

// Four sums += u * the digits d, then += v * the digits e. g++ 14 copies accumulators between single instructions, too.
QUANTO_INLINE void dot_four(__m512i* acc, __m512i u, four_digits const* d, __m512i v, four_digits const* e) noexcept {
#if defined(__clang__)
    for (std::size_t r = 0; r != 4; ++r) dot(acc[r], u, d[r]);
    for (std::size_t r = 0; r != 4; ++r) dot(acc[r], v, e[r]);
#else
    asm(QUANTO_DPBUSD("%0", "%4", "%6") QUANTO_DPBUSD("%1", "%4", "%7") QUANTO_DPBUSD("%2", "%4", "%8")
            QUANTO_DPBUSD("%3", "%4", "%9") QUANTO_DPBUSD("%0", "%5", "%10") QUANTO_DPBUSD("%1", "%5", "%11")
                QUANTO_DPBUSD("%2", "%5", "%12") QUANTO_DPBUSD("%3", "%5", "%13")
        : "+&v"(acc[0]), "+&v"(acc[1]), "+&v"(acc[2]), "+&v"(acc[3])
        : "v"(u), "v"(v), "m"(d[0]), "m"(d[1]), "m"(d[2]), "m"(d[3]), "m"(e[0]), "m"(e[1]), "m"(e[2]), "m"(e[3]));
#endif
}
#undef QUANTO_DPBUSD

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

// Field F of a line of codes.
template <std::size_t Fields, std::size_t F>
QUANTO_INLINE __m512i field(__m512i line) noexcept {
    if constexpr (Fields == 1) return line;
    __m512i const mask = _mm512_set1_epi8(Fields == 2 ? char{15} : char{3});
    if constexpr (F == 0) return _mm512_and_si512(line, mask);
    return _mm512_and_si512(_mm512_srli_epi32(line, F * 8 / Fields), mask);
}

// sum[.][r] += the codes of line l of a block * digits of row r, in Sums independent chains.
template <std::size_t Fields, std::size_t R, std::size_t Sums, std::size_t F = 0>
QUANTO_INLINE void dot_line(__m512i (&sum)[Sums][R], __m512i line, std::size_t l, std::byte const* x) noexcept {
    constexpr bool pair = Fields == 2 && Sums == 1 && R % 4 == 0;
    constexpr std::size_t next = F + (pair ? 2 : 1);
    auto const* const digits = reinterpret_cast<four_digits const*>(x) + F * R;
    __m512i const u = field<Fields, F>(line);
    if constexpr (pair) {
        __m512i const v = field<Fields, F + 1>(line);
        QUANTO_UNROLL
        for (std::size_t r = 0; r != R; r += 4) dot_four(sum[0] + r, u, digits + r, v, digits + R + r);
    } else {
        QUANTO_UNROLL
        for (std::size_t r = 0; r != R; ++r) dot(sum[(l * Fields + F) % Sums][r], u, digits[r]);
    }
    if constexpr (next != Fields) dot_line<Fields, R, Sums, next>(sum, line, l, x);
}

// The lines of a block. With much work per line the hardware's own prefetching lags behind; with little, ours is in its
// way: at 6 operations a line (4 bits, three digits) a product from memory takes 4 to 7 % less time without.
template <std::size_t Fields, std::size_t R, std::size_t Sums>
QUANTO_INLINE void dot_block(__m512i (&sum)[Sums][R], std::byte const* w, std::byte const* x,
                             std::size_t lines) noexcept {
    constexpr std::size_t at_once = R <= 4 ? 4 : 1, step = 4 * Fields * R;
    constexpr bool prefetch = Fields * R > 6;
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

// Once for all kernels: within them it would take registers from their loops.
__attribute__((noinline)) inline void finish(tile_product const& p, float (*totals)[16], std::size_t m0,
                                             std::size_t valid, std::size_t panel) noexcept {
    p.finish(totals, m0, valid, panel);
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
        if constexpr (D == 1 && Fields != 1) {
            QUANTO_UNROLL
            for (std::size_t m = 0; m != M; ++m) {
                __m512 const t = _mm512_mul_ps(_mm512_load_ps(total[m]), _mm512_set1_ps(row_scale[m]));
                _mm512_store_ps(total[m], rounded(t));
            }
        }
        finish(p, total, m0, valid, panel);
    }
}

#include <quanto/kernels/panel/avx512vnni_row.inl>

// The rows of the tiles that `m` rows are cut into evenly, and their kernel. With more rows a line of w serves more
// operations; but the float operations after each group hide behind those of the next only while they are few.
template <std::size_t Fields, std::size_t D>
constexpr std::size_t tile_rows(std::size_t m) noexcept {
    constexpr std::size_t most = D == 3 ? 8 : Fields == 1 ? 24 : 12;
    if (m > most) m = ceil_div(m, ceil_div(m, most));
    return m <= 4 ? m : m <= 6 ? 6 : m <= 8 ? 8 : m <= 12 ? 12 : m <= 16 ? 16 : 24;
}

template <std::size_t Fields, std::size_t D>
tile_kernel kernel_of(std::size_t rows) noexcept {
    switch (rows) {
        case 1:
            if constexpr (Fields != 1 && D == 3)
                return multiply_one_row<Fields>;
            else
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
        case 16:
            if constexpr (D == 1 && Fields == 1) return multiply_tile<Fields, D, 16>;
            break;
        default:
            if constexpr (D == 1 && Fields == 1) return multiply_tile<Fields, D, 24>;
    }
    return nullptr;
}

#include <quanto/kernels/panel/avx512vnni_narrow.inl>

}  // namespace avx512vnni
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
