// Codes of groups to values; once per instruction set (each_target.inl). The product and the difference round one
// after the other, as in the definition.

template <class Q>
QUANTO_KERNEL_INLINE vf value_of(vi code, affine_map const& map) noexcept {
    return opaque(to_float(code - map.zero_point) * map.scale) - map.shift;
}

// What the values of a group are taken from: its map, or, where one instruction looks up 16 floats, all its values.
template <class Q>
struct decoder {
    affine_map map;
#if QUANTO_KERNEL_BYTES == 64 && !QUANTO_KERNEL_XSIMD
    vf values{};
    explicit decoder(affine_map const& m) noexcept : map(m) {
        if constexpr (Q::bits < 8)
            values = value_of<Q>(vi{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} & ((1 << Q::bits) - 1), m);
    }
#else
    explicit decoder(affine_map const& m) noexcept : map(m) {}
#endif

    QUANTO_KERNEL_INLINE vf operator()(std::uint8_t const* codes, int position) const noexcept {
        if constexpr (Q::is_floating_point) {
            return decode_small<typename Q::format>(load_bytes<false>(codes)) * map.scale;
        } else if constexpr (Q::bits == 8) {
            return to_float(load_bytes<true>(codes)) * map.scale;
        } else {
            vi const code = load_bytes<false>(codes) >> position;
#if QUANTO_KERNEL_BYTES == 64 && !QUANTO_KERNEL_XSIMD
            return (vf)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)code, (__m512)values);
#else
            return value_of<Q>(code & ((1 << Q::bits) - 1), map);
#endif
        }
    }
};

template <class Q>
QUANTO_KERNEL_INLINE void dequantize_group(std::uint8_t const* codes, std::size_t n, affine_map const& map,
                                           int position, float* out) noexcept {
    if (Q::is_floating_point && map.scale == 0.0f) {  // NaN codes beside it stand for 0, too
        for (std::size_t i = 0; i != n; ++i) out[i] = 0.0f;
        return;
    }
    decoder<Q> const values(map);
    std::size_t i = 0;
    for (; n - i >= lanes; i += lanes) store_f32(values(codes + i, position), out + i);
    if (i == n) return;
    std::uint8_t in[lanes] = {};
    float last[lanes];
    __builtin_memcpy(in, codes + i, n - i);
    store_f32(values(in, position), last);
    __builtin_memcpy(out + i, last, (n - i) * sizeof(float));
}

template <class Q>
inline void dequantize(std::uint8_t const* codes, std::size_t size, std::size_t count, affine_map const* maps,
                       int position, float* out) noexcept {
    for (std::size_t g = 0; g != count; ++g)
        dequantize_group<Q>(codes + g * size, size, maps[g], position, out + g * size);
}
