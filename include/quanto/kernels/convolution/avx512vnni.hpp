// The convolution of int8 codes with int8 weights in panels, without patches: with the channels of x innermost, what a
// tap sees of an output is C' codes in a row, and a line of panel codes is a quad of them for 16 outputs. x is brought
// into that order once, with its padding, one image at a time:
//     padded[iy + padding][ix + padding][c], C' = C rounded up to 4 channels, zeros around and between
// Panels hold code + 128: 128 times the sum of what an output sees is where its sum starts from, negated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <quanto/kernels/convolution/operands.hpp>
#include <quanto/kernels/panel/avx512vnni.hpp>

namespace quanto::inline v0 {

namespace detail {

// Sizes of the padded picture.
struct padded_picture {
    std::size_t width, height, channels;

    explicit padded_picture(patch_layout const& l) noexcept
        : width(l.in.width + 2 * l.taps.padding.width),
          height(l.in.height + 2 * l.taps.padding.height),
          channels(ceil_div(l.channels, panel_layout::quad) * panel_layout::quad) {}
    std::size_t pixels() const noexcept { return width * height; }
    std::size_t bytes() const noexcept { return pixels() * channels; }
};

}  // namespace detail
}  // namespace quanto::inline v0

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX512VNNI)
namespace avx512vnni {

// 16 x 16 bytes, rows to columns: four rounds of a perfect shuffle.
QUANTO_INLINE void transpose_bytes(__m128i (&a)[16]) noexcept {
    QUANTO_UNROLL
    for (int round = 0; round != 4; ++round) {
        __m128i b[16];
        QUANTO_UNROLL
        for (int i = 0; i != 8; ++i) {
            b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
            b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
        }
        QUANTO_UNROLL
        for (int i = 0; i != 16; ++i) a[i] = b[i];
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

// One image into padded order. Precondition: the padding and the channels beyond C are zero already.
inline void pad_picture(patch_layout const& l, std::int8_t const* x, std::int8_t* padded) noexcept {
    padded_picture const p(l);
    for (std::size_t iy = 0; iy != l.in.height; ++iy)
        for (std::size_t ix = 0; ix < l.in.width; ix += 16)
            for (std::size_t c = 0; c < l.channels; c += 16) {
                std::size_t const wide = l.in.width - ix < 16 ? l.in.width - ix : 16;
                std::size_t const deep = l.channels - c < 16 ? l.channels - c : 16;
                __m128i a[16];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != 16; ++i)
                    a[i] = i < deep
                               ? _mm_maskz_loadu_epi8(first(wide), x + ((c + i) * l.in.height + iy) * l.in.width + ix)
                               : _mm_setzero_si128();
                transpose_bytes(a);
                std::int8_t* to =
                    padded + ((iy + l.taps.padding.height) * p.width + ix + l.taps.padding.width) * p.channels + c;
                alignas(16) __m128i columns[16];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != 16; ++i) columns[i] = a[i];
                for (std::size_t i = 0; i != wide; ++i, to += p.channels)
                    _mm_mask_storeu_epi8(to, first(deep), columns[i]);
            }
}

// Sums of all codes of each pixel of the padded picture.
inline void sum_channels(padded_picture const& p, std::int8_t const* padded, std::int32_t* sums) noexcept {
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

// Outputs of a line times panels.
struct line_product {
    std::size_t step, runs_down, runs_right, down, right, lines;  // bytes between outputs; taps, and bytes between them
    std::size_t panel_bytes;
};

// Where 16 outputs of places of a line go: as floats or as codes.
struct line_output {
    std::size_t area, outputs;
    __m512 scale, bias;
    float* y;
    std::int8_t* codes;
    float code_scale;
};

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

// The sums of m <= 16 places and 16 outputs, from (place, output) to (output, place).
inline void finish_line(__m512i const* sums, std::size_t m, line_output const& out) noexcept {
    auto const value = [&](std::size_t i) __attribute__((always_inline)) {
        return _mm512_add_ps(rounded(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + i)), out.scale)),
                             out.bias);
    };
    if (out.codes != nullptr) {
        code_scale const scale(out.code_scale);
        __m128i r[16];
        QUANTO_UNROLL
        for (std::size_t i = 0; i != 16; ++i) r[i] = i < m ? scale.codes_of(value(i)) : _mm_setzero_si128();
        transpose_bytes(r);
        QUANTO_UNROLL
        for (std::size_t o = 0; o != 16; ++o)
            if (o < out.outputs) _mm_mask_storeu_epi8(out.codes + o * out.area, first(m), r[o]);
    } else {
        __m512 r[16];
        QUANTO_UNROLL
        for (std::size_t i = 0; i != 16; ++i) r[i] = i < m ? value(i) : _mm512_setzero_ps();
        transpose_floats(r);
        QUANTO_UNROLL
        for (std::size_t o = 0; o != 16; ++o)
            if (o < out.outputs) _mm512_mask_storeu_ps(out.y + o * out.area, first(m), r[o]);
    }
}

// M places of a line times P panels: what is loaded of x serves all. x: what the first tap of the first place sees;
// results[p][m], 16 outputs each.
template <std::size_t M, std::size_t P>
void multiply_line(line_product const& p, std::byte const* x, std::byte const* w, std::int32_t const* sums,
                   __m512i* results) noexcept {
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
        for (std::size_t m = 0; m != M; ++m) _mm512_store_si512(results + i * M + m, acc[i][m]);
    }
}
using line_kernel = void (*)(line_product const&, std::byte const*, std::byte const*, std::int32_t const*,
                             __m512i*) noexcept;

// 28 sums, two lines of w and a quad of x fill the registers.
inline constexpr std::size_t longest_line = 14;
template <std::size_t P>
inline constexpr line_kernel line_kernels[longest_line] = {
    multiply_line<1, P>,  multiply_line<2, P>,  multiply_line<3, P>,  multiply_line<4, P>, multiply_line<5, P>,
    multiply_line<6, P>,  multiply_line<7, P>,  multiply_line<8, P>,  multiply_line<9, P>, multiply_line<10, P>,
    multiply_line<11, P>, multiply_line<12, P>, multiply_line<13, P>, multiply_line<14, P>};

// Line oy of all outputs of an image. sums: a workspace of out.width.
inline void convolve_picture_line(int8_convolution const& c, std::size_t image, std::size_t oy,
                                  std::int8_t const* padded, std::int32_t const* pixel_sums,
                                  std::int32_t* sums) noexcept {
    patch_layout const& l = c.layout;
    window const& t = l.taps;
    padded_picture const p(l);
    std::size_t const row = oy * t.stride.height * p.width;
    for (std::size_t ox = 0; ox != l.out.width; ++ox) {
        std::int32_t sum = 0;
        for (std::size_t i = 0; i != t.kernel.height; ++i)
            for (std::size_t j = 0; j != t.kernel.width; ++j)
                sum += pixel_sums[row + ox * t.stride.width + i * t.dilation.height * p.width + j * t.dilation.width];
        sums[ox] = sum;
    }
    panel_layout const& layout = c.w.layout();
    // Taps side by side are one run.
    bool const joined = t.dilation.width == 1;
    line_product const product{t.stride.width * p.channels,   t.kernel.height,
                               joined ? 1 : t.kernel.width,   t.dilation.height * p.width * p.channels,
                               t.dilation.width * p.channels, p.channels / 4 * (joined ? t.kernel.width : 1),
                               layout.panel_bytes()};
    std::size_t const tiles = ceil_div(l.out.width, longest_line);
    alignas(64) __m512i results[2 * longest_line];
    for (std::size_t n = 0; n < layout.rows;) {
        std::size_t const panels = layout.rows - n > 16 ? 2 : 1;
        for (std::size_t tile = 0; tile != tiles; ++tile) {
            std::size_t const begin = tile * l.out.width / tiles, m = (tile + 1) * l.out.width / tiles - begin;
            auto const* const x =
                reinterpret_cast<std::byte const*>(padded + (row + begin * t.stride.width) * p.channels);
            std::byte const* const w = c.w.group(n, 0) + layout.header_bytes();
            (panels == 2 ? line_kernels<2> : line_kernels<1>)[m - 1](product, x, w, sums + begin, results);
            for (std::size_t i = 0; i != panels; ++i) {
                std::size_t const o = n + 16 * i, outputs = layout.rows - o < 16 ? layout.rows - o : 16;
                std::size_t const at = (image * layout.rows + o) * l.out.area() + oy * l.out.width + begin;
                __m512 const scale = load_scales(layout.scale_type, c.w.group(o, 0));
                finish_line(
                    results + i * m, m,
                    {l.out.area(), outputs, rounded(_mm512_mul_ps(_mm512_set1_ps(c.x_scale), scale)),
                     c.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(first(outputs), c.bias + o),
                     c.y == nullptr ? nullptr : c.y + at, c.codes == nullptr ? nullptr : c.codes + at, c.code_scale});
            }
        }
        n += 16 * panels;
    }
}

}  // namespace avx512vnni
QUANTO_TARGET_END

// run(n, f): f(0) .. f(n - 1), in any order and on any thread. Errors: out_of_memory.
template <class Run>
result<success> convolve_avx512vnni(int8_convolution const& c, Run const& run) {
    patch_layout const& l = c.layout;
    padded_picture const p(l);
    auto padded = storage::allocate(p.bytes(), c.memory);
    if (!padded) return padded.error();
    auto sums = storage::allocate((p.pixels() + l.out.area()) * sizeof(std::int32_t), c.memory);
    if (!sums) return sums.error();
    auto* const picture = reinterpret_cast<std::int8_t*>(padded->mutable_data());
    auto* const pixel_sums = reinterpret_cast<std::int32_t*>(sums->mutable_data());
    for (std::size_t image = 0; image != c.images; ++image) {
        avx512vnni::pad_picture(l, c.x + image * l.image_stride, picture);
        avx512vnni::sum_channels(p, picture, pixel_sums);
        run(l.out.height, [&](std::size_t oy) {
            avx512vnni::convolve_picture_line(c, image, oy, picture, pixel_sums,
                                              pixel_sums + p.pixels() + oy * l.out.width);
        });
    }
    return success{};
}

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
