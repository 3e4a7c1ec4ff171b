// The kernels of quantized weights, included by simd.hpp once per instruction set; no include guard on purpose. Before
// it a namespace and
//     QUANTO_KERNEL_BYTES   bytes of a vector
// y[m][n]: per group, lane l of a vector sums code * x over the elements with t % lanes == l, and x itself; then
//     total += scale * sum - shift * sum_x,   and at the end the lanes are added by halves.
// The order depends on the instruction set only, not on M, N or threads.

typedef float vf __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
typedef std::int32_t vi __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
typedef std::uint8_t vb __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
inline constexpr std::size_t lanes = QUANTO_KERNEL_BYTES / 4;
inline constexpr std::size_t row_tile = 4;

QUANTO_INLINE vf load_f32(void const* p) noexcept {
    vf v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

// Bytes to 32-bit integers.
template <bool Signed>
QUANTO_INLINE vi load_bytes(std::uint8_t const* p) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    __m128i const b = _mm_loadu_si128(reinterpret_cast<__m128i const*>(p));
    return (vi)(Signed ? _mm512_maskz_cvtepi8_epi32(0xffff, b) : _mm512_maskz_cvtepu8_epi32(0xffff, b));
#elif QUANTO_KERNEL_BYTES == 32
    __m128i const b = _mm_loadl_epi64(reinterpret_cast<__m128i const*>(p));
    return (vi)(Signed ? _mm256_cvtepi8_epi32(b) : _mm256_cvtepu8_epi32(b));
#elif QUANTO_TARGETS_X86
    std::int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    __m128i const b = _mm_cvtsi32_si128(four), zero = _mm_setzero_si128();
    if constexpr (Signed)
        return (vi)_mm_srai_epi32(_mm_unpacklo_epi16(zero, _mm_unpacklo_epi8(zero, b)), 24);
    else
        return (vi)_mm_unpacklo_epi16(_mm_unpacklo_epi8(b, zero), zero);
#elif QUANTO_TARGETS_NEON
    std::uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    uint8x8_t const b = vreinterpret_u8_u32(vdup_n_u32(four));
    if constexpr (Signed)
        return (vi)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(b))));
    else
        return (vi)vmovl_u16(vget_low_u16(vmovl_u8(b)));
#else
    if constexpr (Signed)
        return vi{static_cast<std::int8_t>(p[0]), static_cast<std::int8_t>(p[1]), static_cast<std::int8_t>(p[2]),
                  static_cast<std::int8_t>(p[3])};
    else
        return vi{p[0], p[1], p[2], p[3]};
#endif
}

// `lanes` codes; the scale is left to the end of the group. mask: the bits of a byte that are this code.
template <class W>
QUANTO_INLINE vf decode(std::uint8_t const* p, [[maybe_unused]] vi mask) noexcept {
    if constexpr (W::is_floating_point) {
        // Exponent and mantissa moved to where float has them; the bias by an exact multiplication (subnormals too).
        constexpr int up = 23 - W::format::mantissa_bits;
        constexpr std::int32_t kept = static_cast<std::int32_t>(0x8000'0000u | (0x7fu << up));
        constexpr float bias = bit_cast<float>(static_cast<std::uint32_t>(254 - W::format::bias) << 23);
        vi const bits = (load_bytes<true>(p) << up) & kept;
        return (vf)bits * bias;
    } else if constexpr (W::bits == 8) {
        return __builtin_convertvector(load_bytes<true>(p), vf);
    } else {
        return __builtin_convertvector(load_bytes<false>(p) & mask, vf);
    }
}

QUANTO_INLINE float sum_lanes(vf v) noexcept {
#if QUANTO_TARGETS_X86
#if QUANTO_KERNEL_BYTES == 64
    __m256 half[2];
    __builtin_memcpy(half, &v, sizeof v);
    __m256 const h = _mm256_add_ps(half[0], half[1]);
    __m128 const q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
#elif QUANTO_KERNEL_BYTES == 32
    __m128 const q = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
#else
    __m128 const q = (__m128)v;
#endif
    __m128 const pair = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
#else
    for (std::size_t half = lanes / 2; half != 0; half /= 2)
        for (std::size_t i = 0; i != half; ++i) v[i] += v[i + half];
    return v[0];
#endif
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
