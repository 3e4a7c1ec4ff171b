// y = x * w with w (K, N), included by simd.hpp after dense.inl, once per instruction set: lanes along n, nothing is
// packed or transposed. Each y[m][n] is summed with k ascending, whatever the tile.
//     sum[m][v] += x[m][k] * w[k][n0 + v * lanes ..)        V vectors of columns, M rows

inline constexpr std::size_t column_tile_rows = lanes == 16 ? 6 : 2, column_tile_vectors = 4,
                             column_tile_width = column_tile_vectors * lanes;

// `last`: columns of the last vector. `adds`: to what y is.
template <std::size_t M, std::size_t V, class W>
inline void column_tile(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y, std::size_t m0,
                        std::size_t n0, std::size_t last, bool adds) noexcept {
    vf sum[M][V];
    float const* xs[M];
#pragma GCC unroll 8
    for (std::size_t m = 0; m != M; ++m) {
        xs[m] = x.row(m0 + m);
#pragma GCC unroll 4
        for (std::size_t v = 0; v != V; ++v) {
            float const* const to = y.row(m0 + m) + n0 + v * lanes;
            sum[m][v] = !adds ? vf{} : V == 1 && last != lanes ? load_weights(to, last) : load_f32(to);
        }
    }
    W const* row = w.data + n0;
    for (std::size_t k = 0; k != x.cols; ++k, row += w.stride) {
        vf part[V];
#pragma GCC unroll 4
        for (std::size_t v = 0; v != V; ++v)
            part[v] = V == 1 && last != lanes ? load_weights(row, last) : load_weights(row + v * lanes);
#pragma GCC unroll 8
        for (std::size_t m = 0; m != M; ++m) {
            vf const a = broadcast(xs[m][k]);
#pragma GCC unroll 4
            for (std::size_t v = 0; v != V; ++v) sum[m][v] = multiply_add(a, part[v], sum[m][v]);
        }
    }
#pragma GCC unroll 8
    for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 4
        for (std::size_t v = 0; v != V; ++v)
            __builtin_memcpy(y.row(m0 + m) + n0 + v * lanes, &sum[m][v], (V == 1 ? last : lanes) * sizeof(float));
}

template <std::size_t M, class W>
inline void column_tiles(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y, std::size_t m,
                         bool adds) noexcept {
    std::size_t n = 0;
    for (; y.cols - n >= column_tile_width; n += column_tile_width)
        column_tile<M, column_tile_vectors>(x, w, y, m, n, lanes, adds);
    for (; n < y.cols; n += lanes) column_tile<M, 1>(x, w, y, m, n, y.cols - n < lanes ? y.cols - n : lanes, adds);
}

// Rows [begin, end) of y, in place of what they are or added to it.
template <class W>
void matmul_by_columns(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y, row_range rows,
                       bool adds) noexcept {
    std::size_t m = rows.begin;
    for (; rows.end - m >= column_tile_rows; m += column_tile_rows) column_tiles<column_tile_rows>(x, w, y, m, adds);
    for (; rows.end - m >= 2; m += 2) column_tiles<2>(x, w, y, m, adds);
    if (m != rows.end) column_tiles<1>(x, w, y, m, adds);
}

// y = x * w^T with w (N, K): its rows become columns, as many at a time as the first cache holds. Workspace: those.
template <class W>
void matmul_by_packed_columns(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y,
                              float* columns) noexcept {
    for (std::size_t n = 0; n < y.cols; n += column_tile_width) {
        std::size_t const count = y.cols - n < column_tile_width ? y.cols - n : column_tile_width;
        pack_transposed(w, n, column_tile_width, ceil_div(x.cols, lanes) * lanes, columns);
        matmul_by_columns(x, matrix_view<float const>(columns, x.cols, count, column_tile_width),
                          matrix_view<float>(y.data + n, y.rows, count, y.stride), row_range{0, y.rows}, false);
    }
}
