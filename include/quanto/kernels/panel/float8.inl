// Products of float8 panels, included by float8.hpp once per instruction set, in the namespaces of dense.inl, whose
// vectors and outer products they use. Q: a float8 qtype; x (M, K) float.
//
// A code becomes float32 by moving its bits to where float32 has them: sign, exponent and mantissa then mean
// value * 2^(bias - 127), subnormals included.
//     up to 4 rows   float8_dot     lanes are rows of w; x is scaled by a power of two that takes the 2^(bias - 127) back
//     more           float8_outer   256 columns of two vectors of rows are decoded once, 32 KiB or less, for all of x

#define QUANTO_INLINE __attribute__((always_inline)) inline

inline constexpr std::size_t line_parts = panel_layout::panel_rows / lanes;  // vectors of a line
inline constexpr std::size_t dot_rows_most = 4;
inline constexpr std::size_t block_cols = 256;

// Byte T of each 32-bit lane, as value * 2^(bias - 127).
template <QType Q, int T>
QUANTO_INLINE vf decode_byte(vi line) noexcept {
    constexpr int drop = Q::format::mantissa_bits + 1;
    constexpr std::int32_t kept = static_cast<std::int32_t>(0x8000'0000u | (0x7fu << (24 - drop)));
    return (vf)((T == 3 ? line >> drop : line << (24 - 8 * T) >> drop) & kept);
}
template <QType Q>
QUANTO_INLINE void decode_line(std::byte const* p, vf (&four)[4]) noexcept {
    vi const line = load_as<vi>(p);
    four[0] = decode_byte<Q, 0>(line);
    four[1] = decode_byte<Q, 1>(line);
    four[2] = decode_byte<Q, 2>(line);
    four[3] = decode_byte<Q, 3>(line);
}
template <QType Q>
inline constexpr float float8_unit = bit_cast<float>(static_cast<std::uint32_t>(254 - Q::format::bias) << 23);

// Part h of the 16 scales of a header.
QUANTO_INLINE vf load_scales(dtype type, std::byte const* header, std::size_t h) noexcept {
    if (type == dtype::f32) return load_f32(header + h * sizeof(vf));
    if (type == dtype::f16) return load_weights(reinterpret_cast<float16 const*>(header) + h * lanes);
    return load_weights(reinterpret_cast<bfloat16 const*>(header) + h * lanes);
}

// A row of x for float8_dot: group after group, each padded with 0 to whole lines, times float8_unit / factor. Returns
// the factor: the power of two at or below the largest |x|, so that no product is below normal numbers for its size.
template <QType Q>
inline float pack_dot_row(panel_layout const& layout, float const* x, float* out) noexcept {
    float largest = 0.0f;
    for (std::size_t k = 0; k != layout.cols; ++k) largest = absolute(x[k]) > largest ? absolute(x[k]) : largest;
    std::uint32_t const exponent = bit_cast<std::uint32_t>(largest) & 0x7f80'0000u;
    float const factor = bit_cast<float>(exponent == 0 ? 1u << 23 : exponent);
    float const inverse = bit_cast<float>((254u << 23) - bit_cast<std::uint32_t>(factor));
    for (std::size_t g = 0; g != layout.groups(); ++g) {
        std::size_t const size = layout.size_of_group(g), padded = layout.lines(size) * layout.line_cols();
        for (std::size_t i = 0; i != size; ++i) out[i] = x[i] * inverse * float8_unit<Q>;
        for (std::size_t i = size; i != padded; ++i) out[i] = 0.0f;
        x += size;
        out += padded;
    }
    return factor;
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
            for (std::byte const* const end = w + layout.lines(layout.size_of_group(g)) * panel_layout::line_bytes;
                 w != end; w += panel_layout::line_bytes, xs += 4) {
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
        for (std::size_t m = 0; m != M; ++m) {
            float row[panel_layout::panel_rows];
            __builtin_memcpy(row, total[m], sizeof row);
            for (std::size_t r = 0; r != panel_layout::panel_rows && n0 + r < layout.rows; ++r)
                o.y(m, n0 + r) = o.finished(row[r] * factors[m], n0 + r);
        }
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
                    decode_line<Q>(header + layout.header_bytes() + c * panel_layout::line_bytes + h * sizeof(vf), four);
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
            float const* const strip = strips + m / strip_rows * strip_rows * padded + k * strip_rows +
                                       m % strip_rows * strip_line;
            std::size_t const left = rows - m < tile_rows ? rows - m : tile_rows;
            if (left <= third)
                float8_tile<third>(block, strip, lines, o.y, m, n0, left, cols, k != 0);
            else if (left <= 2 * third)
                float8_tile<2 * third>(block, strip, lines, o.y, m, n0, left, cols, k != 0);
            else
                float8_tile<tile_rows>(block, strip, lines, o.y, m, n0, left, cols, k != 0);
        }
    }
    if (o.options.bias.empty() && o.options.activation == fused_activation::none) return;
    for (std::size_t m = 0; m != rows; ++m)
        for (std::size_t n = n0; n != n0 + cols; ++n) o.y(m, n) = o.finished(o.y(m, n), n);
}

#undef QUANTO_INLINE
