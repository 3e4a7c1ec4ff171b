// Tiles of x times float8 panels, included by float8.hpp once per instruction set. Lanes are rows of w, decoded in
// registers for all rows of a tile, or before for all tiles; sums stay in registers over lines of a group. A Step
// (f32_step and decoded_step in float8.inl, bf16_step) says what x and w are: a line of codes becomes Step::words
// vectors, each multiplied with a word of x.
//     tile    R rows of x: [line][word][R], groups padded with 0 to whole lines, each row times Step::unit / its factor
//     sum[r] += tile[k][r] * code[k],    total[r] += scale * sum[r],    y[r] = total[r] * factor[r]

inline constexpr std::size_t tile_parts = lanes == 16 ? 1 : 2;        // vectors of a line that a tile meets at once
inline constexpr std::size_t most_rows = tile_rows * 2 / tile_parts;  // these and their sums fill the registers

// R of the tile that takes m rows of x, m <= most_rows.
template <class Step>
constexpr std::size_t rows_of_tile(std::size_t m) noexcept {
    if (m < Step::least_rows) return Step::least_rows;
    std::size_t const rounded = m <= 2 ? m : ceil_div(m, 4) * 4;
    return rounded < most_rows ? rounded : most_rows;
}

// Rows m0 .. m0 + valid of x as a tile; what it has room for beyond them repeats the last one.
template <class Step>
void pack_tile(panel_layout const& layout, matrix_view<typename Step::value const> x, std::size_t m0, std::size_t valid,
               std::size_t R, float* factors, float* tile) noexcept {
    std::size_t const stride = stride_of_tile(R);
    for (std::size_t m = 0; m != valid; ++m) factors[m] = row_factor(x.row(m0 + m), x.cols);
    for (std::size_t next = 0; next < stride; next += 4) {
        std::size_t const r = next < stride - 4 ? next : stride - 4;
        typename Step::value const* rows[4];
        portable::vf first[4], second[4];
#pragma GCC unroll 4
        for (std::size_t i = 0; i != 4; ++i) {
            std::size_t const m = r + i < valid ? r + i : valid - 1;
            rows[i] = x.row(m0 + m);
            row_scale const scale(Step::unit, factors[m]);
            first[i] = portable::broadcast(scale.first);
            second[i] = portable::broadcast(scale.second);
        }
        float* out = tile + r;
        auto const pack = [&](auto whole, std::size_t n) __attribute__((always_inline)) {
            portable::vf v[4];
#pragma GCC unroll 4
            for (std::size_t i = 0; i != 4; ++i) {
                if constexpr (whole)
                    v[i] = portable::load_weights(rows[i]);
                else
                    v[i] = portable::load_weights(rows[i], n);
                v[i] = v[i] * first[i] * second[i];
                rows[i] += n;
            }
            portable::transpose(v);
            Step::join(v);
#pragma GCC unroll 4
            for (std::size_t i = 0; i != Step::words; ++i, out += stride) __builtin_memcpy(out, &v[i], sizeof v[i]);
        };
        for (std::size_t g = 0; g != layout.groups(); ++g) {
            std::size_t left = layout.size_of_group(g);
            for (; left >= 4; left -= 4) pack(std::true_type{}, 4);
            if (left != 0) pack(std::false_type{}, left);
        }
    }
}

// `lines` lines of a group of a panel times those of a tile: totals[r] += scale * sum_k tile[k][r] * code[k].
template <class Step, std::size_t R>
void float8_tile(dtype scale_type, std::byte const* header, std::byte const* w, std::size_t lines, float const* x,
                 float (*totals)[panel_layout::panel_rows]) noexcept {
    constexpr std::size_t stride = stride_of_tile(R), sums = R * tile_parts <= 4 ? 2 : 1;  // for the latency of a sum
    for (std::size_t h = 0; h != line_parts; h += tile_parts) {
        std::byte const* line = w + h * sizeof(vf);
        float const* a = x;
        vf scale[tile_parts], sum[R][tile_parts][sums];
#pragma GCC unroll 2
        for (std::size_t v = 0; v != tile_parts; ++v) scale[v] = load_scales(scale_type, header, h + v);
#pragma GCC unroll 24
        for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 2
            for (std::size_t v = 0; v != tile_parts; ++v)
#pragma GCC unroll 2
                for (std::size_t i = 0; i != sums; ++i) sum[r][v][i] = vf{};
        for (std::size_t left = lines; left != 0; --left, line += Step::line_bytes, a += Step::words * stride) {
            typename Step::line codes[tile_parts];
#pragma GCC unroll 2
            for (std::size_t v = 0; v != tile_parts; ++v) codes[v].read(line + v * sizeof(vf));
            auto const multiply = [&]<std::size_t T>() __attribute__((always_inline)) {
                vf code[tile_parts];
#pragma GCC unroll 2
                for (std::size_t v = 0; v != tile_parts; ++v) code[v] = codes[v].template word<T>();
#pragma GCC unroll 24
                for (std::size_t r = 0; r != R; ++r)
                    if constexpr (tile_parts == 1) {
                        vf& s = sum[r][0][T % sums];
                        s = Step::add_product(a + T * stride + r, code[0], s);
                    } else {
                        vf const both = broadcast(a[T * stride + r]);
#pragma GCC unroll 2
                        for (std::size_t v = 0; v != tile_parts; ++v)
                            sum[r][v][T % sums] = multiply_add(both, code[v], sum[r][v][T % sums]);
                    }
            };
            multiply.template operator()<0>();
            if constexpr (Step::words == 4) multiply.template operator()<2>();
            multiply.template operator()<1>();
            if constexpr (Step::words == 4) multiply.template operator()<3>();
        }
#pragma GCC unroll 24
        for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 2
            for (std::size_t v = 0; v != tile_parts; ++v) {
                float* const total = totals[r] + (h + v) * lanes;
                if constexpr (sums == 2) sum[r][v][0] += sum[r][v][1];
                vf const t = load_f32(total) + sum[r][v][0] * scale[v];
                __builtin_memcpy(total, &t, sizeof t);
            }
    }
}

using tile_function = void (*)(dtype, std::byte const*, std::byte const*, std::size_t, float const*,
                               float (*)[panel_layout::panel_rows]) noexcept;

// y(m0 + r, n ..) = the finished totals[r] * factors[r].
template <class T>
void finish_tile(panel_operands<T> const& o, float (*totals)[panel_layout::panel_rows], float const* factors,
                 std::size_t m0, std::size_t valid, std::size_t n) noexcept {
    for (std::size_t r = 0; r != valid; ++r)
#pragma GCC unroll 2
        for (std::size_t h = 0; h != line_parts; ++h) {
            vf const v = load_f32(totals[r] + h * lanes) * factors[r];
            __builtin_memcpy(totals[r] + h * lanes, &v, sizeof v);
        }
    std::size_t const left = o.y.cols - n;
    finish_outputs(o.options, o.y, totals, valid, m0, n,
                   left < panel_layout::panel_rows ? left : panel_layout::panel_rows);
}

template <class Step>
tile_function kernel_of(std::size_t rows) noexcept {
    if constexpr (Step::least_rows <= 2) {
        if (rows == 1) return float8_tile<Step, 1>;
        if (rows == 2) return float8_tile<Step, 2>;
    }
    if constexpr (Step::least_rows <= 4)
        if (rows == 4) return float8_tile<Step, 4>;
    if constexpr (most_rows == 6) {
        return float8_tile<Step, 6>;
    } else if constexpr (most_rows == 12) {
        return rows == 8 ? float8_tile<Step, 8> : float8_tile<Step, 12>;
    } else {
        switch (rows) {
            case 8:
                return float8_tile<Step, 8>;
            case 12:
                return float8_tile<Step, 12>;
            case 16:
                return float8_tile<Step, 16>;
            case 20:
                return float8_tile<Step, 20>;
            default:
                return float8_tile<Step, 24>;
        }
    }
}
