// The float kernels, included by simd.hpp after simd.inl, once per instruction set. W is the storage type of w: float,
// float16 or bfloat16, widened in registers, or where a strip is copied.
//
// Few rows of x:   rows_dot      y[m][n] = sum_k x[m][k] * w[n][k], lanes along k; reads w once
// Many:            an outer product of two packed operands, lanes along m, no sum over lanes:
//     panels of x  [K / K'][M / 32][K'][32]    x transposed (a last panel of 16 where that is enough), packed once
//     strip of w   [K' / 16][24][16]           24 rows of w, copied by who multiplies them; stays in L2
//     outer        registers[r][m] += strip[k][r] * panel[k][m]    12 x 32 of y at a time, over K' of K
// (32 and 16 stand for two vectors and one, 12 for half a strip; K is padded to 16 with zeros. K' is K where that is
// little, or L2 large; sums wait in memory for the next K', so that their order is that of k.)

inline constexpr std::size_t strip_rows = 24, strip_line = 16;  // strip_line: floats of a row that lie together
inline constexpr std::size_t panel_cols = 2 * lanes;            // rows of x in a panel
// Of a strip, times two vectors: they fill the registers.
inline constexpr std::size_t tile_rows = lanes == 16 || QUANTO_TARGETS_NEON ? 12 : 6;
inline constexpr std::size_t panel_ahead = 256;  // floats that are prefetched
// K' at most, so that its part of a panel stays in L1, and strips that share it. With AVX-512, L2 holds a whole strip.
inline constexpr std::size_t longest_block = lanes == 16 ? ~std::size_t{0} : 384, most_strips = lanes == 16 ? 1 : 4;
inline constexpr std::size_t tile_floats = ceil_div(strip_rows, lanes) * lanes * panel_cols;

template <class T>
QUANTO_INLINE T load_as(void const* p) noexcept {
    T v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

QUANTO_INLINE void prefetch(void const* p) noexcept { __builtin_prefetch(p); }

// ---- few rows of x --------------------------------------------------------------------------------------------------

// Vector I of two that lie together, and of x, both in the order that is cheap for W.
template <std::size_t I, class W>
QUANTO_INLINE vf weights_of_pair(W const* p) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    if constexpr (std::is_same_v<W, bfloat16>) {
        __m512i const v = _mm512_loadu_si512(p), zero = _mm512_setzero_si512();
        return (vf)(I == 0 ? _mm512_unpacklo_epi16(zero, v) : _mm512_unpackhi_epi16(zero, v));
    }
#elif QUANTO_KERNEL_BYTES == 32
    if constexpr (std::is_same_v<W, bfloat16>) {
        __m256i const v = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)), zero = _mm256_setzero_si256();
        return (vf)(I == 0 ? _mm256_unpacklo_epi16(zero, v) : _mm256_unpackhi_epi16(zero, v));
    }
#endif
    return load_weights(p + I * lanes);
}
template <class W, std::size_t I>
QUANTO_INLINE vf x_of_pair(float const* p) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    if constexpr (std::is_same_v<W, bfloat16>)
        return (vf)_mm512_maskz_shuffle_f32x4(0xffff, _mm512_loadu_ps(p), _mm512_loadu_ps(p + lanes),
                                              I == 0 ? 0x88 : 0xdd);
#elif QUANTO_KERNEL_BYTES == 32
    if constexpr (std::is_same_v<W, bfloat16>)
        return (vf)_mm256_permute2f128_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(p + lanes), I == 0 ? 0x20 : 0x31);
#endif
    return load_f32(p + I * lanes);
}

// The sums of the lanes of four vectors, each in the order of sum_lanes.
QUANTO_INLINE void store_sums(vf const (&v)[4], float* y) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    __m512 const s[4] = {(__m512)v[0], (__m512)v[1], (__m512)v[2], (__m512)v[3]};
    __m512 const a = _mm512_add_ps(_mm512_shuffle_f32x4(s[0], s[1], 0x44), _mm512_shuffle_f32x4(s[0], s[1], 0xee)),
                 b = _mm512_add_ps(_mm512_shuffle_f32x4(s[2], s[3], 0x44), _mm512_shuffle_f32x4(s[2], s[3], 0xee)),
                 q = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd)),
                 pair = _mm512_add_ps(q, _mm512_permute_ps(q, 0xee));
    vf const sums = (vf)_mm512_add_ps(pair, _mm512_permute_ps(pair, 0x55));
    float const four[4] = {sums[0], sums[4], sums[8], sums[12]};
    __builtin_memcpy(y, four, sizeof four);
#else
    for (std::size_t r = 0; r != 4; ++r) y[r] = sum_lanes(v[r]);
#endif
}

// y[m][r] of M rows of x and R of w, in a function of its own: its registers hold sums and addresses, nothing else.
// Vector i of a row goes to sum i % U, the rest to sum 0: the order of additions is that of U, not of R.
template <std::size_t R, std::size_t M, std::size_t U, class W>
__attribute__((noinline)) void dot_tile(float const* x, std::size_t x_stride, W const* w, std::size_t w_stride,
                                        std::size_t k, float* y, std::size_t y_stride) noexcept {
    using paired = std::conditional_t<M == 1, W, float>;  // of more rows, the pairs would not fit the registers
    constexpr std::size_t step = (U < 2 ? 2 : U) * lanes;
    W const* rows[R];
    float const* xs[M];
    vf sum[R][M][U];
#pragma GCC unroll 8
    for (std::size_t r = 0; r != R; ++r) {
        rows[r] = w + r * w_stride;
#pragma GCC unroll 8
        for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 8
            for (std::size_t u = 0; u != U; ++u) sum[r][m][u] = vf{};
    }
#pragma GCC unroll 8
    for (std::size_t m = 0; m != M; ++m) xs[m] = x + m * x_stride;
    auto const add = [&](std::size_t u, auto const& x_at, auto const& w_at) __attribute__((always_inline)) {
        vf v[M];
#pragma GCC unroll 8
        for (std::size_t m = 0; m != M; ++m) v[m] = x_at(xs[m]);
#pragma GCC unroll 8
        for (std::size_t r = 0; r != R; ++r) {
            vf const weight = w_at(rows[r]);
#pragma GCC unroll 8
            for (std::size_t m = 0; m != M; ++m) sum[r][m][u] = multiply_add(v[m], weight, sum[r][m][u]);
        }
    };
    auto const add_vector = [&](auto of_pair, std::size_t at, std::size_t u) __attribute__((always_inline)) {
        constexpr std::size_t i = decltype(of_pair)::value;
        add(
            u, [=](float const* p) __attribute__((always_inline)) { return x_of_pair<paired, i>(p + at); },
            [=](W const* p) __attribute__((always_inline)) {
                return M == 1 ? weights_of_pair<i>(p + at) : load_weights(p + at + i * lanes);
            });
    };
    std::size_t t = 0;
    for (; k - t >= step; t += step) {
        if constexpr (R * M == 1) {
#pragma GCC unroll 8
            for (std::size_t u = 0; u != U; ++u) {
                std::size_t const at = t + u * lanes;
                add(
                    u, [=](float const* p) __attribute__((always_inline)) { return load_f32(p + at); },
                    [=](W const* p) __attribute__((always_inline)) { return load_weights(p + at); });
            }
        } else {
#pragma GCC unroll 8
            for (std::size_t i = 0; i != step; i += 2 * lanes) {
                add_vector(std::integral_constant<std::size_t, 0>{}, t + i, i / lanes % U);
                add_vector(std::integral_constant<std::size_t, 1>{}, t + i, (i / lanes + 1) % U);
            }
        }
    }
    auto const add_one = [&](auto... n) __attribute__((always_inline)) {
        add(
            0, [&](float const* p) __attribute__((always_inline)) { return load_weights(p + t, n...); },
            [&](W const* p) __attribute__((always_inline)) { return load_weights(p + t, n...); });
    };
    for (; k - t >= lanes; t += lanes) add_one();
    if (t != k) add_one(k - t);
#pragma GCC unroll 8
    for (std::size_t m = 0; m != M; ++m) {
        vf total[R];
#pragma GCC unroll 8
        for (std::size_t r = 0; r != R; ++r) {
            total[r] = sum[r][m][0];
#pragma GCC unroll 8
            for (std::size_t u = 1; u != U; ++u) total[r] += sum[r][m][u];
        }
        if constexpr (R == 4 && M == 1)
            store_sums(total, y + m * y_stride);
        else
#pragma GCC unroll 8
            for (std::size_t r = 0; r != R; ++r) y[m * y_stride + r] = sum_lanes(total[r]);
    }
}

// Up to four rows of x at a time. From a cache, several rows of w share what x loads. From memory, they are read one
// after the other, plainly, with AVX-512 in steps of 48 floats: whatever else was measured on Zen 4 (two rows, parts of
// rows, steps of 64 floats, fetching x or w ahead) keeps it from prefetching well. Processors of AVX2 alone prefetch
// several streams at once, if each goes on in order: one row of x meets a row from each quarter of w; up to three rows
// that are left over are summed in another order. (Rows beside each other are such streams only where they are long:
// with 1152 bytes, Zen 3 takes twice the time.)
template <std::size_t M, std::size_t U, class W>
inline void dot_rows(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y, row_range rows,
                     std::size_t m) noexcept {
    std::size_t n = rows.begin;
    auto const tiles = [&](std::size_t r, auto const& tile) {
        for (; rows.end - n >= r; n += r) tile(x.row(m), x.stride, w.row(n), w.stride, x.cols, y.row(m) + n, y.stride);
    };
    if constexpr (M == 1 && lanes == 8) {
        constexpr std::size_t streams = 4;
        std::size_t const apart = (rows.end - n) / streams;
        for (std::size_t const end = n + apart; n != end; ++n) {
            float sums[streams];
            dot_tile<streams, 1, 1, W>(x.row(m), 0, w.row(n), apart * w.stride, x.cols, sums, 0);
            for (std::size_t i = 0; i != streams; ++i) y(m, n + i * apart) = sums[i];
        }
        n += (streams - 1) * apart;
    } else {
        constexpr std::size_t together = lanes == 16 ? 4 : 2,  // their sums fill the registers
            in_turn = M != 1        ? U
                      : lanes == 16 ? 3
                                    : 6;
        bool const from_memory = M <= 2 && w.rows * w.cols * sizeof(W) > (std::size_t{1} << 20);
        if (from_memory) return tiles(1, dot_tile<1, M, in_turn, W>);
        tiles(together, dot_tile<together, M, U, W>);
    }
    tiles(1, dot_tile<1, M, U, W>);
}

template <class W>
void rows_dot(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y, row_range rows) noexcept {
    std::size_t m = 0;
    for (; x.rows - m >= 4; m += 4) dot_rows<4, 1>(x, w, y, rows, m);
    if (x.rows - m == 3) dot_rows<3, 1>(x, w, y, rows, m);
    if (x.rows - m == 2) dot_rows<2, 2>(x, w, y, rows, m);
    if (x.rows - m == 1) dot_rows<1, 4>(x, w, y, rows, m);
}

// ---- many rows of x -------------------------------------------------------------------------------------------------

// sum[r][v] += sum_k q[k][r] * p[k][v]. p: [lines * 16][V vectors], q: [lines][strip_rows][16], lines > 0.
template <std::size_t R, std::size_t V>
QUANTO_INLINE void outer(float const* p, float const* q, std::size_t lines, vf (&sum)[R][V]) noexcept {
    do {
#pragma GCC unroll 1  // all four of them are copied about by g++ at -O3
        for (std::size_t quarter = 0; quarter != 4; ++quarter, q += strip_line / 4, p += strip_line / 4 * V * lanes)
#pragma GCC unroll 4
            for (std::size_t k = 0; k != 4; ++k) {
                vf a[V];
#pragma GCC unroll 2
                for (std::size_t v = 0; v != V; ++v) {
                    a[v] = load_f32(p + (k * V + v) * lanes);
                    if ((k * V + v) * lanes % strip_line == 0) prefetch(p + (k * V + v) * lanes + panel_ahead);
                }
#pragma GCC unroll 32
                for (std::size_t r = 0; r != R; ++r) {
                    if constexpr (V == 1) {
                        sum[r][0] = multiply_add(q + r * strip_line + k, a[0], sum[r][0]);
                    } else {
                        vf const b = broadcast(q[r * strip_line + k]);
#pragma GCC unroll 2
                        for (std::size_t v = 0; v != V; ++v) sum[r][v] = multiply_add(b, a[v], sum[r][v]);
                    }
                }
            }
        q += (strip_rows - 1) * strip_line;
    } while (--lines != 0);
}

#if QUANTO_KERNEL_BYTES != 32
// Of the pairs (a[i], b[i]): the first half of them in a, the second in b.
QUANTO_INLINE void interleave(vf& a, vf& b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    constexpr vi low{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
#else
    constexpr vi low{0, 4, 1, 5};
#endif
    vf const first = a, second = b;
#if defined(__clang__)
#if QUANTO_KERNEL_BYTES == 64
    a = __builtin_shufflevector(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    b = __builtin_shufflevector(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
    a = __builtin_shufflevector(first, second, 0, 4, 1, 5);
    b = __builtin_shufflevector(first, second, 2, 6, 3, 7);
#endif
    static_cast<void>(low);
#else
    a = __builtin_shuffle(first, second, low);
    b = __builtin_shuffle(first, second, low + static_cast<std::int32_t>(lanes / 2));
#endif
}

#endif

// v[i][j] and v[j][i] change places: a perfect shuffle of all elements, as often as their index has bits. AVX2 shuffles
// halves of vectors: it transposes in them, 4 x 4, and exchanges them.
QUANTO_INLINE void transpose(vf (&v)[lanes]) noexcept {
#if QUANTO_KERNEL_BYTES == 32
    __m256 half[8];
#pragma GCC unroll 2
    for (std::size_t i = 0; i != 8; i += 4) {
        __m256 const a = _mm256_unpacklo_ps((__m256)v[i], (__m256)v[i + 1]),
                     b = _mm256_unpackhi_ps((__m256)v[i], (__m256)v[i + 1]),
                     c = _mm256_unpacklo_ps((__m256)v[i + 2], (__m256)v[i + 3]),
                     d = _mm256_unpackhi_ps((__m256)v[i + 2], (__m256)v[i + 3]);
        half[i] = _mm256_shuffle_ps(a, c, 0x44);
        half[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        half[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        half[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
#pragma GCC unroll 4
    for (std::size_t i = 0; i != 4; ++i) {
        v[i] = (vf)_mm256_permute2f128_ps(half[i], half[i + 4], 0x20);
        v[i + 4] = (vf)_mm256_permute2f128_ps(half[i], half[i + 4], 0x31);
    }
#else
#pragma GCC unroll 4
    for (std::size_t bit = 1; bit != lanes; bit *= 2) {
        vf next[lanes];
#pragma GCC unroll 8
        for (std::size_t i = 0; i != lanes / 2; ++i) {
            next[2 * i] = v[i];
            next[2 * i + 1] = v[i + lanes / 2];
            interleave(next[2 * i], next[2 * i + 1]);
        }
#pragma GCC unroll 16
        for (std::size_t i = 0; i != lanes; ++i) v[i] = next[i];
    }
#endif
}

// Rows of x in panel i, as stored: one vector where the rest of x fits, else two.
inline std::size_t panel_width(std::size_t rows, std::size_t i) noexcept {
    return rows - i * panel_cols > lanes ? panel_cols : lanes;
}

// out[k][width]: rows r0 .. r0 + width of w (of x: W is float) as columns, k < padded. What is beyond its end is zero.
template <class W>
inline void pack_transposed(matrix_view<W const> w, std::size_t r0, std::size_t width, std::size_t padded,
                            float* out) noexcept {
    auto const square = [&](std::size_t part, std::size_t k, auto const& row) __attribute__((always_inline)) {
        vf v[lanes];
#pragma GCC unroll 16
        for (std::size_t r = 0; r != lanes; ++r) v[r] = row(r0 + part + r);
        transpose(v);
#pragma GCC unroll 16
        for (std::size_t j = 0; j != lanes; ++j) store_f32(v[j], out + (k + j) * width + part);
    };
    for (std::size_t part = 0; part != width; part += lanes)
        for (std::size_t k = 0; k < padded; k += lanes)
            if (w.rows >= r0 + part + lanes && w.cols >= k + lanes)
                square(
                    part, k, [&](std::size_t r) __attribute__((always_inline)) { return load_weights(w.row(r) + k); });
            else
                square(
                    part, k, [&](std::size_t r) __attribute__((always_inline)) {
                        return r >= w.rows || k >= w.cols ? vf{}
                               : w.cols - k >= lanes      ? load_weights(w.row(r) + k)
                                                          : load_weights(w.row(r) + k, w.cols - k);
                    });
}

// Where panel i of the panels of `rows` rows begins, of which columns k .. k + count are a block.
inline std::size_t panel_begin(std::size_t rows, std::size_t i, std::size_t k, std::size_t count) noexcept {
    return (k * ceil_div(rows, panel_cols) + i * count) * panel_cols;
}

// Panel i of x, in all blocks.
inline void pack_panel(matrix_view<float const> x, std::size_t i, dense_blocks const& blocks, float* out) noexcept {
    for (std::size_t k = 0, count; k != blocks.padded; k += count) {
        count = blocks.from(k);
        pack_transposed(matrix_view<float const>(x.data + k, x.rows, x.cols - k, x.stride), i * panel_cols,
                        panel_width(x.rows, i), count, out + panel_begin(x.rows, i, k, count));
    }
}

// Columns [k0, k0 + 16 * lines) of rows n0 .. of w; what is beyond its end is zero.
template <class W>
inline void pack_strip(matrix_view<W const> w, std::size_t n0, std::size_t k0, std::size_t lines, float* out) noexcept {
    for (std::size_t r = 0; r != strip_rows; ++r)
        for (std::size_t k = k0, i = 0; i != lines; ++i)
            for (std::size_t part = 0; part != strip_line; part += lanes, k += lanes) {
                vf const v = n0 + r >= w.rows || k >= w.cols ? vf{}
                             : w.cols - k >= lanes           ? load_weights(w.row(n0 + r) + k)
                                                             : load_weights(w.row(n0 + r) + k, w.cols - k);
                __builtin_memcpy(out + (i * strip_rows + r) * strip_line + part, &v, sizeof v);
            }
}

alignas(64) inline constexpr float zeros[tile_floats] = {};

// Rows r0 .. r0 + R of a tile of y, transposed: V vectors along m. They are added to what is there, or replace it.
template <std::size_t R, std::size_t V>
inline void rows_of_tile(float const* panel, float const* strip, std::size_t lines, std::size_t r0, float* tile,
                         bool adds) noexcept {
    vf sum[R][V];
    tile += r0 * V * lanes;
    float const* from = adds ? tile : zeros;
    asm("" : "+r"(from));  // g++ would have two sets of registers, and copies
#pragma GCC unroll 32
    for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 2
        for (std::size_t v = 0; v != V; ++v) sum[r][v] = load_f32(from + (r * V + v) * lanes);
    outer<R, V>(panel, strip + r0 * strip_line, lines, sum);
#pragma GCC unroll 32
    for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 2
        for (std::size_t v = 0; v != V; ++v) store_f32(sum[r][v], tile + (r * V + v) * lanes);
}

// tile[rows][width] (+)= the first rows of a strip * a panel of that width, one vector or two. A few rows more are
// written.
inline void multiply_tile(float const* panel, std::size_t width, float const* strip, std::size_t lines,
                          std::size_t rows, float* tile, bool adds) noexcept {
    if (width != panel_cols) {
        for (std::size_t r = 0; r < rows; r += 2 * tile_rows)
            rows_of_tile<2 * tile_rows, 1>(panel, strip, lines, r, tile, adds);
        return;
    }
    for (std::size_t r = 0; r < rows; r += tile_rows)
        if (rows - r <= tile_rows / 3)
            rows_of_tile<tile_rows / 3, 2>(panel, strip, lines, r, tile, adds);
        else if (rows - r <= 2 * tile_rows / 3)
            rows_of_tile<2 * tile_rows / 3, 2>(panel, strip, lines, r, tile, adds);
        else
            rows_of_tile<tile_rows, 2>(panel, strip, lines, r, tile, adds);
}

// y(m0 + m, n0 + n) = tile[n][m], n < columns, m < width, as far as y goes.
inline void store_tile(float const* tile, std::size_t width, std::size_t columns, matrix_view<float> y, std::size_t m0,
                       std::size_t n0) noexcept {
    for (std::size_t part = 0; part != width; part += lanes, m0 += lanes)
        for (std::size_t n = 0; n < columns; n += lanes) {
            vf v[lanes];
#pragma GCC unroll 16
            for (std::size_t j = 0; j != lanes; ++j) v[j] = load_f32(tile + (n + j) * width + part);
            transpose(v);
            if (columns - n >= lanes && y.rows >= m0 + lanes)
#pragma GCC unroll 16
                for (std::size_t m = 0; m != lanes; ++m) store_f32(v[m], y.row(m0 + m) + n0 + n);
            else
                for (std::size_t m = 0; m != lanes && m0 + m < y.rows; ++m)
                    __builtin_memcpy(y.row(m0 + m) + n0 + n, &v[m],
                                     (columns - n < lanes ? columns - n : lanes) * sizeof(float));
        }
}

// y[:, begin .. end) from the panels of x and those rows of w.
template <class W>
void multiply_strips(float const* panels, matrix_view<W const> w, row_range rows, dense_blocks const& blocks,
                     matrix_view<float> y, float* workspace) noexcept {
    std::size_t const strip_floats = strip_rows * blocks.k, panel_count = ceil_div(y.rows, panel_cols);
    float* const tiles = workspace + blocks.strips * strip_floats;
    for (std::size_t n0 = rows.begin, n1; n0 < rows.end; n0 = n1) {
        n1 = rows.end - n0 < blocks.strips * strip_rows ? rows.end : n0 + blocks.strips * strip_rows;
        for (std::size_t k = 0, count; k != blocks.padded; k += count) {
            count = blocks.from(k);
            bool const is_last = k + count == blocks.padded;
            std::size_t const lines = count / strip_line;
            for (std::size_t n = n0, s = 0; n < n1; n += strip_rows, ++s)
                pack_strip(w, n, k, lines, workspace + s * strip_floats);
            for (std::size_t i = 0; i != panel_count; ++i) {
                std::size_t const width = panel_width(y.rows, i);
                float const* const panel = panels + panel_begin(y.rows, i, k, count);
                float* tile = tiles + (blocks.is_one() ? 0 : i * blocks.strips * tile_floats);
                for (std::size_t n = n0, s = 0; n < n1; n += strip_rows, ++s, tile += tile_floats) {
                    std::size_t const columns = n1 - n < strip_rows ? n1 - n : strip_rows;
                    multiply_tile(panel, width, workspace + s * strip_floats, lines, columns, tile, k != 0);
                    if (is_last) store_tile(tile, width, columns, y, i * panel_cols, n);
                }
            }
        }
    }
}
