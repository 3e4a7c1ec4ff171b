// Products of float8 panels, included by float8.hpp once per instruction set, in the namespaces of dense.inl, whose
// vectors and outer products they use. Q: a float8 qtype; x (M, K) float.
//
// A code becomes float32 by moving its bits to where float32 has them: sign, exponent and mantissa then mean
// value * 2^(bias - 127), subnormals included.
//     up to 4 rows   float8_dot     lanes are rows of w; x is scaled by a power of two that takes the 2^(bias - 127) back
//     more           float8_outer   256 columns of two vectors of rows are decoded once, 32 KiB or less, for all of x

inline constexpr std::size_t line_parts = panel_layout::panel_rows / lanes;  // vectors of a line
inline constexpr std::size_t dot_rows_most = 4;
inline constexpr std::size_t block_cols = 256;

typedef std::int16_t vw __attribute__((vector_size(QUANTO_KERNEL_BYTES)));

// The four bytes of each 32-bit lane of the line at p, as value * 2^(bias - 127). A code in the upper byte of 16 bits
// needs one shift there, which keeps the sign: two loads, the second a byte before, bring all four codes to such a
// place. Reads from p - 1 on: a header precedes the lines.
template <QType Q>
QUANTO_INLINE void decode_line(std::byte const* p, vf (&four)[4]) noexcept {
    constexpr int drop = Q::format::mantissa_bits + 1;
    constexpr std::int32_t kept = static_cast<std::int32_t>(0x8000'0000u | (0x7fu << (24 - drop)));
    vi const odd = (vi)(load_as<vw>(p) >> drop), even = (vi)(load_as<vw>(p - 1) >> drop);
    four[0] = (vf)((even << 16) & kept);
    four[1] = (vf)((odd << 16) & kept);
    four[2] = (vf)(even & kept);
    four[3] = (vf)(odd & kept);
}
template <QType Q>
inline constexpr float float8_unit = bit_cast<float>(static_cast<std::uint32_t>(254 - Q::format::bias) << 23);

// Part h of the 16 scales of a header.
QUANTO_INLINE vf load_scales(dtype type, std::byte const* header, std::size_t h) noexcept {
    if (type == dtype::f32) return load_f32(header + h * sizeof(vf));
    if (type == dtype::f16) return load_weights(reinterpret_cast<float16 const*>(header) + h * lanes);
    return load_weights(reinterpret_cast<bfloat16 const*>(header) + h * lanes);
}

// The largest |x| of a row; NaN and infinity where it has one.
inline float largest_magnitude(float const* x, std::size_t n) noexcept {
    constexpr std::int32_t magnitude = 0x7fff'ffff;
    vi largest{};
    std::size_t k = 0;
    for (; n - k >= lanes; k += lanes) {
        vi const v = load_as<vi>(x + k) & magnitude;
        largest = v > largest ? v : largest;
    }
    std::int32_t part[lanes], most = 0;
    __builtin_memcpy(part, &largest, sizeof part);
    for (std::int32_t const v : part) most = v > most ? v : most;
    for (; k != n; ++k) {
        std::int32_t const v = bit_cast<std::int32_t>(x[k]) & magnitude;
        most = v > most ? v : most;
    }
    return bit_cast<float>(most);
}

// A row of x for float8_dot: group after group, each padded with 0 to whole lines, times float8_unit / factor. Returns
// the factor: the power of two at or below the largest |x|, so that no product is below normal numbers for its size;
// infinity for NaN.
template <QType Q>
inline float pack_dot_row(panel_layout const& layout, float const* x, float* out) noexcept {
    std::uint32_t const exponent = bit_cast<std::uint32_t>(largest_magnitude(x, layout.cols)) & 0x7f80'0000u;
    float const factor = bit_cast<float>(exponent == 0 ? 1u << 23 : exponent);
    float const inverse = bit_cast<float>((254u << 23) - bit_cast<std::uint32_t>(factor));
    for (std::size_t g = 0; g != layout.groups(); ++g) {
        std::size_t const size = layout.size_of_group(g), padded = layout.lines(size) * layout.line_cols();
        std::size_t i = 0;
        for (; size - i >= lanes; i += lanes) {
            vf const v = load_f32(x + i) * inverse * float8_unit<Q>;
            __builtin_memcpy(out + i, &v, sizeof v);
        }
        for (; i != size; ++i) out[i] = x[i] * inverse * float8_unit<Q>;
        for (; i != padded; ++i) out[i] = 0.0f;
        x += size;
        out += padded;
    }
    return factor;
}

// y(m, n ..) = the finished v, as far as y goes.
__attribute__((noinline)) inline void finish(panel_operands<float> const& o, vf v, std::size_t m,
                                             std::size_t n) noexcept {
    if (n >= o.y.cols) return;
    float part[lanes];
    __builtin_memcpy(part, &v, sizeof part);
    finish_outputs(o.options, o.y, part, m, n, o.y.cols - n < lanes ? o.y.cols - n : lanes);
}

// Rows m0 .. m0 + M of x, packed `stride` floats apart, times panels.
template <QType Q, std::size_t M>
void float8_dot(panel_operands<float> const& o, float const* x, std::size_t stride, float const* factors,
                panel_range range) noexcept {
    constexpr std::size_t sums = M == 1 ? 4 : M == 2 ? 2 : 1;  // independent ones, for the latency of an addition
    panel_layout const& layout = o.w.layout();
    std::byte const* w = o.w.bytes().data() + range.begin * layout.panel_bytes();
    std::size_t const groups = layout.groups(), header_bytes = layout.header_bytes();
    for (std::size_t panel = range.begin; panel != range.end; ++panel) {
        vf total[M][line_parts] = {};
        float const* xs = x;
        for (std::size_t g = 0; g != groups; ++g) {
            std::byte const* const header = w;
            w += header_bytes;
            vf sum[M][line_parts][sums];
#pragma GCC unroll 4
            for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 2
                for (std::size_t h = 0; h != line_parts; ++h)
#pragma GCC unroll 4
                    for (std::size_t i = 0; i != sums; ++i) sum[m][h][i] = vf{};
#pragma GCC unroll 2
            for (std::size_t left = layout.lines(layout.size_of_group(g)); left != 0;
                 --left, w += panel_layout::line_bytes, xs += 4) {
#pragma GCC unroll 2
                for (std::size_t h = 0; h != line_parts; ++h) {
                    vf four[4];
                    decode_line<Q>(w + h * sizeof(vf), four);
#pragma GCC unroll 4
                    for (std::size_t t = 0; t != 4; ++t)
#pragma GCC unroll 4
                        for (std::size_t m = 0; m != M; ++m)
                            sum[m][h][t % sums] = multiply_add(xs + m * stride + t, four[t], sum[m][h][t % sums]);
                }
            }
#pragma GCC unroll 2
            for (std::size_t h = 0; h != line_parts; ++h) {
                vf const scale = load_scales(layout.scale_type, header, h);
#pragma GCC unroll 4
                for (std::size_t m = 0; m != M; ++m) {
#pragma GCC unroll 4
                    for (std::size_t i = 1; i < sums; ++i) sum[m][h][0] += sum[m][h][i];
                    total[m][h] += sum[m][h][0] * scale;
                }
            }
        }
        std::size_t const n0 = panel * panel_layout::panel_rows;
#pragma GCC unroll 4
        for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 2
            for (std::size_t h = 0; h != line_parts; ++h) finish(o, total[m][h] * factors[m], m, n0 + h * lanes);
    }
}

// Columns [k0, k1) of the panels from `first` on, as many as two vectors hold: out [k1 - k0][panel_cols], dequantized.
template <QType Q>
inline void decode_block(panels const& w, std::size_t first, std::size_t k0, std::size_t k1, float* out) noexcept {
    panel_layout const& layout = w.layout();
    for (std::size_t part = 0; part != panel_cols / lanes; ++part) {
        std::size_t const panel = first + part / line_parts, h = part % line_parts;
        float* const to = out + part * lanes;
        for (std::size_t k = k0; k < k1;) {
            std::size_t const g = k / layout.group, begin = g * layout.group, size = layout.size_of_group(g),
                              end = begin + size < k1 ? begin + size : k1;
            bool const exists = panel < layout.panels();
            std::byte const* const header =
                exists ? w.bytes().data() + panel * layout.panel_bytes() + layout.group_offset(g) : nullptr;
            vf const scale = exists ? load_scales(layout.scale_type, header, h) : vf{};
            while (k < end) {  // line by line; the first and the last may be cut
                std::size_t const c = (k - begin) / 4, from = (k - begin) % 4, left = end - k;
                vf four[4] = {};
                if (exists)
                    decode_line<Q>(header + layout.header_bytes() + c * panel_layout::line_bytes + h * sizeof(vf),
                                   four);
                std::size_t const take = 4 - from < left ? 4 - from : left;
                for (std::size_t t = from; t != from + take; ++t, ++k) {
                    vf const v = four[t] * float8_unit<Q> * scale;
                    __builtin_memcpy(to + (k - k0) * panel_cols, &v, sizeof v);
                }
            }
        }
    }
}

// y(m0 .., n0 ..) = or += R rows of a strip of x times a block of decoded w; `rows` of them and `cols` are in y.
template <std::size_t R>
QUANTO_INLINE void float8_tile(float const* block, float const* strip, std::size_t lines, matrix_view<float> y,
                               std::size_t m0, std::size_t n0, std::size_t rows, std::size_t cols, bool add) noexcept {
    vf sum[R][2];
    outer<R, 2>(block, strip, lines, sum);
    if (cols == panel_cols) {
#pragma GCC unroll 16
        for (std::size_t r = 0; r != R; ++r)
            if (r < rows)
#pragma GCC unroll 2
                for (std::size_t v = 0; v != 2; ++v) {
                    float* const to = y.row(m0 + r) + n0 + v * lanes;
                    vf const s = add ? load_f32(to) + sum[r][v] : sum[r][v];
                    __builtin_memcpy(to, &s, sizeof s);
                }
        return;
    }
    float part[R][panel_cols];
    __builtin_memcpy(part, sum, sizeof part);
    for (std::size_t r = 0; r != rows; ++r)
        for (std::size_t n = 0; n != cols; ++n) {
            float& to = y(m0 + r, n0 + n);
            to = add ? to + part[r][n] : part[r][n];
        }
}

// All of x, in strips, times the rows of w from n0 on that two vectors hold.
template <QType Q>
void float8_outer(panel_operands<float> const& o, float const* strips, std::size_t padded, std::size_t n0) noexcept {
    constexpr std::size_t third = tile_rows / 3;
    panel_layout const& layout = o.w.layout();
    std::size_t const cols = layout.rows - n0 < panel_cols ? layout.rows - n0 : panel_cols, rows = o.x.rows;
    alignas(64) float block[block_cols * panel_cols];
    for (std::size_t k = 0; k < padded; k += block_cols) {
        std::size_t const k1 = padded - k < block_cols ? padded : k + block_cols,
                          last = k1 < layout.cols ? k1 : layout.cols;
        decode_block<Q>(o.w, n0 / panel_layout::panel_rows, k, last, block);
        if (last != k1) __builtin_memset(block + (last - k) * panel_cols, 0, (k1 - last) * panel_cols * sizeof(float));
        std::size_t const lines = (k1 - k) / strip_line;
        for (std::size_t m = 0; m < rows; m += tile_rows) {
            float const* const strip =
                strips + m / strip_rows * strip_rows * padded + k * strip_rows + m % strip_rows * strip_line;
            std::size_t const left = rows - m < tile_rows ? rows - m : tile_rows;
            if (left <= third)
                float8_tile<third>(block, strip, lines, o.sums, m, n0, left, cols, k != 0);
            else if (left <= 2 * third)
                float8_tile<2 * third>(block, strip, lines, o.sums, m, n0, left, cols, k != 0);
            else
                float8_tile<tile_rows>(block, strip, lines, o.sums, m, n0, left, cols, k != 0);
        }
    }
    for (std::size_t m = 0; m != rows; ++m)
        for (std::size_t n = n0; n < n0 + cols; n += lanes) {
            vf v{};
            __builtin_memcpy(&v, o.sums.row(m) + n, (n0 + cols - n < lanes ? n0 + cols - n : lanes) * sizeof(float));
            finish(o, v, m, n);
        }
}
