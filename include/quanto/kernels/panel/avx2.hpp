// Products with panels of qint2, qint4 and qint8 by AVX2, as avx512vnni.hpp has them: the same sums, exact in int32,
// and the same float operations in the same order, so the same bounds. Two registers hold a line of w, sums[r][h] rows
// 8h .. 8h + 7 of a panel. Codes u of w are unsigned, digits d of x signed:
//     2, 4 bits   vpmaddubsw: u * d + u' * d' in int16, of which `depth` add up there: 8 * 2 * 15 * 128 < 2^15; then to
//                 int32 by vpmaddwd with ones
//     8 bits      255 * 2 * 128 does not fit int16: codes become words, digits are words, and vpmaddwd sums in int32.
//                 A word has room for 12 bits of a float, so two digits do for three
#pragma once

#include <quanto/kernels/panel/avx2_pack.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX2)
namespace avx2_dot {

// v as a value of its own: no fused operation with what follows.
QUANTO_INLINE __m256 rounded(__m256 v) noexcept {
    asm("" : "+x"(v));
    return v;
}

// Scales 8h .. 8h + 7 of a header.
QUANTO_INLINE __m256 load_scales(dtype type, std::byte const* p, std::size_t h) noexcept {
    if (type == dtype::f32) return _mm256_load_ps(reinterpret_cast<float const*>(p) + 8 * h);
    __m128i const half = _mm_load_si128(reinterpret_cast<__m128i const*>(p) + h);
    if (type == dtype::f16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

// Dwords of x per row, digit and line, and lines whose products add up in int16.
template <std::size_t Fields>
inline constexpr std::size_t steps = Fields == 1 ? 2 : Fields;
template <std::size_t Fields>
inline constexpr std::size_t depth = Fields == 2 ? 4 : 10;

// Panels that one row of x is multiplied with at once, where registers hold the sums of two: Zen 3 reads two streams of
// memory faster than one. (Of 2 bits, it takes longer.) ahead: bytes that are fetched before, as the hardware's own
// fetching lags.
template <std::size_t Fields, std::size_t D, std::size_t M>
inline constexpr std::size_t streams = M == 1 && (Fields * D) <= 2 ? 2 : 1;
template <std::size_t P>
inline constexpr std::size_t ahead = P == 1 ? 3072 : 1024;

// Bits of a word that are codes which meet dword 0 of x.
template <std::size_t Fields>
struct field_mask {
    alignas(32) std::uint16_t words[16];
    constexpr field_mask() noexcept {
        for (auto& w : words) w = Fields == 1 ? 0x00ff : Fields == 2 ? 0x0f0f : 0x0303;
    }
};
template <std::size_t Fields>
inline constexpr field_mask<Fields> mask_of_fields{};

// The codes of a half line that meet dword f of x.
template <std::size_t Fields>
QUANTO_INLINE __m256i field(__m256i v, std::size_t f, __m256i const* mask) noexcept {
    if (f != 0) v = _mm256_srli_epi16(v, static_cast<int>(f) * int{8 / Fields});
    return Fields == 1 && f == 1 ? v : _mm256_and_si256(v, *mask);
}

// sum[h] = or += u[h] * the digits at p. Compilers would sum in another order, which takes more registers than there
// are. (Of 8 bits, g++ 14 copies sums unless temporary registers are named; of others, it does if they are.)
template <std::size_t Fields, bool First>
QUANTO_INLINE void dot(__m256i (&sum)[2], __m256i const (&u)[2], four_digits const* p) noexcept {
    [[maybe_unused]] __m256i d, t;
    if constexpr (Fields == 1)
        asm("vpbroadcastd {%4, %%ymm14|ymm14, %4}\n\tvpmaddwd {%%ymm14, %2, %%ymm15|ymm15, %2, ymm14}\n\t"
            "vpaddd {%%ymm15, %0, %0|%0, %0, ymm15}\n\tvpmaddwd {%%ymm14, %3, %%ymm14|ymm14, %3, ymm14}\n\t"
            "vpaddd {%%ymm14, %1, %1|%1, %1, ymm14}"
            : "+&x"(sum[0]), "+&x"(sum[1])
            : "x"(u[0]), "x"(u[1]), "m"(*p)
            : "xmm14", "xmm15");
    else if constexpr (First)
        asm("vpbroadcastd {%4, %1|%1, %4}\n\tvpmaddubsw {%1, %2, %0|%0, %2, %1}\n\tvpmaddubsw {%1, %3, %1|%1, %3, %1}"
            : "=&x"(sum[0]), "=&x"(sum[1])
            : "x"(u[0]), "x"(u[1]), "m"(*p));
    else
        asm("vpbroadcastd {%6, %2|%2, %6}\n\tvpmaddubsw {%2, %4, %3|%3, %4, %2}\n\tvpaddw {%3, %0, %0|%0, %0, %3}\n\t"
            "vpmaddubsw {%2, %5, %2|%2, %5, %2}\n\tvpaddw {%2, %1, %1|%1, %1, %2}"
            : "+&x"(sum[0]), "+&x"(sum[1]), "=&x"(d), "=&x"(t)
            : "x"(u[0]), "x"(u[1]), "m"(*p));
}

// sum[p][r] = (First) or += the codes of a line of panel p * digits of row r: int16 sums, or int32 of 8 bits. `apart`:
// bytes from panel to panel.
template <std::size_t Fields, std::size_t R, std::size_t P, bool First>
QUANTO_INLINE void dot_line(__m256i (&sum)[P][R][2], std::byte const*& w, std::size_t apart,
                            std::byte const*& x) noexcept {
    auto const* mask = reinterpret_cast<__m256i const*>(mask_of_fields<Fields>.words);
    auto const* digits = reinterpret_cast<four_digits const*>(x);
    QUANTO_UNROLL
    for (std::size_t p = 0; p != P; ++p) {
        _mm_prefetch(reinterpret_cast<char const*>(w + p * apart + ahead<P>), _MM_HINT_T0);
        QUANTO_UNROLL
        for (std::size_t f = 0; f != steps<Fields>; ++f) {
            // What the compiler does not know to be the same it reads again, from the cache, where registers run out.
            if constexpr (R >= 4) asm volatile("" : "+r"(w), "+r"(mask));
            auto const* const line = reinterpret_cast<__m256i const*>(w + p * apart);
            __m256i const u[2] = {field<Fields>(_mm256_load_si256(line), f, mask),
                                  field<Fields>(_mm256_load_si256(line + 1), f, mask)};
            if (f == 0) {
                QUANTO_UNROLL
                for (std::size_t r = 0; r != R; ++r) dot<Fields, First>(sum[p][r], u, digits + r);
            } else {
                QUANTO_UNROLL
                for (std::size_t r = 0; r != R; ++r) dot<Fields, false>(sum[p][r], u, digits + f * R + r);
            }
        }
    }
    w += panel_layout::line_bytes;
    x += 4 * steps<Fields> * R;
}

// sum[p][r] += the codes of lines * digits of row r, in a loop as short as it is here.
template <std::size_t Fields, std::size_t R, std::size_t P>
QUANTO_INLINE void dot_lines(__m256i (&sum)[P][R][2], std::byte const*& w, std::size_t apart, std::byte const*& x,
                             std::size_t lines) noexcept {
    _Pragma("GCC unroll 1") for (; lines != 0; --lines) dot_line<Fields, R, P, false>(sum, w, apart, x);
}

template <std::size_t Fields, std::size_t R, std::size_t P>
QUANTO_INLINE void dot_block(__m256i (&sum)[P][R][2], std::byte const*& w, std::size_t apart, std::byte const*& x,
                             std::size_t lines) noexcept {
    if constexpr (Fields == 1) return dot_lines<Fields, R, P>(sum, w, apart, x, lines);
    while (lines != 0) {
        std::size_t const take = lines < depth<Fields> ? lines : depth<Fields>;
        lines -= take;
        __m256i part[P][R][2];
        dot_line<Fields, R, P, true>(part, w, apart, x);
        dot_lines<Fields, R, P>(part, w, apart, x, take - 1);
        QUANTO_UNROLL
        for (std::size_t p = 0; p != P; ++p) {
            QUANTO_UNROLL
            for (std::size_t r = 0; r != R; ++r) {
                QUANTO_UNROLL
                for (std::size_t h = 0; h != 2; ++h)
                    sum[p][r][h] =
                        _mm256_add_epi32(sum[p][r][h], _mm256_madd_epi16(part[p][r][h], _mm256_set1_epi16(1)));
            }
        }
    }
}

// Once for all kernels: within them it would take registers from their loops.
__attribute__((noinline)) inline void finish(tile_product const& p, float (*totals)[16], std::size_t m0,
                                             std::size_t valid, std::size_t panel) noexcept {
    p.finish(totals, m0, valid, panel);
}

// Tile x (M rows, of which `valid` have a y, from row m0 on) times P streams of `count` panels, from `first` on.
template <std::size_t Fields, std::size_t D, std::size_t M, std::size_t P>
QUANTO_INLINE void multiply_streams(tile_product const& p, std::byte const* tile, std::size_t m0, std::size_t valid,
                                    std::size_t first, std::size_t count) noexcept {
    constexpr std::size_t R = M * D;
    std::size_t const words = p.x.words_per_block(M), apart = count * p.panel_bytes;
    auto const* const blocks = reinterpret_cast<float const*>(tile + p.x.digit_bytes(M));
    float const* const row_scale = blocks + p.x.blocks() * words;
    for (std::size_t panel = first; panel != first + count; ++panel) {
        std::byte const *w = p.w + panel * p.panel_bytes, *x = tile;
        float const* block = blocks;
        alignas(32) float total[P][M][16];
        QUANTO_UNROLL
        for (std::size_t m = 0; m != P * M; ++m) {
            _mm256_store_ps(total[m / M][m % M], _mm256_setzero_ps());
            _mm256_store_ps(total[m / M][m % M] + 8, _mm256_setzero_ps());
        }
        for (std::size_t g = 0; g != p.x.groups; ++g) {
            std::byte const* const headers = w;
            w += p.header_bytes;
            std::size_t left = g + 1 == p.x.groups ? p.x.last_lines : p.x.group_lines;
            while (left != 0) {
                std::size_t const lines = left < p.x.block_lines ? left : p.x.block_lines;
                left -= lines;
                float const* const s = block;  // D > 1
                float const* const of_codes = block + (D == 1 ? 0 : M);
                block += words;
                __m256i sums[P][R][2];
                QUANTO_UNROLL
                for (std::size_t r = 0; r != P * R; ++r)
                    sums[r / R][r % R][0] = sums[r / R][r % R][1] =
                        Fields == 1 ? _mm256_set1_epi32(reinterpret_cast<four_digits const*>(of_codes)[r % R])
                                    : _mm256_setzero_si256();
                dot_block<Fields, R, P>(sums, w, apart, x, lines);
                QUANTO_UNROLL
                for (std::size_t i = 0; i != 2 * P; ++i) {
                    std::size_t const h = i % 2;
                    auto const& sum = sums[i / 2];
                    std::byte const* const header = headers + i / 2 * apart;
                    __m256 const scale = load_scales(p.scale_type, header, h);
                    __m256 shift = _mm256_setzero_ps();
                    if constexpr (Fields != 1) {
                        shift = load_scales(p.scale_type, header + p.shift_offset, h);
                        if (p.integer_zero_point) shift = rounded(_mm256_mul_ps(shift, scale));
                    }
                    QUANTO_UNROLL
                    for (std::size_t m = 0; m != M; ++m) {
                        float* const to = total[i / 2][m] + 8 * h;
                        __m256 t = _mm256_load_ps(to);
                        if constexpr (D == 1) {
                            __m256 const a = _mm256_cvtepi32_ps(sum[m][h]);
                            if constexpr (Fields == 1) {
                                __m256 const both = rounded(_mm256_mul_ps(_mm256_set1_ps(row_scale[m]), scale));
                                t = _mm256_add_ps(t, rounded(_mm256_mul_ps(a, both)));
                            } else {
                                t = _mm256_add_ps(t, rounded(_mm256_mul_ps(a, scale)));
                                t = _mm256_sub_ps(t, rounded(_mm256_mul_ps(_mm256_set1_ps(of_codes[m]), shift)));
                            }
                        } else {
                            __m256i high = sum[D * m][h];
                            if constexpr (D == 3)
                                high = _mm256_add_epi32(_mm256_slli_epi32(high, 8), sum[D * m + 1][h]);
                            __m256 const a =
                                _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), _mm256_set1_ps(D == 3 ? 256.0f : 4096.0f),
                                                _mm256_cvtepi32_ps(sum[D * m + D - 1][h]));
                            t = _mm256_fmadd_ps(_mm256_mul_ps(a, _mm256_set1_ps(s[m])), scale, t);
                            if constexpr (Fields != 1) t = _mm256_fnmadd_ps(shift, _mm256_set1_ps(of_codes[m]), t);
                        }
                        _mm256_store_ps(to, t);
                    }
                }
            }
        }
        if constexpr (D == 1 && Fields != 1)
            for (std::size_t m = 0; m != P * M; ++m)
                for (std::size_t i = 0; i != 16; i += 8) {
                    float* const to = total[m / M][m % M] + i;
                    __m256 const t = _mm256_mul_ps(_mm256_load_ps(to), _mm256_set1_ps(row_scale[m % M]));
                    _mm256_store_ps(to, rounded(t));
                }
        for (std::size_t i = 0; i != P; ++i) finish(p, total[i], m0, valid, panel + i * count);
    }
}

template <std::size_t Fields, std::size_t D, std::size_t M>
void multiply_tile(tile_product const& p, std::byte const* tile, std::size_t m0, std::size_t valid,
                   panel_range range) noexcept {
    constexpr std::size_t P = streams<Fields, D, M>;
    std::size_t const count = (range.end - range.begin) / P, rest = range.end - range.begin - count * P;
    multiply_streams<Fields, D, M, P>(p, tile, m0, valid, range.begin, count);
    if constexpr (P != 1) multiply_streams<Fields, D, M, 1>(p, tile, m0, valid, range.end - rest, rest);
}

// The rows of the tile that takes `m` rows, and its kernel: 12 of 16 registers are sums.
template <std::size_t Fields, std::size_t D>
constexpr std::size_t tile_rows(std::size_t m) noexcept {
    return m <= 4 && m <= 6 / D ? m : 6 / D;
}

template <std::size_t Fields, std::size_t D>
tile_kernel kernel_of(std::size_t rows) noexcept {
    if (rows == 1) return multiply_tile<Fields, D, 1>;
    if (rows == 2) return multiply_tile<Fields, D, 2>;
    if constexpr (D != 3)
        if (rows == 3) return multiply_tile<Fields, D, 3>;
    if constexpr (D == 1) {
        if (rows == 4) return multiply_tile<Fields, D, 4>;
        if (rows == 6) return multiply_tile<Fields, D, 6>;
    }
    return nullptr;
}

}  // namespace avx2_dot
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
