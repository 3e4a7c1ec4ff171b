// x packed into tiles (digits.hpp) with AVX-512: float32 as three digits or, rounded, as one; int8 as it is.
#pragma once

#include <quanto/kernels/panel/tile.hpp>
#include <quanto/kernels/target.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX512VNNI)
namespace avx512vnni {

typedef std::int32_t four_digits __attribute__((may_alias));

// The first n of 16 lanes.
QUANTO_INLINE __mmask16 first(std::size_t n) noexcept {
    return n < 16 ? static_cast<__mmask16>((1u << n) - 1u) : static_cast<__mmask16>(0xffff);
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

// 64 codes: int8 as they are, floats times `inverse`, rounded; 0 from the n-th on.
QUANTO_INLINE __m512i codes_of(std::int8_t const* x, std::size_t n, __m512) noexcept {
    return n >= 64 ? _mm512_loadu_si512(x) : _mm512_maskz_loadu_epi8((std::uint64_t{1} << n) - 1u, x);
}
QUANTO_INLINE __m512i codes_of(float const* x, std::size_t n, __m512 inverse) noexcept {
    __m512i code[4];
    QUANTO_UNROLL
    for (std::size_t i = 0; i != 4; ++i) {
        std::size_t const left = n > 16 * i ? n - 16 * i : 0;
        __m512 const v = n >= 64 ? _mm512_loadu_ps(x + 16 * i) : _mm512_maskz_loadu_ps(first(left), x + 16 * i);
        code[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse));
    }
    __m512i const bytes =
        _mm512_packs_epi16(_mm512_packs_epi32(code[0], code[1]), _mm512_packs_epi32(code[2], code[3]));
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
}

// The first `count` of 16 quads, `stride` bytes apart: of one row, or of four rows side by side.
QUANTO_INLINE void store_quads(__m512i const (&codes)[1], std::size_t count, std::byte* out,
                               std::size_t stride) noexcept {
    if (stride == 4) return _mm512_mask_storeu_epi32(out, first(count), codes[0]);
    alignas(64) std::byte quads[64];
    _mm512_store_si512(quads, codes[0]);
    for (std::size_t q = 0; q != count; ++q) __builtin_memcpy(out + q * stride, quads + 4 * q, 4);
}
QUANTO_INLINE void store_quads(__m512i const (&codes)[4], std::size_t count, std::byte* out,
                               std::size_t stride) noexcept {
    __m512i const low01 = _mm512_unpacklo_epi32(codes[0], codes[1]), high01 = _mm512_unpackhi_epi32(codes[0], codes[1]);
    __m512i const low23 = _mm512_unpacklo_epi32(codes[2], codes[3]), high23 = _mm512_unpackhi_epi32(codes[2], codes[3]);
    // Quarter i of the j-th of these is quad 4i + j.
    __m512i const quads[4] = {_mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
                              _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)};
    QUANTO_UNROLL
    for (std::size_t j = 0; j != 4; ++j) {
        __m128i const quarter[4] = {_mm512_castsi512_si128(quads[j]), _mm512_extracti32x4_epi32(quads[j], 1),
                                    _mm512_extracti32x4_epi32(quads[j], 2), _mm512_extracti32x4_epi32(quads[j], 3)};
        QUANTO_UNROLL
        for (std::size_t i = 0; i != 4; ++i)
            if (4 * i + j < count) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + (4 * i + j) * stride), quarter[i]);
    }
}

// What the codes of a row are multiplied by for their values; returns what its floats are, for their codes.
QUANTO_INLINE float choose_scale(tile_row const& row, std::int8_t const*, std::size_t, float x_scale) noexcept {
    row.scale() = x_scale;
    return 1.0f;
}
QUANTO_INLINE float choose_scale(tile_row const& row, float const* x, std::size_t cols, float) noexcept {
    return row.choose_scale(largest_magnitude(x, cols), 127.0f, row.scale());
}

// Rows row.m .. row.m + Rows, at x and every `x_stride` elements further, as one digit.
template <std::size_t Fields, std::size_t Rows, class T>
void pack_rows_of_codes(tile_row row, T const* x, std::size_t x_stride, std::size_t cols, std::size_t group,
                        float x_scale) noexcept {
    std::size_t const stride = 4 * row.rows, words = row.layout.words_per_block(row.rows);
    __m512i const ones = _mm512_set1_epi8(1);
    std::byte* out = row.tile + 4 * row.m;
    float* of_codes = row.block(0) + row.m;
    __m512 inverse[Rows];
    for (std::size_t i = 0; i != Rows; ++i, ++row.m)
        inverse[i] = _mm512_set1_ps(choose_scale(row, x + i * x_stride, cols, x_scale));
    for (block_walk b(row.layout, cols, group); b.next(); of_codes += words) {
        __m512i sum[Rows];
        QUANTO_UNROLL
        for (std::size_t i = 0; i != Rows; ++i) sum[i] = _mm512_setzero_si512();
        for (std::size_t q = 0; q < b.quads; q += 16) {
            std::size_t const at = 4 * q, left = b.n > at ? b.n - at : 0, count = b.quads - q < 16 ? b.quads - q : 16;
            __m512i codes[Rows];
            QUANTO_UNROLL
            for (std::size_t i = 0; i != Rows; ++i) {
                codes[i] = codes_of(x + i * x_stride + b.k + at, left, inverse[i]);
                sum[i] = _mm512_dpbusd_epi32(sum[i], ones, codes[i]);
            }
            store_quads(codes, count, out, stride);
            out += count * stride;
        }
        for (std::size_t i = 0; i != Rows; ++i) {
            std::int32_t const total = _mm512_reduce_add_epi32(sum[i]);
            if constexpr (Fields == 1)
                reinterpret_cast<four_digits*>(of_codes)[i] =
                    static_cast<std::int32_t>(0u - (static_cast<std::uint32_t>(total) << 7));
            else
                of_codes[i] = static_cast<float>(total);
        }
    }
}

// Rows m0 .. m0 + valid of x as a tile of `rows` rows; those beyond are 0.
template <std::size_t Fields, std::size_t D, class T>
void pack_tile(panel_operands<T> const& o, tile_row row, std::size_t m0, std::size_t valid) noexcept {
    row.clear(valid);
    std::size_t const cols = o.x.cols, group = o.w.layout().group;
    if constexpr (D == 3) {
        for (; row.m != valid; ++row.m) pack_row_digits<Fields>(row, o.x.row(m0 + row.m), cols, group);
    } else {
        for (; valid - row.m >= 4; row.m += 4)
            pack_rows_of_codes<Fields, 4>(row, o.x.row(m0 + row.m), o.x.stride, cols, group, o.x_scale);
        for (; row.m != valid; ++row.m)
            pack_rows_of_codes<Fields, 1>(row, o.x.row(m0 + row.m), o.x.stride, cols, group, o.x_scale);
    }
}

}  // namespace avx512vnni
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
