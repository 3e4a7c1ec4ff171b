// y = x * w of int8 codes with w (N, K) or (K, N), included by simd.hpp after by_columns.inl, once per instruction set:
// lanes along n, and words of some codes that follow each other along k. In blocks of K,
//     w    [words][width]   of 4 codes + 128, unsigned (vpdpbusd), or of 2 codes of 16 bits (vpmaddwd); packed
//     x    [words]          the same of a row, signed, broadcast
//     sum[m][n] += the products of their codes, from -128 * sum_k x[m][k] on, or from 0
// Between blocks the sums wait in y, as integers.

inline constexpr std::size_t code_word = QUANTO_KERNEL_VNNI ? 4 : 2, code_block = 256;
inline constexpr std::size_t code_tile_rows = lanes == 16 ? 6 : 2, code_tile_vectors = 4,
                             code_width = code_tile_vectors * lanes;

// The words of x and w for a block; x of a tile of rows.
struct code_words {
    alignas(64) std::int32_t w[code_block / code_word][code_width];
    alignas(64) std::int32_t x[code_tile_rows][code_block / code_word];
    std::int32_t start[code_tile_rows];
    std::size_t count;
};

template <class V>
QUANTO_INLINE V load_vector(void const* p, std::size_t bytes = sizeof(V)) noexcept {
    V v{};
    __builtin_memcpy(&v, p, bytes < sizeof v ? bytes : sizeof v);
    return v;
}

// Quads, of four codes each, as words; the second half of them a row further on.
template <class V>
QUANTO_INLINE void store_words_of(V quads, std::int32_t* out) noexcept {
#if QUANTO_KERNEL_VNNI
    quads ^= static_cast<std::int32_t>(0x8080'8080u);
    __builtin_memcpy(out, &quads, sizeof quads);
#else
    V const low = ((quads << 24) >> 24 & 0xffff) | (quads << 16) >> 24 << 16,
            high = ((quads << 8) >> 24 & 0xffff) | quads >> 24 << 16;
    __builtin_memcpy(out, &low, sizeof low);
    __builtin_memcpy(out + code_width, &high, sizeof high);
#endif
}

// Rows n0 .. of w (N, K) from k0 on: `lanes` quads of `lanes` rows are transposed as 32-bit words.
inline void pack_rows_of_codes(matrix_view<std::int8_t const> w, std::size_t n0, std::size_t k0, std::size_t size,
                               code_words& to) noexcept {
    for (std::size_t part = 0; part != code_width && n0 + part < w.rows; part += lanes)
        for (std::size_t k = 0; k < size; k += 4 * lanes) {
            vf v[lanes];
            for (std::size_t r = 0; r != lanes; ++r) {
                std::size_t const n = n0 + part + r;
                v[r] = n >= w.rows             ? vf{}
                       : size - k >= 4 * lanes ? load_f32(w.row(n) + k0 + k)
                                               : load_vector<vf>(w.row(n) + k0 + k, size - k);
            }
            transpose(v);
            for (std::size_t j = 0; j != lanes && k + 4 * j < size; ++j)
                store_words_of(bits(v[j]), &to.w[(k / 4 + j) * (4 / code_word)][part]);
        }
}

// Columns n0 .. of w (K, N) from row k0 on.
inline void pack_columns_of_codes(matrix_view<std::int8_t const> w, std::size_t n0, std::size_t k0, std::size_t size,
                                  code_words& to) noexcept {
    typedef std::int32_t quads __attribute__((vector_size(16)));
    for (std::size_t k = 0; k < size; k += 4)
        for (std::size_t part = 0; part != code_width && n0 + part < w.cols; part += 16) {
            std::size_t const left = w.cols - n0 - part;
            quads row[4], q[4];
            for (std::size_t i = 0; i != 4; ++i)
                row[i] = k + i >= size ? quads{} : load_vector<quads>(w.row(k0 + k + i) + n0 + part, left);
#if QUANTO_TARGETS_X86
            __m128i const low[2] = {_mm_unpacklo_epi8((__m128i)row[0], (__m128i)row[1]),
                                    _mm_unpacklo_epi8((__m128i)row[2], (__m128i)row[3])},
                          high[2] = {_mm_unpackhi_epi8((__m128i)row[0], (__m128i)row[1]),
                                     _mm_unpackhi_epi8((__m128i)row[2], (__m128i)row[3])};
            q[0] = (quads)_mm_unpacklo_epi16(low[0], low[1]);
            q[1] = (quads)_mm_unpackhi_epi16(low[0], low[1]);
            q[2] = (quads)_mm_unpacklo_epi16(high[0], high[1]);
            q[3] = (quads)_mm_unpackhi_epi16(high[0], high[1]);
#else
            auto const* const from = reinterpret_cast<char const*>(row);
            auto* const into = reinterpret_cast<char*>(q);
            for (std::size_t i = 0; i != 64; ++i) into[i] = from[i % 4 * 16 + i / 4];
#endif
            for (std::size_t i = 0; i != 4; ++i) store_words_of(q[i], &to.w[k / 4 * (4 / code_word)][part + 4 * i]);
        }
}

// Row m of a tile.
inline void pack_codes(std::int8_t const* x, std::size_t size, std::size_t m, code_words& to) noexcept {
    to.start[m] = 0;
#if QUANTO_KERNEL_VNNI
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t k = 0; k < size; k += 64) {
        vi const codes = load_vector<vi>(x + k, size - k);
        __builtin_memcpy(&to.x[m][k / 4], &codes, sizeof codes);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), (__m512i)codes);
    }
    to.start[m] = -128 * _mm512_reduce_add_epi32(sum);
#else
    auto* const words = reinterpret_cast<std::byte*>(to.x[m]);
    std::size_t k = 0;
#if QUANTO_TARGETS_X86
    for (; size - k >= 8; k += 8) {
        __m128i const codes = _mm_loadl_epi64(reinterpret_cast<__m128i const*>(x + k));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 2 * k),
                         _mm_srai_epi16(_mm_unpacklo_epi8(_mm_setzero_si128(), codes), 8));
    }
#endif
    for (; k != ceil_div(size, std::size_t{4}) * 4; ++k) {
        std::int16_t const code = k < size ? x[k] : std::int8_t{0};
        __builtin_memcpy(words + 2 * k, &code, sizeof code);
    }
#endif
}

// sum + the products of the codes of w with those at x.
QUANTO_INLINE vi add_products(vi sum, vi w, std::int32_t const* x) noexcept {
#if QUANTO_KERNEL_VNNI && defined(__clang__)
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(*x));
#elif QUANTO_KERNEL_VNNI
    asm("{vpdpbusd %2%{1to16%}, %1, %0|vpdpbusd %0, %1, %2%{1to16%}}" : "+v"(sum) : "v"(w), "m"(*x));
    return sum;
#elif QUANTO_KERNEL_BYTES == 32
    return sum + (vi)_mm256_madd_epi16((__m256i)w, _mm256_set1_epi32(*x));
#elif QUANTO_TARGETS_X86
    return sum + (vi)_mm_madd_epi16((__m128i)w, _mm_set1_epi32(*x));
#else
    return sum + (w << 16 >> 16) * (*x << 16 >> 16) + (w >> 16) * (*x >> 16);
#endif
}

// V vectors of columns, M rows of a block. `last`: columns of the last vector.
template <std::size_t M, std::size_t V>
__attribute__((noinline)) inline void code_tile(int8_product const& p, code_words const& words, std::size_t part,
                                                std::size_t m0, std::size_t n0, std::size_t last, bool first_block,
                                                bool last_block) noexcept {
    vi sum[M][V];
#pragma GCC unroll 8
    for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 4
        for (std::size_t v = 0; v != V; ++v) {
            sum[m][v] = vi{} + words.start[m];
            if (!first_block)
                sum[m][v] += load_vector<vi>(p.y.row(m0 + m) + n0 + v * lanes, (v + 1 == V ? last : lanes) * 4);
        }
    std::size_t const count = words.count;
    for (std::size_t k = 0; k != count; ++k)
#pragma GCC unroll 4
        for (std::size_t v = 0; v != V; ++v) {
            vi const w = bits(load_f32(&words.w[k][part + v * lanes]));
#pragma GCC unroll 8
            for (std::size_t m = 0; m != M; ++m) sum[m][v] = add_products(sum[m][v], w, &words.x[m][k]);
        }
#pragma GCC unroll 4
    for (std::size_t v = 0; v != V; ++v) {
        std::size_t const n = n0 + v * lanes, bytes = (v + 1 == V ? last : lanes) * 4;
        vf scale = vf{} + p.scale;
        if (last_block && p.w_scales != nullptr) scale = scale * load_vector<vf>(p.w_scales + n, bytes);
#pragma GCC unroll 8
        for (std::size_t m = 0; m != M; ++m) {
            vf y = to_float(sum[m][v]) * scale;
            if (last_block && p.x_scales != nullptr) y *= p.x_scales[m0 + m];
            vi const out = last_block ? bits(y) : sum[m][v];  // not the sums, which would be in memory all along
            __builtin_memcpy(p.y.row(m0 + m) + n, &out, bytes);
        }
    }
}

template <std::size_t M>
inline void code_tiles(int8_product const& p, code_words& words, std::size_t m, std::size_t n0, std::size_t k0,
                       std::size_t size) noexcept {
    for (std::size_t i = 0; i != M; ++i) pack_codes(p.x.row(m + i) + k0, size, i, words);
    bool const first = k0 == 0, last = k0 + size == p.x.cols;
    std::size_t const left = p.y.cols - n0;
    if (left >= code_width) return code_tile<M, code_tile_vectors>(p, words, 0, m, n0, lanes, first, last);
    for (std::size_t part = 0; part < left; part += lanes)
        code_tile<M, 1>(p, words, part, m, n0 + part, left - part < lanes ? left - part : lanes, first, last);
}

inline void matmul_codes(int8_product const& p) noexcept {
    code_words words;
    for (std::size_t n = 0; n < p.y.cols; n += code_width)
        for (std::size_t k = 0; k < p.x.cols; k += code_block) {
            std::size_t const size = p.x.cols - k < code_block ? p.x.cols - k : code_block;
            words.count = ceil_div(size, std::size_t{4}) * (4 / code_word);
            if (p.w_rows == batch_axis::n)
                pack_rows_of_codes(p.w, n, k, size, words);
            else
                pack_columns_of_codes(p.w, n, k, size, words);
            std::size_t m = 0;
            for (; p.x.rows - m >= code_tile_rows; m += code_tile_rows)
                code_tiles<code_tile_rows>(p, words, m, n, k, size);
            for (; p.x.rows - m >= 2; m += 2) code_tiles<2>(p, words, m, n, k, size);
            if (m != p.x.rows) code_tiles<1>(p, words, m, n, k, size);
        }
}
