// The kernels of picture.hpp by AVX-512 VNNI: a code is a byte, and 14 places meet two panels.
#pragma once

#include <quanto/kernels/convolution/picture.hpp>
#include <quanto/kernels/panel/avx512vnni.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX512VNNI)
namespace avx512vnni {

inline constexpr std::size_t code_bytes = 1;

QUANTO_INLINE __m128i load_codes(std::int8_t const* p, std::size_t n) noexcept {
    return _mm_maskz_loadu_epi8(first(n), p);
}
QUANTO_INLINE void store_codes(std::int8_t* p, __m128i codes, std::size_t n) noexcept {
    _mm_mask_storeu_epi8(p, first(n), codes);
}
QUANTO_INLINE void store_pixel(std::byte* p, __m128i codes, std::size_t n) noexcept {
    _mm_mask_storeu_epi8(p, first(n), codes);
}

// Sums of all codes of each pixel of the padded picture.
inline void sum_channels(padded_picture const& p, std::byte const* padded, std::int32_t* sums) noexcept {
    __m512i const ones = _mm512_set1_epi8(1);
    for (std::size_t i = 0; i != p.pixels(); ++i, padded += p.channels) {
        __m512i sum = _mm512_setzero_si512();
        for (std::size_t c = 0; c < p.channels; c += 64) {
            __mmask64 const mask = p.channels - c >= 64 ? ~__mmask64{} : (__mmask64{1} << (p.channels - c)) - 1;
            sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(mask, padded + c));
        }
        sums[i] = _mm512_reduce_add_epi32(sum);
    }
}

// 16 x 16 floats, rows to columns.
QUANTO_INLINE void transpose_floats(__m512 (&r)[16]) noexcept {
    __m512 b[16];
    QUANTO_UNROLL
    for (int i = 0; i != 16; i += 4) {
        __m512d const a0 = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1]));
        __m512d const a1 = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1]));
        __m512d const a2 = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + 2], r[i + 3]));
        __m512d const a3 = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + 2], r[i + 3]));
        b[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a0, a2));
        b[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a0, a2));
        b[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(a1, a3));
        b[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(a1, a3));
    }
    QUANTO_UNROLL
    for (int j = 0; j != 4; ++j) {
        __m512 const c0 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x44),
                     c1 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x44);
        __m512 const c2 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xee),
                     c3 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xee);
        r[j] = _mm512_shuffle_f32x4(c0, c1, 0x88);
        r[4 + j] = _mm512_shuffle_f32x4(c0, c1, 0xdd);
        r[8 + j] = _mm512_shuffle_f32x4(c2, c3, 0x88);
        r[12 + j] = _mm512_shuffle_f32x4(c2, c3, 0xdd);
    }
}

// Codes of v / scale, NaN as 0. The product with 1 / scale is off by less than 2^-10, so that it rounds as the quotient
// does but near the middle between two codes; there the division decides.
struct code_scale {
    __m512 scale, inverse;

    QUANTO_INLINE explicit code_scale(float s) noexcept
        : scale(_mm512_set1_ps(s)), inverse(_mm512_set1_ps(s < 0x1p-126f ? __builtin_nanf("") : 1.0f / s)) {}
    QUANTO_INLINE __m128i codes_of(__m512 v) const noexcept {
        constexpr int to_nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        __m512 q = _mm512_mul_ps(v, inverse);
        __m512 const rest = _mm512_abs_ps(_mm512_reduce_ps(q, to_nearest));
        if (_mm512_cmp_ps_mask(rest, _mm512_set1_ps(0.5f - 0x1p-10f), _CMP_NLT_UQ) != 0) q = _mm512_div_ps(v, scale);
        __m512i const code = _mm512_cvt_roundps_epi32(_mm512_min_ps(_mm512_set1_ps(127.0f), q), to_nearest);
        return _mm512_maskz_cvtsepi32_epi8(_mm512_cmp_ps_mask(q, q, _CMP_ORD_Q), code);  // too small: the least int32
    }
};

class line_values {
public:
    QUANTO_INLINE explicit line_values(line_output const& out) noexcept
        : out_(out),
          scale_(rounded(_mm512_mul_ps(_mm512_set1_ps(out.x_scale), load_scales(out.scale_type, out.header)))),
          bias_(out.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(first(out.outputs), out.bias)),
          code_(out.code_scale) {}
    QUANTO_INLINE __m128i codes_of(std::int32_t const (&sums)[16]) const noexcept {
        return code_.codes_of(value(sums));
    }
    QUANTO_INLINE void store(std::int32_t const (*sums)[16], std::size_t m) const noexcept {
        __m512 r[16];
        QUANTO_UNROLL
        for (std::size_t i = 0; i != 16; ++i) r[i] = i < m ? value(sums[i]) : _mm512_setzero_ps();
        transpose_floats(r);
        QUANTO_UNROLL
        for (std::size_t o = 0; o != 16; ++o)
            if (o < out_.outputs) _mm512_mask_storeu_ps(out_.y + o * out_.area, first(m), r[o]);
    }

private:
    QUANTO_INLINE __m512 value(std::int32_t const (&sums)[16]) const noexcept {
        return _mm512_add_ps(rounded(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), scale_)), bias_);
    }

    line_output const& out_;
    __m512 scale_, bias_;
    code_scale code_;
};

// M places times P panels: what is loaded of x serves all.
template <std::size_t M, std::size_t P>
void multiply_line(line_product const& p, std::byte const* x, std::byte const* w, std::int32_t const* sums,
                   std::int32_t (*results)[16]) noexcept {
    __m512i acc[P][M];
    QUANTO_UNROLL
    for (std::size_t m = 0; m != M; ++m) {
        __m512i const start =
            _mm512_set1_epi32(static_cast<std::int32_t>(0u - 128u * static_cast<std::uint32_t>(sums[m])));
        QUANTO_UNROLL
        for (std::size_t i = 0; i != P; ++i) acc[i][m] = start;
    }
    for (std::size_t down = 0; down != p.runs_down; ++down)
        for (std::size_t right = 0; right != p.runs_right; ++right) {
            std::byte const* from = x + down * p.down + right * p.right;
            for (std::size_t q = 0; q != p.lines; ++q, from += 4, w += 64) {
                __m512i line[P];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != P; ++i) line[i] = _mm512_load_si512(w + i * p.panel_bytes);
                QUANTO_UNROLL
                for (std::size_t m = 0; m != M; ++m) {
                    __m512i const codes = _mm512_set1_epi32(*reinterpret_cast<four_digits const*>(from + m * p.step));
                    QUANTO_UNROLL
                    for (std::size_t i = 0; i != P; ++i) dot(acc[i][m], line[i], codes);
                }
            }
        }
    QUANTO_UNROLL
    for (std::size_t i = 0; i != P; ++i) {
        QUANTO_UNROLL
        for (std::size_t m = 0; m != M; ++m) _mm512_store_si512(results[i * M + m], acc[i][m]);
    }
}
using line_kernel = void (*)(line_product const&, std::byte const*, std::byte const*, std::int32_t const*,
                             std::int32_t (*)[16]) noexcept;

// 28 sums, two lines of w and a quad of x fill the registers.
inline constexpr std::size_t longest_line = 14;
template <std::size_t P>
inline constexpr line_kernel line_kernels[longest_line] = {
    multiply_line<1, P>,  multiply_line<2, P>,  multiply_line<3, P>,  multiply_line<4, P>, multiply_line<5, P>,
    multiply_line<6, P>,  multiply_line<7, P>,  multiply_line<8, P>,  multiply_line<9, P>, multiply_line<10, P>,
    multiply_line<11, P>, multiply_line<12, P>, multiply_line<13, P>, multiply_line<14, P>};

inline constexpr std::size_t most_panels = 2;
QUANTO_INLINE void multiply_places(line_product const& p, std::byte const* x, std::byte const* w,
                                   std::int32_t const* sums, std::size_t m, std::size_t panels,
                                   std::int32_t (*results)[16]) noexcept {
    (panels == 2 ? line_kernels<2> : line_kernels<1>)[m - 1](p, x, w, sums, results);
}

#include <quanto/kernels/convolution/picture_line.inl>

}  // namespace avx512vnni
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
