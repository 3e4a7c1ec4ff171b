// A line of a convolution of codes (picture.hpp), included in the namespaces of its instruction sets. Before it
//     code_bytes                  of a code in the padded picture
//     load_codes(p, n)            16 codes, 0 from n on;              store_codes(p, codes, n)    n <= 16 of them
//     store_pixel(p, codes, n)    n <= 16 channels of a pixel of the padded picture
//     longest_line, most_panels   places and panels that multiply_places takes at once
//     multiply_places(p, x, w, sums, m, panels, results)    m places times panels: results[i * m + place] of panel i.
//                                 x: what the first tap of the first place sees; sums: of all that a place sees
//     line_values(out)            codes_of(results of a place); store(results, m), to out.y

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

// One image into padded order. Precondition: the padding and the channels beyond C are zero already.
inline void pad_picture(patch_layout const& l, std::int8_t const* x, std::byte* padded) noexcept {
    padded_picture const p(l);
    for (std::size_t iy = 0; iy != l.in.height; ++iy)
        for (std::size_t ix = 0; ix < l.in.width; ix += 16)
            for (std::size_t c = 0; c < l.channels; c += 16) {
                std::size_t const wide = l.in.width - ix < 16 ? l.in.width - ix : 16;
                std::size_t const deep = l.channels - c < 16 ? l.channels - c : 16;
                __m128i a[16];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != 16; ++i)
                    a[i] = i < deep ? load_codes(x + ((c + i) * l.in.height + iy) * l.in.width + ix, wide)
                                    : _mm_setzero_si128();
                transpose_bytes(a);
                std::size_t const pixel = (iy + l.taps.padding.height) * p.width + ix + l.taps.padding.width;
                std::byte* to = padded + (pixel * p.channels + c) * code_bytes;
                alignas(16) __m128i columns[16];
                QUANTO_UNROLL
                for (std::size_t i = 0; i != 16; ++i) columns[i] = a[i];
                for (std::size_t i = 0; i != wide; ++i, to += p.channels * code_bytes)
                    store_pixel(to, columns[i], deep);
            }
}

// The sums of m <= 16 places and 16 outputs, from (place, output) to (output, place).
inline void finish_line(std::int32_t const (*sums)[16], std::size_t m, line_output const& out) noexcept {
    line_values const values(out);
    if (out.codes == nullptr) return values.store(sums, m);
    __m128i r[16];
    QUANTO_UNROLL
    for (std::size_t i = 0; i != 16; ++i) r[i] = i < m ? values.codes_of(sums[i]) : _mm_setzero_si128();
    transpose_bytes(r);
    QUANTO_UNROLL
    for (std::size_t o = 0; o != 16; ++o)
        if (o < out.outputs) store_codes(out.codes + o * out.area, r[o], m);
}

// Line oy of all outputs of an image. sums: a workspace of out.width.
inline void convolve_picture_line(int8_convolution const& c, std::size_t image, std::size_t oy, std::byte const* padded,
                                  std::int32_t const* pixel_sums, std::int32_t* sums) noexcept {
    patch_layout const& l = c.layout;
    window const& t = l.taps;
    padded_picture const p(l);
    std::size_t const row = oy * t.stride.height * p.width, pixel_bytes = p.channels * code_bytes;
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
    line_product const product{t.stride.width * pixel_bytes,
                               t.kernel.height,
                               joined ? 1 : t.kernel.width,
                               t.dilation.height * p.width * pixel_bytes,
                               t.dilation.width * pixel_bytes,
                               p.channels / 4 * (joined ? t.kernel.width : 1),
                               layout.panel_bytes()};
    std::size_t const tiles = ceil_div(l.out.width, longest_line);
    alignas(64) std::int32_t results[most_panels * longest_line][16];
    for (std::size_t n = 0; n < layout.rows;) {
        std::size_t const left = ceil_div(layout.rows - n, std::size_t{16}),
                          panels = left < most_panels ? left : most_panels;
        std::byte const* const w = c.w.group(n, 0) + layout.header_bytes();
        for (std::size_t tile = 0; tile != tiles; ++tile) {
            std::size_t const begin = tile * l.out.width / tiles, m = (tile + 1) * l.out.width / tiles - begin;
            multiply_places(product, padded + (row + begin * t.stride.width) * pixel_bytes, w, sums + begin, m, panels,
                            results);
            for (std::size_t i = 0; i != panels; ++i) {
                std::size_t const o = n + 16 * i, outputs = layout.rows - o < 16 ? layout.rows - o : 16;
                std::size_t const at = (image * layout.rows + o) * l.out.area() + oy * l.out.width + begin;
                finish_line(results + i * m, m,
                            {l.out.area(), outputs, c.x_scale, layout.scale_type, c.w.group(o, 0),
                             c.bias == nullptr ? nullptr : c.bias + o, c.y == nullptr ? nullptr : c.y + at,
                             c.codes == nullptr ? nullptr : c.codes + at, c.code_scale});
            }
        }
        n += 16 * panels;
    }
}

inline constexpr picture_functions functions_of_pictures{code_bytes, pad_picture, sum_channels, convolve_picture_line};
