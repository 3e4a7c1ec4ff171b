// The kernels of quantized weights in the vocabulary of vector.inl, included by simd.hpp once per instruction set; no
// include guard on purpose.
// y[m][n]: per group, lane l of a vector sums code * x over the elements with t % lanes == l, and x itself; then
//     total += scale * sum - shift * sum_x,   and at the end the lanes are added by halves.
// The order depends on the instruction set only, not on M, N or threads.

inline constexpr std::size_t row_tile = 4;

// `lanes` codes; the scale is left to the end of the group. mask: the bits of a byte that are this code.
template <class W>
QUANTO_INLINE vf decode(std::uint8_t const* p, [[maybe_unused]] vi mask) noexcept {
    if constexpr (W::is_floating_point) {
        // Exponent and mantissa moved to where float has them; the bias by an exact multiplication (subnormals too).
        constexpr int up = 23 - W::format::mantissa_bits;
        constexpr std::int32_t kept = static_cast<std::int32_t>(0x8000'0000u | (0x7fu << up));
        constexpr float bias = bit_cast<float>(static_cast<std::uint32_t>(254 - W::format::bias) << 23);
        vi const code = (load_bytes<true>(p) << up) & kept;
        return floats(code) * bias;
    } else if constexpr (W::bits == 8) {
        return to_float(load_bytes<true>(p));
    } else {
        return to_float(load_bytes<false>(p) & mask);
    }
}

// y(m0 .. m0 + M, n0 .. n0 + R). Unrolled by hand: at -O2 g++ keeps the sums of a loop in memory.
template <class W, std::size_t R, std::size_t M>
inline void tile(matrix_view<float const> x, weight_rows<W> const& w, matrix_view<float> y, std::size_t n0,
                 std::size_t m0) noexcept {
    constexpr bool has_shift = W::bits < 8;
    vf total[R][M] = {};
    for (std::size_t g = 0; g != w.groups; ++g) {
        std::size_t const begin = g * w.group;
        std::size_t const size = w.cols - begin < w.group ? w.cols - begin : w.group, whole = size - size % lanes;
        group_source s[R];
        vi mask[R];
        vf sum[R][M] = {}, sum_x[M] = {};
#pragma GCC unroll 4
        for (std::size_t r = 0; r != R; ++r) {
            s[r] = w(n0 + r, g);
            mask[r] = vi{} + s[r].mask;
        }
        float const* xs[M];
#pragma GCC unroll 4
        for (std::size_t m = 0; m != M; ++m) xs[m] = x.row(m0 + m) + begin;
        for (std::size_t t = 0; t != whole; t += lanes) {
            vf v[M];
#pragma GCC unroll 4
            for (std::size_t m = 0; m != M; ++m) v[m] = load_f32(xs[m] + t);
            if constexpr (has_shift)
#pragma GCC unroll 4
                for (std::size_t m = 0; m != M; ++m) sum_x[m] += v[m];
#pragma GCC unroll 4
            for (std::size_t r = 0; r != R; ++r) {
                vf const weight = decode<W>(s[r].bytes + t, mask[r]);
#pragma GCC unroll 4
                for (std::size_t m = 0; m != M; ++m) sum[r][m] += weight * v[m];
            }
        }
        if (whole != size) {  // the rest, padded with zeros
            std::size_t const rest = size - whole;
            vf v[M] = {};
#pragma GCC unroll 4
            for (std::size_t m = 0; m != M; ++m) __builtin_memcpy(&v[m], xs[m] + whole, rest * 4);
            if constexpr (has_shift)
#pragma GCC unroll 4
                for (std::size_t m = 0; m != M; ++m) sum_x[m] += v[m];
#pragma GCC unroll 4
            for (std::size_t r = 0; r != R; ++r) {
                std::uint8_t padded[QUANTO_KERNEL_BYTES] = {};
                __builtin_memcpy(padded, s[r].bytes + whole, rest);
                vf const weight = decode<W>(padded, mask[r]);
#pragma GCC unroll 4
                for (std::size_t m = 0; m != M; ++m) sum[r][m] += weight * v[m];
            }
        }
#pragma GCC unroll 4
        for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 4
            for (std::size_t m = 0; m != M; ++m) {
                total[r][m] += sum[r][m] * s[r].scale;
                if constexpr (has_shift) total[r][m] -= sum_x[m] * s[r].shift;
            }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r != R; ++r)
#pragma GCC unroll 4
        for (std::size_t m = 0; m != M; ++m) y(m0 + m, n0 + r) = sum_lanes(total[r][m]);
}

template <class W, std::size_t R>
inline void row_block(matrix_view<float const> x, weight_rows<W> const& w, matrix_view<float> y,
                      std::size_t n) noexcept {
    std::size_t m = 0;
    for (; x.rows - m >= 4; m += 4) tile<W, R, 4>(x, w, y, n, m);
    for (; m != x.rows; ++m) tile<W, R, 1>(x, w, y, n, m);
}

// Whether one of n float8 codes is NaN or infinite.
template <class Q>
bool has_special(std::uint8_t const* codes, std::size_t n) noexcept {
    auto const special = [](auto code) {
        if constexpr (Q::format::finite_codes == 0x80)
            return code == 0x80;
        else
            return (code & Q::format::finite_codes) == Q::format::finite_codes;  // 0x7f, 0x7c: all bits set
    };
    vb found = {};
    std::size_t i = 0;
    for (; n - i >= sizeof(vb); i += sizeof(vb)) {
        vb v;
        __builtin_memcpy(&v, codes + i, sizeof v);
        found |= (vb)special(v);
    }
    vb rest = {};
    __builtin_memcpy(&rest, codes + i, n - i);
    found |= (vb)special(rest);
    unsigned any = 0;
    for (std::size_t l = 0; l != sizeof(vb); ++l) any |= found[l];
    return any != 0;
}

template <class W>
void matmul(matrix_view<float const> x, weight_rows<W> const& w, matrix_view<float> y, row_range rows) noexcept {
    std::size_t n = rows.begin;
    for (; rows.end - n >= row_tile; n += row_tile) row_block<W, row_tile>(x, w, y, n);
    for (; n != rows.end; ++n) row_block<W, 1>(x, w, y, n);
    if constexpr (W::is_floating_point)
        for (n = rows.begin; n != rows.end; ++n)
            if (has_special<W>(w.w.codes + n * w.cols, w.cols)) matmul_row_by_definition(x, w.w, y, n);
}

// sum_k a[k] * b[k], exact.
QUANTO_INLINE std::int32_t dot(std::int8_t const* a, std::int8_t const* b, std::size_t n) noexcept {
    std::size_t k = 0;
    std::int32_t sum = 0;
#if QUANTO_KERNEL_BYTES == 64
    __m512i acc = _mm512_setzero_si512();
    for (; n - k >= 32; k += 32) {
        __m512i const u =
            _mm512_maskz_cvtepi8_epi16(~__mmask32{}, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(a + k)));
        __m512i const v =
            _mm512_maskz_cvtepi8_epi16(~__mmask32{}, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(b + k)));
        acc = _mm512_add_epi32(acc, _mm512_madd_epi16(u, v));
    }
    vi const lane = (vi)acc;
    for (std::size_t i = 0; i != lanes; ++i) sum += lane[i];
#elif QUANTO_KERNEL_BYTES == 32
    __m256i acc = _mm256_setzero_si256();
    for (; n - k >= 16; k += 16) {
        __m256i const u = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<__m128i const*>(a + k)));
        __m256i const v = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<__m128i const*>(b + k)));
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(u, v));
    }
    vi const lane = (vi)acc;
    for (std::size_t i = 0; i != lanes; ++i) sum += lane[i];
#elif QUANTO_TARGETS_NEON
    int32x4_t acc = vdupq_n_s32(0);
    for (; n - k >= 16; k += 16) {
        int8x16_t const u = vld1q_s8(a + k), v = vld1q_s8(b + k);
        acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(u), vget_low_s8(v)));
        acc = vpadalq_s16(acc, vmull_high_s8(u, v));
    }
    sum = vaddvq_s32(acc);
#endif
    for (; k != n; ++k) sum += a[k] * b[k];
    return sum;
}

// Rows: weight_rows<qint8>, or what has its members.
template <class Rows>
void matmul_int8(matrix_view<std::int8_t const> x, float x_scale, Rows const& w, matrix_view<float> y,
                 row_range rows) noexcept {
    for (std::size_t n = rows.begin; n != rows.end; ++n)
        for (std::size_t m = 0; m != x.rows; ++m) {
            float total = 0.0f;
            for (std::size_t g = 0; g != w.groups; ++g) {
                std::size_t const begin = g * w.group, size = w.cols - begin < w.group ? w.cols - begin : w.group;
                group_source const s = w(n, g);
                std::int32_t const sum = dot(x.row(m) + begin, reinterpret_cast<std::int8_t const*>(s.bytes), size);
                float const scaled = rounded(static_cast<float>(sum) * (x_scale * s.scale));
                total = g == 0 ? scaled : total + scaled;
            }
            y(m, n) = total;
        }
}
