// Many rows of x times a weight of at most 16 rows, by AVX-512; included by avx512vnni.hpp and float8.hpp in their
// namespaces. Lanes of a panel are rows of w: few rows leave the others idle, and interleaving x for it takes longer than
// such a product. Here a vector has 16 bytes along k for each of 4 rows of w, and meets 16 bytes of a row of x as they
// lie in memory. V vectors are 4 V rows of w, quarter i of vector v row V * i + v. A Step says what the bytes are:
//     value                    elements of x
//     ones                     whether a row of ones comes after those of w, so that its sums are those of x
//     read(codes, lines, s, word)   word[j], lane r: word j of step s of row r of w, 32 bits each
//     load(p), load(p, n)      16 bytes of x, or n < 16 of them, in each quarter
//     multiply(sum, x, w)      sum += x * w in words,     add(a, b)
//     start(sum, w)            what sums start with is minus the sum of these over all steps
//     group(w, g).add(total, sums, scale)    the sums of a group and a row of x, lanes rows of w, to its total
// Packed, a weight is group after group: V vectors that sums start with, then V vectors per step.

// Lane of row n of w in a vector of words, and after the sums of quarters are added up.
constexpr std::int32_t narrow_place(std::size_t n, std::size_t V) noexcept {
    return static_cast<std::int32_t>(n / V * 4 + n % V);
}

template <class Step, std::size_t V>
void pack_narrow(panels const& w, std::byte* out) noexcept {
    panel_layout const& layout = w.layout();
    alignas(64) std::int32_t row[16] = {};
    for (std::size_t n = 0; n != 4 * V; ++n) row[narrow_place(n, V)] = static_cast<std::int32_t>(n);
    __m512i const rows = _mm512_load_si512(row);
    __mmask16 const ones =
        Step::ones ? static_cast<__mmask16>(1u << narrow_place(layout.rows, V)) : static_cast<__mmask16>(0);
    for (std::size_t g = 0; g != layout.groups(); ++g) {
        std::size_t const size = layout.size_of_group(g), lines = layout.lines(size);
        std::byte const* const codes = w.group(0, g) + layout.header_bytes();
        __m512i start[V] = {};
        std::byte* const first = out;
        out += 64 * V;
        for (std::size_t s = 0; s != ceil_div(size * sizeof(typename Step::value), std::size_t{16}); ++s) {
            __m512i word[4];
            Step::read(codes, lines, s, word);
            QUANTO_UNROLL
            for (auto& v : word)
                v = _mm512_mask_mov_epi32(_mm512_permutexvar_epi32(rows, v), ones, _mm512_set1_epi8(1));
            __m512i const low01 = _mm512_unpacklo_epi32(word[0], word[1]),
                          high01 = _mm512_unpackhi_epi32(word[0], word[1]),
                          low23 = _mm512_unpacklo_epi32(word[2], word[3]),
                          high23 = _mm512_unpackhi_epi32(word[2], word[3]);
            __m512i const vectors[4] = {_mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
                                        _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)};
            QUANTO_UNROLL
            for (std::size_t v = 0; v != V; ++v, out += 64) {
                _mm512_store_si512(out, vectors[v]);
                Step::start(start[v], vectors[v]);
            }
        }
        QUANTO_UNROLL
        for (std::size_t v = 0; v != V; ++v)
            _mm512_store_si512(first + 64 * v, _mm512_sub_epi32(_mm512_setzero_si512(), start[v]));
    }
}

template <class Step>
QUANTO_INLINE __m512i add_pairs(__m512i a, __m512i b) noexcept {
    return Step::add(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

// The sums of the quarters of each vector, those of vector v in word v of a quarter.
template <class Step, std::size_t V>
QUANTO_INLINE __m512i sum_quarters(__m512i const (&sum)[V]) noexcept {
    constexpr auto next = static_cast<_MM_PERM_ENUM>(0xb1), other = static_cast<_MM_PERM_ENUM>(0x4e);
    __m512i const low = add_pairs<Step>(sum[0], sum[1]);
    __m512i high;
    if constexpr (V == 2)
        return Step::add(low, _mm512_shuffle_epi32(low, other));
    else if constexpr (V == 3)
        high = Step::add(sum[2], _mm512_shuffle_epi32(sum[2], next));
    else
        high = add_pairs<Step>(sum[2], sum[3]);
    return Step::add(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
}

// total[r][n] of rows of x, at x, times the packed w of V vectors; scales: of rows of x.
template <class Step, std::size_t V>
__attribute__((noinline)) void multiply_narrow(panels const& w, std::byte const* packed,
                                               typename Step::value const* const (&x)[narrow_rows],
                                               float const (&scales)[narrow_rows],
                                               float (&total)[narrow_rows][16]) noexcept {
    panel_layout const& layout = w.layout();
    alignas(64) std::int32_t place[16] = {};
    for (std::size_t n = 0; n != 4 * V; ++n) place[n] = narrow_place(n, V);
    __m512i const places = _mm512_load_si512(place);
    typename Step::value const* row[narrow_rows];
    QUANTO_UNROLL
    for (std::size_t r = 0; r != narrow_rows; ++r) {
        row[r] = x[r];
        _mm512_store_ps(total[r], _mm512_setzero_ps());
    }
    std::size_t k = 0;
    for (std::size_t g = 0; g != layout.groups(); ++g) {
        constexpr std::size_t step = 16 / sizeof(typename Step::value);
        std::size_t const end = k + layout.size_of_group(g);
        __m512i sum[narrow_rows][V], vector[V];
        QUANTO_UNROLL
        for (std::size_t r = 0; r != narrow_rows; ++r) {
            QUANTO_UNROLL
            for (std::size_t v = 0; v != V; ++v) {
                sum[r][v] = _mm512_load_si512(packed + 64 * v);
                asm("" : "+v"(sum[r][v]));  // what g++ knows to be equal at first it copies in the loop
            }
        }
        packed += 64 * V;
        auto const add = [&](auto whole) __attribute__((always_inline)) {
            QUANTO_UNROLL
            for (std::size_t v = 0; v != V; ++v) vector[v] = _mm512_load_si512(packed + 64 * v);
            QUANTO_UNROLL
            for (std::size_t r = 0; r != narrow_rows; ++r) {
                __m512i of_x;
                if constexpr (whole)
                    of_x = Step::load(row[r] + k);
                else
                    of_x = Step::load(row[r] + k, end - k);
                QUANTO_UNROLL
                for (std::size_t v = 0; v != V; ++v) Step::multiply(sum[r][v], of_x, vector[v]);
            }
            packed += 64 * V;
        };
        for (; end - k >= step; k += step) add(std::true_type{});
        if (k != end) add(std::false_type{});
        k = end;
        typename Step::group const group(w, g);
        QUANTO_UNROLL
        for (std::size_t r = 0; r != narrow_rows; ++r) {
            __m512i const sums = _mm512_permutexvar_epi32(places, sum_quarters<Step>(sum[r]));
            _mm512_store_ps(total[r], group.add(_mm512_load_ps(total[r]), sums, scales[r]));
        }
    }
}

// Where a task has no more than `valid` rows of x, the last one stands for the others.
template <class T>
QUANTO_INLINE void rows_of_x(T const* x, std::size_t stride, std::size_t valid,
                             T const* (&rows)[narrow_rows]) noexcept {
    for (std::size_t r = 0; r != narrow_rows; ++r) rows[r] = x + (r < valid ? r : valid - 1) * stride;
}

// Rows m0 .. m0 + valid of y.
__attribute__((noinline)) inline void finish_narrow(product_options const& o, output_matrix const& y,
                                                    float (&total)[narrow_rows][16], std::size_t m0,
                                                    std::size_t valid) noexcept {
    finish_outputs(o, y, total, valid, m0, 0, y.cols);
}
