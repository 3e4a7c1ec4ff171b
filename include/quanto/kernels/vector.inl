// The vocabulary of vector kernels in GNU vectors: each_target.inl includes it once per instruction set.
//     vf vi vw vb     QUANTO_KERNEL_BYTES bytes as f32, i32, u16, u8;   lanes = number of 32-bit elements
// where(m, a, b): m holds -1 or 0 per lane, as comparisons of vi give. lesser and greater give b where one is NaN.

typedef float vf __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
typedef std::int32_t vi __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
typedef std::uint16_t vw __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
typedef std::uint8_t vb __attribute__((vector_size(QUANTO_KERNEL_BYTES)));
inline constexpr std::size_t lanes = QUANTO_KERNEL_BYTES / 4;

QUANTO_INLINE vf load_f32(void const* p) noexcept {
    vf v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
QUANTO_INLINE void store_f32(vf v, void* p) noexcept { __builtin_memcpy(p, &v, sizeof v); }
QUANTO_INLINE vw load_u16(void const* p) noexcept {
    vw v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
QUANTO_INLINE void store_u16(vw v, void* p) noexcept { __builtin_memcpy(p, &v, sizeof v); }

QUANTO_INLINE vi bits(vf v) noexcept { return (vi)v; }
QUANTO_INLINE vf floats(vi v) noexcept { return (vf)v; }
QUANTO_INLINE vf to_float(vi v) noexcept { return __builtin_convertvector(v, vf); }
QUANTO_INLINE vi where(vi mask, vi a, vi b) noexcept { return mask ? a : b; }

// v as a value of its own: what comes before is not contracted with what comes after.
QUANTO_INLINE vf opaque(vf v) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    asm("" : "+v"(v));
#elif defined(__SSE2__)
    asm("" : "+x"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#else
    asm("" : "+m"(v));
#endif
    return v;
}

// `lanes` bytes, or 16-bit words, to 32-bit integers.
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
QUANTO_INLINE vi load_words(std::uint16_t const* p) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vi)_mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)));
#elif QUANTO_KERNEL_BYTES == 32
    return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
#elif QUANTO_TARGETS_X86
    __m128i const w = _mm_loadl_epi64(reinterpret_cast<__m128i const*>(p));
    return (vi)_mm_unpacklo_epi16(w, _mm_setzero_si128());
#elif QUANTO_TARGETS_NEON
    return (vi)vmovl_u16(vld1_u16(p));
#else
    return vi{p[0], p[1], p[2], p[3]};
#endif
}

// Four vectors as bytes, saturated to -128 .. 127 or to 0 .. 2^Bits - 1, shifted to `position`; position 0 overwrites
// bytes, others add. Precondition: the lanes fit 16 bits, signed.
template <int Bits, bool Signed>
QUANTO_INLINE void store_bytes(vi const (&v)[4], int position, std::uint8_t* p) noexcept {
    constexpr std::uint8_t most = (1 << Bits) - 1;
#if QUANTO_KERNEL_BYTES == 64
    __m512i const words[2] = {_mm512_packs_epi32((__m512i)v[0], (__m512i)v[1]),
                              _mm512_packs_epi32((__m512i)v[2], (__m512i)v[3])};
    __m512i const order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i b = Signed ? _mm512_packs_epi16(words[0], words[1]) : _mm512_packus_epi16(words[0], words[1]);
    if constexpr (Bits < 8) b = _mm512_min_epu8(b, _mm512_set1_epi8(most));
    b = _mm512_maskz_permutexvar_epi32(0xffff, order, b);
#elif QUANTO_KERNEL_BYTES == 32
    __m256i const words[2] = {_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]),
                              _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3])};
    __m256i const order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i b = Signed ? _mm256_packs_epi16(words[0], words[1]) : _mm256_packus_epi16(words[0], words[1]);
    if constexpr (Bits < 8) b = _mm256_min_epu8(b, _mm256_set1_epi8(most));
    b = _mm256_permutevar8x32_epi32(b, order);
#elif QUANTO_TARGETS_X86
    __m128i const words[2] = {_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]),
                              _mm_packs_epi32((__m128i)v[2], (__m128i)v[3])};
    __m128i b = Signed ? _mm_packs_epi16(words[0], words[1]) : _mm_packus_epi16(words[0], words[1]);
    if constexpr (Bits < 8) b = _mm_min_epu8(b, _mm_set1_epi8(most));
#else
    vb b;
    for (std::size_t i = 0; i != 4 * lanes; ++i) {
        std::int32_t const c = v[i / lanes][i % lanes], low = Signed ? -128 : 0, high = Signed ? 127 : most;
        b[i] = static_cast<std::uint8_t>(c < low ? low : c > high ? high : c);
    }
#endif
    if (position == 0) return store_u16((vw)b, p);
    store_u16(load_u16(p) | ((vw)b << position), p);
}
QUANTO_INLINE void store_words(vi v, std::uint16_t* p) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)v));
#elif QUANTO_KERNEL_BYTES == 32
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packus_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1)));
#elif QUANTO_TARGETS_X86
    __m128i const s = _mm_srai_epi32(_mm_slli_epi32((__m128i)v, 16), 16);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(s, s));
#else
    for (std::size_t l = 0; l != lanes; ++l) p[l] = static_cast<std::uint16_t>(v[l]);
#endif
}

// The nearest integers, ties to even. What int32 has not saturates, or is -2^31; NaN gives 0 in the low 16 bits.
QUANTO_INLINE vi to_int(vf v) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vi)_mm512_maskz_cvtps_epi32(0xffff, (__m512)v);
#elif QUANTO_KERNEL_BYTES == 32
    return (vi)_mm256_cvtps_epi32((__m256)v);
#elif QUANTO_TARGETS_X86
    return (vi)_mm_cvtps_epi32((__m128)v);
#elif QUANTO_TARGETS_NEON
    return (vi)vcvtnq_s32_f32((float32x4_t)v);
#else
    vi r;
    for (std::size_t l = 0; l != lanes; ++l)
        r[l] = v[l] >= -0x1p31f && v[l] < 0x1p31f ? static_cast<std::int32_t>(round_half_even(v[l]))
                                                  : std::numeric_limits<std::int32_t>::min();
    return r;
#endif
}

QUANTO_INLINE vf lesser(vf a, vf b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vf)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
#elif QUANTO_KERNEL_BYTES == 32
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif QUANTO_TARGETS_X86
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return (vf)((a < b) ? (vi)a : (vi)b);
#endif
}
QUANTO_INLINE vf greater(vf a, vf b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vf)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#elif QUANTO_KERNEL_BYTES == 32
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif QUANTO_TARGETS_X86
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return (vf)((a > b) ? (vi)a : (vi)b);
#endif
}

QUANTO_INLINE vi greater(vi a, vi b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vi)_mm512_maskz_max_epi32(0xffff, (__m512i)a, (__m512i)b);
#elif QUANTO_KERNEL_BYTES == 32
    return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    return a > b ? a : b;
#endif
}
QUANTO_INLINE vi lesser(vi a, vi b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vi)_mm512_maskz_min_epi32(0xffff, (__m512i)a, (__m512i)b);
#elif QUANTO_KERNEL_BYTES == 32
    return (vi)_mm256_min_epi32((__m256i)a, (__m256i)b);
#else
    return a < b ? a : b;
#endif
}
// Of words, unsigned.
QUANTO_INLINE vi lesser_words(vi a, vi b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vi)_mm512_maskz_min_epu16(0xffff'ffff, (__m512i)a, (__m512i)b);
#elif QUANTO_KERNEL_BYTES == 32
    return (vi)_mm256_min_epu16((__m256i)a, (__m256i)b);
#else
    return (vi)((vw)a < (vw)b ? (vw)a : (vw)b);
#endif
}
// Whether a lane of a is less than b.
QUANTO_INLINE bool any_less(vi a, std::int32_t b) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return _mm512_cmplt_epi32_mask((__m512i)a, _mm512_set1_epi32(b)) != 0;
#elif QUANTO_KERNEL_BYTES == 32
    return _mm256_movemask_epi8(_mm256_cmpgt_epi32(_mm256_set1_epi32(b), (__m256i)a)) != 0;
#elif QUANTO_TARGETS_X86
    return _mm_movemask_epi8(_mm_cmplt_epi32((__m128i)a, _mm_set1_epi32(b))) != 0;
#else
    return a[0] < b || a[1] < b || a[2] < b || a[3] < b;
#endif
}

// The lanes, combined by halves.
#if QUANTO_TARGETS_X86
#if QUANTO_KERNEL_BYTES == 64
#define QUANTO_FOLD(v, op)                               \
    __m256 half[2];                                      \
    __builtin_memcpy(half, &v, sizeof v);                \
    __m256 const h = _mm256_##op##_ps(half[0], half[1]); \
    __m128 const q = _mm_##op##_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1))
#elif QUANTO_KERNEL_BYTES == 32
#define QUANTO_FOLD(v, op) \
    __m128 const q = _mm_##op##_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1))
#else
#define QUANTO_FOLD(v, op) __m128 const q = (__m128)v
#endif
#define QUANTO_REDUCE(v, op, combine)                          \
    QUANTO_FOLD(v, op);                                        \
    __m128 const pair = _mm_##op##_ps(q, _mm_movehl_ps(q, q)); \
    return _mm_cvtss_f32(_mm_##op##_ss(pair, _mm_shuffle_ps(pair, pair, 1)))
#else
#define QUANTO_REDUCE(v, op, combine)                                              \
    for (std::size_t half = lanes / 2; half != 0; half /= 2)                       \
        for (std::size_t i = 0; i != half; ++i) v[i] = combine(v[i], v[i + half]); \
    return v[0]
#endif

QUANTO_INLINE float sum_lanes(vf v) noexcept {
    QUANTO_REDUCE(v, add, [](float a, float b) { return a + b; });
}
QUANTO_INLINE float smallest(vf v) noexcept {
    QUANTO_REDUCE(v, min, [](float a, float b) { return a < b ? a : b; });
}
QUANTO_INLINE float largest(vf v) noexcept {
    QUANTO_REDUCE(v, max, [](float a, float b) { return a > b ? a : b; });
}

#undef QUANTO_REDUCE
#undef QUANTO_FOLD

// ---- for products, which are in GNU vectors always ------------------------------------------------------------------

QUANTO_INLINE vf broadcast(float x) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vf)_mm512_set1_ps(x);
#elif QUANTO_KERNEL_BYTES == 32
    return (vf)_mm256_set1_ps(x);
#else
    return vf{x, x, x, x};
#endif
}

// a * b + c, rounded once where the instruction set can. g++ 12 copies accumulators around its own intrinsic.
QUANTO_INLINE vf multiply_add(vf a, vf b, vf c) noexcept {
#if QUANTO_KERNEL_BYTES >= 32 && defined(__clang__)
#if QUANTO_KERNEL_BYTES == 64
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#endif
#elif QUANTO_KERNEL_BYTES == 64
    asm("vfmadd231ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
#elif QUANTO_KERNEL_BYTES == 32
    asm("vfmadd231ps %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
#elif QUANTO_TARGETS_NEON
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

// The same with one number for all lanes of a, from memory where the instruction takes it from there.
QUANTO_INLINE vf multiply_add(float const* a, vf b, vf c) noexcept {
#if QUANTO_KERNEL_BYTES == 64 && !defined(__clang__)
    asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(c) : "v"(b), "m"(*a));
    return c;
#else
    return multiply_add(broadcast(*a), b, c);
#endif
}

// A vector of weights, or of scales, as f32, exact.
QUANTO_INLINE vf load_weights(float const* p) noexcept { return load_f32(p); }
QUANTO_INLINE vf load_weights(bfloat16 const* p) noexcept {
    return floats(load_words(reinterpret_cast<std::uint16_t const*>(p)) << 16);
}
QUANTO_INLINE vf load_weights(float16 const* p) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    return (vf)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)));
#elif QUANTO_KERNEL_BYTES == 32
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
#elif QUANTO_TARGETS_NEON
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<std::uint16_t const*>(p))));
#else
    // The bias by an exact multiplication (subnormals too); the exponent of NaN and infinity filled up.
    vi const h = load_words(reinterpret_cast<std::uint16_t const*>(p));
    vi const magnitude = (vi)((vf)((h & 0x7fff) << 13) * 0x1p112f);
    vi const special = ((h & 0x7c00) == 0x7c00) & 0x7f80'0000;
    return (vf)(magnitude | special | ((h & 0x8000) << 16));
#endif
}
// Element i on, of a type that is known when it runs.
QUANTO_INLINE vf load_weights(dtype type, void const* p, std::size_t i) noexcept {
    if (type == dtype::f32) return load_f32(static_cast<float const*>(p) + i);
    if (type == dtype::f16) return load_weights(static_cast<float16 const*>(p) + i);
    return load_weights(static_cast<bfloat16 const*>(p) + i);
}
// The first n < lanes weights, then zeros.
template <class W>
QUANTO_INLINE vf load_weights(W const* p, std::size_t n) noexcept {
#if QUANTO_KERNEL_BYTES == 64
    if constexpr (sizeof(W) == 4) return (vf)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
    W padded[2 * lanes];
    _mm512_storeu_si512(padded, _mm512_maskz_loadu_epi16((1u << n) - 1, p));
#else
    W padded[lanes] = {};
    __builtin_memcpy(static_cast<void*>(padded), p, n * sizeof(W));
#endif
    return load_weights(padded);
}
