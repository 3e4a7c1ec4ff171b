// x packed into tiles (digits.hpp) with AVX2: float32 as its digits or, rounded, as one; int8 as it is. Bytes, beside
// w of 8 bits words.
#pragma once

#include <quanto/kernels/panel/tile.hpp>
#include <quanto/kernels/target.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX2)
namespace avx2_dot {

typedef std::int32_t four_digits __attribute__((may_alias));

// The first n of 8 lanes.
QUANTO_INLINE __m256i first(std::size_t n) noexcept {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? static_cast<int>(n) : 8),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// Up to eight of n floats; 0 beyond.
QUANTO_INLINE __m256 load(float const* x, std::size_t n) noexcept {
    return n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, first(n));
}

// The bits of the largest |x|: of NaN and infinity above those of all numbers.
QUANTO_INLINE std::uint32_t largest_magnitude(float const* x, std::size_t n) noexcept {
    __m256i const magnitude = _mm256_set1_epi32(0x7fff'ffff);
    __m256i largest = _mm256_setzero_si256();
    for (std::size_t k = 0; k < n; k += 8)
        largest = _mm256_max_epu32(largest, _mm256_and_si256(_mm256_castps_si256(load(x + k, n - k)), magnitude));
    __m128i four = _mm_max_epu32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
}

QUANTO_INLINE std::int32_t sum_of_lanes(__m256i v) noexcept {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return _mm_cvtsi128_si32(four);
}

// Up to eight of n codes: int8 as they are, floats times `by`, rounded; 0 beyond.
QUANTO_INLINE __m256i codes_of(float const* x, std::size_t n, float by) noexcept {
    return _mm256_cvtps_epi32(_mm256_mul_ps(load(x, n), _mm256_set1_ps(by)));
}
QUANTO_INLINE __m256i codes_of(std::int8_t const* x, std::size_t n, float) noexcept {
    if (n >= 8) return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(x)));
    std::uint64_t eight = 0;
    __builtin_memcpy(&eight, x, n);
    return _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(static_cast<long long>(eight)));
}

// The bytes of each half that the bytes of low and high name.
QUANTO_INLINE __m256i shuffle(__m256i v, long long low, long long high) noexcept {
    return _mm256_shuffle_epi8(v, _mm256_setr_epi64x(low, high, low, high));
}

// The digits of a quad of codes in each half, in the order of a tile. sum: of the codes, and where w has 8 bits of each
// digit.
template <std::size_t Fields, std::size_t D>
QUANTO_INLINE __m256i digits_of(__m256i codes, __m256i (&sum)[D]) noexcept {
    if constexpr (Fields == 1 && D == 2) {
        __m256i const high = _mm256_srai_epi32(_mm256_add_epi32(codes, _mm256_set1_epi32(2048)), 12);
        __m256i const low = _mm256_sub_epi32(codes, _mm256_slli_epi32(high, 12));
        sum[0] = _mm256_add_epi32(sum[0], high);
        sum[1] = _mm256_add_epi32(sum[1], low);
        return shuffle(_mm256_packs_epi32(high, low), 0x0d0c'0908'0504'0100, 0x0f0e'0b0a'0706'0302);
    } else {
        sum[0] = _mm256_add_epi32(sum[0], codes);
        if constexpr (Fields == 1) return shuffle(codes, 0x0d0c'0504'0908'0100, -1);
        if constexpr (D == 1) return shuffle(codes, 0x0c08'0400, -1);
        __m256i const bias = _mm256_set1_epi32(0x0080'8080);  // then bytes are digits + 128
        return shuffle(_mm256_xor_si256(_mm256_add_epi32(codes, bias), bias), 0x0d09'0501'0e0a'0602, 0x0c08'0400);
    }
}

// One quad, the low half of `digits`, to a row of a tile of R = M * D dwords per step.
template <std::size_t Fields, std::size_t D>
QUANTO_INLINE void store_quad(__m128i digits, std::byte* out, std::size_t step) noexcept {
    if constexpr (Fields == 1 && D == 2) {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), digits);
        _mm_storeh_pi(reinterpret_cast<__m64*>(out + step), _mm_castsi128_ps(digits));
    } else if constexpr (Fields == 1) {
        *reinterpret_cast<four_digits*>(out) = _mm_cvtsi128_si32(digits);
        *reinterpret_cast<four_digits*>(out + step) = _mm_extract_epi32(digits, 1);
    } else if constexpr (D == 1) {
        *reinterpret_cast<four_digits*>(out) = _mm_cvtsi128_si32(digits);
    } else {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), digits);
        *reinterpret_cast<four_digits*>(out + 8) = _mm_extract_epi32(digits, 2);
    }
}

// n codes of x, padded with 0 to `quads` quads, to `out`.
template <std::size_t Fields, std::size_t D, class T>
QUANTO_INLINE void pack_block(T const* x, std::size_t n, std::size_t quads, float by, std::byte* out, std::size_t step,
                              __m256i (&sum)[D]) noexcept {
    std::size_t const stride = (Fields == 1 ? 2 : 1) * step;
    for (auto& s : sum) s = _mm256_setzero_si256();
    for (std::size_t q = 0; q < quads; q += 2, out += 2 * stride) {
        std::size_t const at = 4 * q, left = n > at ? n - at : 0;
        __m256i const digits = digits_of<Fields, D>(codes_of(x + (left == 0 ? 0 : at), left, by), sum);
        store_quad<Fields, D>(_mm256_castsi256_si128(digits), out, step);
        if (q + 1 != quads) store_quad<Fields, D>(_mm256_extracti128_si256(digits, 1), out + stride, step);
    }
}

template <std::size_t Fields, std::size_t D, class T>
void pack_row(tile_row const& row, T const* x, std::size_t cols, std::size_t group, float x_scale) noexcept {
    std::size_t const step = 4 * D * row.rows, words = row.layout.words_per_block(row.rows);
    std::byte* out = row.tile + 4 * D * row.m;
    float* s = row.block(0) + row.m;  // D > 1
    float* of_codes = row.block(0) + (D == 1 ? 0 : row.rows) + (Fields == 1 ? D : 1) * row.m;
    float by = 1.0f;
    if constexpr (std::is_same_v<T, std::int8_t>)
        row.scale() = x_scale;
    else if constexpr (D == 1)
        by = row.choose_scale(largest_magnitude(x, cols), 127.0f, row.scale());
    for (block_walk b(row.layout, cols, group); b.next(); s += words, of_codes += words) {
        if constexpr (D != 1) by = row.choose_scale(largest_magnitude(x + b.k, b.n), digit_layout::largest_code, *s);
        __m256i sum[D];
        pack_block<Fields, D>(x + b.k, b.n, b.quads, by, out, step, sum);
        out += (Fields == 1 ? 2 : 1) * b.quads * step;
        if constexpr (Fields == 1)
            for (std::size_t i = 0; i != D; ++i)
                reinterpret_cast<four_digits*>(of_codes)[i] =
                    static_cast<std::int32_t>(0u - (static_cast<std::uint32_t>(sum_of_lanes(sum[i])) << 7));
        else
            *of_codes = static_cast<float>(sum_of_lanes(sum[0])) * (D == 1 ? 1.0f : *s);
    }
}

// Rows m0 .. m0 + valid of x as a tile; those beyond are 0.
template <std::size_t Fields, std::size_t D, class T>
void pack_tile(panel_operands<T> const& o, tile_row row, std::size_t m0, std::size_t valid) noexcept {
    row.clear(valid);
    for (; row.m != valid; ++row.m)
        pack_row<Fields, D>(row, o.x.row(m0 + row.m), o.x.cols, o.w.layout().group, o.x_scale);
}

}  // namespace avx2_dot
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
