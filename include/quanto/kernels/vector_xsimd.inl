// The vocabulary of vector.inl in xsimd's batches for the unit's own architecture; xsimd 8 to 13. What xsimd's versions
// name differently, or lack, goes through memory, where compilers see through it.

typedef xsimd::batch<float> vf;
typedef xsimd::batch<std::int32_t> vi;
typedef xsimd::batch<std::uint16_t> vw;
typedef std::uint8_t vb __attribute__((vector_size(16)));
inline constexpr std::size_t lanes = vf::size;

QUANTO_INLINE vf load_f32(void const* p) noexcept { return vf::load_unaligned(static_cast<float const*>(p)); }
QUANTO_INLINE void store_f32(vf v, void* p) noexcept { v.store_unaligned(static_cast<float*>(p)); }

QUANTO_INLINE vi bits(vf v) noexcept {
    vi u;
    __builtin_memcpy(static_cast<void*>(&u), static_cast<void const*>(&v), sizeof u);
    return u;
}
QUANTO_INLINE vf floats(vi v) noexcept {
    vf x;
    __builtin_memcpy(static_cast<void*>(&x), static_cast<void const*>(&v), sizeof x);
    return x;
}
QUANTO_INLINE vf to_float(vi v) noexcept { return xsimd::to_float(v); }
QUANTO_INLINE vi where(xsimd::batch_bool<std::int32_t> mask, vi a, vi b) noexcept { return xsimd::select(mask, a, b); }

QUANTO_INLINE vf opaque(vf v) noexcept {
#if defined(__AVX512F__)
    asm("" : "+v"(v.data));
#elif defined(__SSE2__)
    asm("" : "+x"(v.data));
#elif defined(__aarch64__)
    asm("" : "+w"(v.data));
#else
    asm("" : "+m"(v.data));
#endif
    return v;
}

namespace memory {
template <class T>
QUANTO_INLINE vi widened(T const* p) noexcept {
    std::int32_t wide[lanes];
    for (std::size_t l = 0; l != lanes; ++l) wide[l] = p[l];
    return vi::load_unaligned(wide);
}
}  // namespace memory

template <bool Signed>
QUANTO_INLINE vi load_bytes(std::uint8_t const* p) noexcept {
    if constexpr (Signed)
        return memory::widened(reinterpret_cast<std::int8_t const*>(p));
    else
        return memory::widened(p);
}
QUANTO_INLINE vi load_words(std::uint16_t const* p) noexcept { return memory::widened(p); }

template <int Bits, bool Signed>
QUANTO_INLINE void store_bytes(vi const (&v)[4], int position, std::uint8_t* p) noexcept {
    vi const low(Signed ? -128 : 0), high(Signed ? 127 : (1 << Bits) - 1);
    std::int32_t wide[4 * lanes];
    for (std::size_t i = 0; i != 4; ++i) xsimd::min(xsimd::max(v[i], low), high).store_unaligned(wide + i * lanes);
    if (position == 0)
        for (std::size_t i = 0; i != 4 * lanes; ++i) p[i] = static_cast<std::uint8_t>(wide[i]);
    else
        for (std::size_t i = 0; i != 4 * lanes; ++i) p[i] = static_cast<std::uint8_t>(p[i] | (wide[i] << position));
}
QUANTO_INLINE void store_words(vi v, std::uint16_t* p) noexcept {
    std::int32_t wide[lanes];
    v.store_unaligned(wide);
    for (std::size_t l = 0; l != lanes; ++l) p[l] = static_cast<std::uint16_t>(wide[l]);
}

QUANTO_INLINE vi to_int(vf v) noexcept { return xsimd::nearbyint_as_int(v); }
QUANTO_INLINE vf lesser(vf a, vf b) noexcept { return xsimd::min(a, b); }
QUANTO_INLINE vf greater(vf a, vf b) noexcept { return xsimd::max(a, b); }
QUANTO_INLINE vi greater(vi a, vi b) noexcept { return xsimd::max(a, b); }
QUANTO_INLINE vi lesser(vi a, vi b) noexcept { return xsimd::min(a, b); }
QUANTO_INLINE vi lesser_words(vi a, vi b) noexcept {
    vw u, v;
    __builtin_memcpy(static_cast<void*>(&u), static_cast<void const*>(&a), sizeof u);
    __builtin_memcpy(static_cast<void*>(&v), static_cast<void const*>(&b), sizeof v);
    u = xsimd::min(u, v);
    __builtin_memcpy(static_cast<void*>(&a), static_cast<void const*>(&u), sizeof a);
    return a;
}
QUANTO_INLINE bool any_less(vi a, std::int32_t b) noexcept { return xsimd::any(a < vi(b)); }

namespace memory {
template <class F>
QUANTO_INLINE float folded(vf v, F combine) noexcept {
    float x[lanes];
    v.store_unaligned(x);
    for (std::size_t half = lanes / 2; half != 0; half /= 2)
        for (std::size_t i = 0; i != half; ++i) x[i] = combine(x[i], x[i + half]);
    return x[0];
}
}  // namespace memory

QUANTO_INLINE float sum_lanes(vf v) noexcept {
    return memory::folded(v, [](float a, float b) { return a + b; });
}
QUANTO_INLINE float smallest(vf v) noexcept {
    return memory::folded(v, [](float a, float b) { return a < b ? a : b; });
}
QUANTO_INLINE float largest(vf v) noexcept {
    return memory::folded(v, [](float a, float b) { return a > b ? a : b; });
}
