// The kernels of picture.hpp by AVX2: a code is a word, in the order of digits.hpp, and 6 places meet a panel.
#pragma once

#include <quanto/kernels/convolution/picture.hpp>
#include <quanto/kernels/matmul/simd.hpp>
#include <quanto/kernels/panel/avx2.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX2)
namespace avx2_dot {

inline constexpr std::size_t code_bytes = 2;

QUANTO_INLINE __m128i load_codes(std::int8_t const* p, std::size_t n) noexcept {
    alignas(16) std::int8_t codes[16] = {};
    if (n >= 16) return _mm_loadu_si128(reinterpret_cast<__m128i const*>(p));
    copy_elements<16, std::int8_t>(p, n, codes);
    return _mm_load_si128(reinterpret_cast<__m128i const*>(codes));
}
// n <= N elements of v. (A store with a mask takes a dozen cycles on AMD's processors.)
template <class T, class V, std::size_t N = sizeof(V) / sizeof(T)>
QUANTO_INLINE void store_elements(void* p, V v, std::size_t n) noexcept {
    if (n >= N)
        __builtin_memcpy(p, &v, sizeof v);
    else
        copy_elements<N, T>(&v, n, p);
}
QUANTO_INLINE void store_codes(std::int8_t* p, __m128i codes, std::size_t n) noexcept {
    store_elements<std::int8_t>(p, codes, n);
}
QUANTO_INLINE void store_pixel(std::byte* p, __m128i codes, std::size_t n) noexcept {
    __m128i const order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    store_elements<std::int64_t>(p, _mm256_cvtepi8_epi16(_mm_shuffle_epi8(codes, order)),
                                 ceil_div(n, panel_layout::quad));
}

// Sums of all codes of each pixel of the padded picture.
inline void sum_channels(padded_picture const& p, std::byte const* padded, std::int32_t* sums) noexcept {
    for (std::size_t i = 0; i != p.pixels(); ++i, padded += p.channels * code_bytes) {
        __m256i sum = _mm256_setzero_si256();
        for (std::size_t c = 0; c < p.channels; c += 16) {
            __m256i const codes = _mm256_maskload_epi32(reinterpret_cast<int const*>(padded + c * code_bytes),
                                                        first((p.channels - c) / 2));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(codes, _mm256_set1_epi16(1)));
        }
        sums[i] = sum_of_lanes(sum);
    }
}

// As avx512vnni's code_scale: codes of v / scale, as words.
struct code_scale {
    __m256 scale, inverse;

    QUANTO_INLINE explicit code_scale(float s) noexcept
        : scale(_mm256_set1_ps(s)), inverse(_mm256_set1_ps(s < 0x1p-126f ? __builtin_nanf("") : 1.0f / s)) {}
    QUANTO_INLINE __m256i codes_of(__m256 v) const noexcept {
        __m256 q = _mm256_mul_ps(v, inverse);
        __m256 const nearest = _mm256_round_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        __m256 const rest = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(q, nearest));
        if (_mm256_movemask_ps(_mm256_cmp_ps(rest, _mm256_set1_ps(0.5f - 0x1p-10f), _CMP_NLT_UQ)) != 0)
            q = _mm256_div_ps(v, scale);
        __m256i const code =
            _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(127.0f), q));  // too small: the least int32
        return _mm256_and_si256(code, _mm256_castps_si256(_mm256_cmp_ps(q, q, _CMP_ORD_Q)));
    }
};

class line_values {
public:
    QUANTO_INLINE explicit line_values(line_output const& out) noexcept : out_(out), code_(out.code_scale) {
        QUANTO_UNROLL
        for (std::size_t h = 0; h != 2; ++h) {
            scale_[h] = rounded(_mm256_mul_ps(_mm256_set1_ps(out.x_scale), load_scales(out.scale_type, out.header, h)));
            bool const none = out.bias == nullptr || out.outputs <= 8 * h;
            bias_[h] = none ? _mm256_setzero_ps() : load(out.bias + 8 * h, out.outputs - 8 * h);
        }
    }
    QUANTO_INLINE __m128i codes_of(std::int32_t const (&sums)[16]) const noexcept {
        __m256i const words = _mm256_permute4x64_epi64(
            _mm256_packs_epi32(code_.codes_of(value(sums, 0)), code_.codes_of(value(sums, 1))), 0xd8);
        return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    }
    QUANTO_INLINE void store(std::int32_t const (*sums)[16], std::size_t m) const noexcept {
        for (std::size_t h = 0; h != 2; ++h)
            for (std::size_t begin = 0; begin < m; begin += 8) {
                avx2::vf r[8];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != 8; ++i)
                    r[i] = (avx2::vf)(begin + i < m ? value(sums[begin + i], h) : _mm256_setzero_ps());
                avx2::transpose(r);
                QUANTO_UNROLL
                for (std::size_t o = 0; o != 8; ++o)
                    if (8 * h + o < out_.outputs)
                        store_elements<float>(out_.y + (8 * h + o) * out_.area + begin, r[o], m - begin);
            }
    }

private:
    QUANTO_INLINE __m256 value(std::int32_t const (&sums)[16], std::size_t h) const noexcept {
        __m256i const half = _mm256_load_si256(reinterpret_cast<__m256i const*>(sums) + h);
        return _mm256_add_ps(rounded(_mm256_mul_ps(_mm256_cvtepi32_ps(half), scale_[h])), bias_[h]);
    }

    line_output const& out_;
    __m256 scale_[2], bias_[2];
    code_scale code_;
};

// M places times a panel.
template <std::size_t M>
void multiply_line(line_product const& p, std::byte const* x, std::byte const* w, std::int32_t const* sums,
                   std::int32_t (*results)[16]) noexcept {
    __m256i acc[M][2];
    QUANTO_UNROLL
    for (std::size_t m = 0; m != M; ++m)
        acc[m][0] = acc[m][1] =
            _mm256_set1_epi32(static_cast<std::int32_t>(0u - 128u * static_cast<std::uint32_t>(sums[m])));
    for (std::size_t down = 0; down != p.runs_down; ++down)
        for (std::size_t right = 0; right != p.runs_right; ++right) {
            std::byte const* from[M];
            QUANTO_UNROLL
            for (std::size_t m = 0; m != M; ++m) from[m] = x + down * p.down + right * p.right + m * p.step;
            for (std::size_t q = 0; q != 2 * p.lines; q += 2, w += panel_layout::line_bytes) {
                QUANTO_UNROLL
                for (std::size_t f = 0; f != 2; ++f) {
                    auto const* mask = reinterpret_cast<__m256i const*>(mask_of_fields<1>.words);
                    if constexpr (M >= 4) asm volatile("" : "+r"(w), "+r"(mask));  // as in dot_line
                    auto const* const line = reinterpret_cast<__m256i const*>(w);
                    __m256i const u[2] = {field<1>(_mm256_load_si256(line), f, mask),
                                          field<1>(_mm256_load_si256(line + 1), f, mask)};
                    QUANTO_UNROLL
                    for (std::size_t m = 0; m != M; ++m)
                        dot<1, false>(acc[m], u, reinterpret_cast<four_digits const*>(from[m]) + q + f);
                }
            }
        }
    QUANTO_UNROLL
    for (std::size_t m = 0; m != M; ++m) {
        QUANTO_UNROLL
        for (std::size_t h = 0; h != 2; ++h) _mm256_store_si256(reinterpret_cast<__m256i*>(results[m]) + h, acc[m][h]);
    }
}

inline constexpr std::size_t longest_line = 16, most_panels = 1;
inline void multiply_places(line_product const& p, std::byte const* x, std::byte const* w, std::int32_t const* sums,
                            std::size_t m, std::size_t, std::int32_t (*results)[16]) noexcept {
    constexpr decltype(&multiply_line<1>) kernels[] = {multiply_line<1>, multiply_line<2>, multiply_line<3>,
                                                       multiply_line<4>, multiply_line<5>, multiply_line<6>};
    std::size_t const parts = ceil_div(m, std::size(kernels));
    for (std::size_t part = 0; part != parts; ++part) {
        std::size_t const begin = part * m / parts, end = (part + 1) * m / parts;
        kernels[end - begin - 1](p, x + begin * p.step, w, sums + begin, results + begin);
    }
}

#include <quanto/kernels/convolution/picture_line.inl>

}  // namespace avx2_dot
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
