// Tiles of x times float8 panels, included by float8.hpp after float8.inl, once per instruction set. Lanes are rows of
// w, decoded in registers for all rows of a tile, whose sums stay in registers over a group:
//     tile    R rows of x: [k][R], groups padded with 0 to whole lines, each row times float8_unit / its factor
//     sum[r] += tile[k][r] * code[k],    total[r] += scale * sum[r] per group,    y[r] = total[r] * factor[r]

inline constexpr std::size_t tile_parts = lanes == 16 ? 1 : 2;        // vectors of a line that a tile meets at once
inline constexpr std::size_t most_rows = tile_rows * 2 / tile_parts;  // these and their sums fill the registers
inline constexpr std::size_t least_rows = most_rows == 24 ? 8 : 4;

// R of the tile that takes m rows of x, m <= most_rows.
constexpr std::size_t rows_of_tile(std::size_t m) noexcept {
    std::size_t const fours = ceil_div(m, 4) * 4;
    return fours < least_rows ? least_rows : fours < most_rows ? fours : most_rows;
}

// The next n <= 4 elements of four rows, scaled, to out + k * stride.
template <bool Whole>
QUANTO_INLINE void pack_quad(float const* (&rows)[4], portable::vf const (&inverse)[4], float unit, std::size_t n,
                             float* out, std::size_t stride) noexcept {
    portable::vf v[4];
#pragma GCC unroll 4
    for (std::size_t i = 0; i != 4; ++i) {
        if constexpr (Whole)
            v[i] = portable::load_f32(rows[i]);
        else
            v[i] = portable::load_weights(rows[i], n);
        v[i] = v[i] * inverse[i] * unit;
        rows[i] += n;
    }
    portable::transpose(v);
#pragma GCC unroll 4
    for (std::size_t k = 0; k != 4; ++k) __builtin_memcpy(out + k * stride, &v[k], sizeof v[k]);
}

// Rows m0 .. m0 + valid of x as a tile of R; the others repeat the last one.
template <QType Q>
void pack_tile(panel_layout const& layout, matrix_view<float const> x, std::size_t m0, std::size_t valid, std::size_t R,
               float* factors, float* tile) noexcept {
    for (std::size_t m = 0; m != valid; ++m) factors[m] = row_factor(x.row(m0 + m), x.cols);
    for (std::size_t next = 0; next < R; next += 4) {
        std::size_t const r = next < R - 4 ? next : R - 4;
        float const* rows[4];
        portable::vf inverse[4];
#pragma GCC unroll 4
        for (std::size_t i = 0; i != 4; ++i) {
            std::size_t const m = r + i < valid ? r + i : valid - 1;
            rows[i] = x.row(m0 + m);
            inverse[i] = portable::broadcast(inverse_of(factors[m]));
        }
        float* out = tile + r;
        for (std::size_t g = 0; g != layout.groups(); ++g) {
            std::size_t left = layout.size_of_group(g);
            for (; left >= 4; left -= 4, out += 4 * R) pack_quad<true>(rows, inverse, float8_unit<Q>, 4, out, R);
            if (left != 0) {
                pack_quad<false>(rows, inverse, float8_unit<Q>, left, out, R);
                out += 4 * R;
            }
        }
    }
}

// A tile times panels: rows m0 .. m0 + valid of y.
template <QType Q, std::size_t R>
void float8_tile(panel_operands<float> const& o, float const* tile, float const* factors, std::size_t m0,
                 std::size_t valid, panel_range range) noexcept {
    panel_layout const& layout = o.w.layout();
    std::size_t const groups = layout.groups(), header_bytes = layout.header_bytes();
    for (std::size_t panel = range.begin; panel != range.end; ++panel)
        for (std::size_t h = 0; h != line_parts; h += tile_parts) {
            std::byte const* w = o.w.bytes().data() + panel * layout.panel_bytes();
            float const* x = tile;
            vf total[R][tile_parts] = {};
            for (std::size_t g = 0; g != groups; ++g) {
                vf scale[tile_parts], sum[R][tile_parts];
#pragma GCC unroll 2
                for (std::size_t v = 0; v != tile_parts; ++v) scale[v] = load_scales(layout.scale_type, w, h + v);
#pragma GCC unroll 24
                for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 2
                    for (std::size_t v = 0; v != tile_parts; ++v) sum[r][v] = vf{};
                w += header_bytes;
                for (std::size_t left = layout.lines(layout.size_of_group(g)); left != 0;
                     --left, w += panel_layout::line_bytes, x += 4 * R) {
                    auto const step = [&]<std::size_t T>() __attribute__((always_inline)) {
                        vf code[tile_parts];
                        // g++ would keep what two bytes share, and have no register left for a sum.
                        if constexpr (tile_parts == 2) asm("" : "+r"(w));
#pragma GCC unroll 2
                        for (std::size_t v = 0; v != tile_parts; ++v)
                            code[v] = decode_byte<Q, T>(w + (h + v) * sizeof(vf));
#pragma GCC unroll 24
                        for (std::size_t r = 0; r != R; ++r) {
                            if constexpr (tile_parts == 1) {
                                sum[r][0] = multiply_add(x + T * R + r, code[0], sum[r][0]);
                            } else {
                                vf const a = broadcast(x[T * R + r]);
#pragma GCC unroll 2
                                for (std::size_t v = 0; v != tile_parts; ++v)
                                    sum[r][v] = multiply_add(a, code[v], sum[r][v]);
                            }
                        }
                    };
                    step.template operator()<0>();
                    step.template operator()<2>();
                    step.template operator()<1>();
                    step.template operator()<3>();
                }
#pragma GCC unroll 24
                for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 2
                    for (std::size_t v = 0; v != tile_parts; ++v) total[r][v] += sum[r][v] * scale[v];
            }
            for (std::size_t r = 0; r != valid; ++r)
                for (std::size_t v = 0; v != tile_parts; ++v)
                    finish(o, total[r][v] * factors[r], m0 + r, panel * panel_layout::panel_rows + (h + v) * lanes);
        }
}

using float8_kernel = void (*)(panel_operands<float> const&, float const*, float const*, std::size_t, std::size_t,
                               panel_range) noexcept;

template <QType Q>
float8_kernel kernel_of(std::size_t rows) noexcept {
    if constexpr (most_rows == 6) {
        return rows == 4 ? float8_tile<Q, 4> : float8_tile<Q, 6>;
    } else if constexpr (most_rows == 12) {
        return rows == 4 ? float8_tile<Q, 4> : rows == 8 ? float8_tile<Q, 8> : float8_tile<Q, 12>;
    } else {
        switch (rows) {
            case 8:
                return float8_tile<Q, 8>;
            case 12:
                return float8_tile<Q, 12>;
            case 16:
                return float8_tile<Q, 16>;
            case 20:
                return float8_tile<Q, 20>;
            default:
                return float8_tile<Q, 24>;
        }
    }
}
