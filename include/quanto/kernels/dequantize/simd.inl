// Codes of groups to values; once per instruction set (each_target.inl). The product and the difference round one
// after the other, as in the definition.

template <class Q>
QUANTO_INLINE vf value_of(vi code, affine_map const& map) noexcept {
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

    QUANTO_INLINE static vi load(std::uint8_t const* codes) noexcept {
        return load_bytes < Q::bits == 8 && !Q::is_floating_point > (codes);
    }
    QUANTO_INLINE vf operator()(vi bytes, int position) const noexcept {
        if constexpr (Q::is_floating_point) {
            return decode_small<typename Q::format>(bytes) * map.scale;
        } else if constexpr (Q::bits == 8) {
            return to_float(bytes) * map.scale;
        } else {
            vi const code = bytes >> (vi{} + position);
#if QUANTO_KERNEL_BYTES == 64 && !QUANTO_KERNEL_XSIMD
            return (vf)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)code, (__m512)values);
#else
            return value_of<Q>(code & ((1 << Q::bits) - 1), map);
#endif
        }
    }
};

// Finite float8 codes, the first of n, in whole blocks, by one multiplication: sign, exponent and mantissa are moved to
// where float32 has them, and scale * 2^(127 - bias) is exact. Returns how many; what it stores beyond them is to be
// overwritten.
template <class F>
QUANTO_INLINE std::size_t dequantize_finite(std::uint8_t const* codes, std::size_t n, float scale,
                                            float* out) noexcept {
    constexpr int up = 23 - F::mantissa_bits;
    constexpr auto kept = static_cast<std::int32_t>(0x8000'0000u | (0x7fu << up));
    float const by = scale * bit_cast<float>(static_cast<std::uint32_t>(254 - F::bias) << 23);
    if (!is_finite(by)) return 0;
    std::size_t i = 0;
    for (; n - i >= small_block; i += small_block) {
        vi largest{};
        for (std::size_t v = 0; v != small_block; v += lanes) {
            vi const code = load_bytes<true>(codes + i + v);
            largest = greater(largest, F::has_negative_zero ? code & 0x7f : vi{} - code);  // of 0x80, NaN, 128
            store_f32(floats((code << up) & kept) * by, out + i + v);
        }
        if (any_less((F::finite_codes - 1) - largest, 0)) break;
    }
    return i;
}

template <class Q>
QUANTO_INLINE void dequantize_group(std::uint8_t const* codes, std::size_t n, affine_map const& map, int position,
                                    float* out) noexcept {
    if (Q::is_floating_point && map.scale == 0.0f) {  // NaN codes beside it stand for 0, too
        for (std::size_t i = 0; i != n; ++i) out[i] = 0.0f;
        return;
    }
    decoder<Q> const values(map);
    std::size_t i = 0;
    for (; n - i >= lanes; i += lanes) {
        if constexpr (Q::is_floating_point) {
            i += dequantize_finite<small_format<typename Q::format>>(codes + i, n - i, map.scale, out + i);
            if (n - i < lanes) break;
        }
        store_f32(values(values.load(codes + i), position), out + i);
    }
    if (i == n) return;
    std::uint8_t in[lanes] = {};
    float last[lanes];
    __builtin_memcpy(in, codes + i, n - i);
    store_f32(values(values.load(in), position), last);
    __builtin_memcpy(out + i, last, (n - i) * sizeof(float));
}

template <class Q>
inline void dequantize(std::uint8_t const* codes, std::size_t size, std::size_t count, affine_map const* maps,
                       int position, float* out) noexcept {
    for (std::size_t g = 0; g != count; ++g)
        dequantize_group<Q>(codes + g * size, size, maps[g], position, out + g * size);
}

// All fields of the bytes of one group.
template <class Q>
QUANTO_INLINE void dequantize_fields(std::uint8_t const* codes, std::size_t n, decoder<Q> const (&values)[8 / Q::bits],
                                     float* out, std::size_t plane) noexcept {
    constexpr std::size_t fields = 8 / Q::bits;
    std::size_t i = 0;
    for (; n - i >= lanes; i += lanes) {
        vi const bytes = values[0].load(codes + i);
#pragma GCC unroll 4
        for (std::size_t f = 0; f != fields; ++f)
            store_f32(values[f](bytes, static_cast<int>(f) * Q::bits), out + f * plane + i);
    }
    if (i == n) return;
    std::uint8_t in[lanes] = {};
    float last[lanes];
    __builtin_memcpy(in, codes + i, n - i);
    for (std::size_t f = 0; f != fields; ++f) {
        store_f32(values[f](values[f].load(in), static_cast<int>(f) * Q::bits), last);
        __builtin_memcpy(out + f * plane + i, last, (n - i) * sizeof(float));
    }
}

template <class Q>
inline void dequantize_planes(std::uint8_t const* codes, std::size_t size, std::size_t count, affine_map const* maps,
                              std::size_t stride, float* out, std::size_t plane) noexcept {
    for (std::size_t g = 0; g != count; ++g, codes += size, out += size, ++maps)
        if constexpr (Q::bits == 4)
            dequantize_fields<Q>(codes, size, {decoder<Q>(maps[0]), decoder<Q>(maps[stride])}, out, plane);
        else if constexpr (Q::bits == 2)
            dequantize_fields<Q>(codes, size,
                                 {decoder<Q>(maps[0]), decoder<Q>(maps[stride]), decoder<Q>(maps[2 * stride]),
                                  decoder<Q>(maps[3 * stride])},
                                 out, plane);
}
