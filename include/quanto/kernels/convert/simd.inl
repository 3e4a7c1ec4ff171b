// float <-> float16, bfloat16 and the float8 formats; once per instruction set (each_target.inl). The codes of a format
// are in the order of their values, so rounding is on integers:
//     normal      (bits - rebias + half of the last place, less one where even) >> dropped bits
//     subnormal   bits(|x| + magic) - bits(magic), magic the float whose last place is the format's smallest value
// Back: exponent and mantissa moved to where float has them, the bias by a multiplication that is exact.

template <class T>
QUANTO_INLINE vi encode(vf x, bool saturate) noexcept {
    using F = small_format<T>;
    constexpr int drop = 23 - F::mantissa_bits;
    constexpr std::int32_t rebias = (127 - F::bias) << 23, smallest_normal = rebias + (1 << 23);
    constexpr std::int32_t magic = (128 - F::bias - F::mantissa_bits + 23) << 23;
    constexpr std::int32_t sign_bit = 1 << (F::bits - 1);
    vi const u = bits(x), a = u & 0x7fff'ffff, r = where(a > 0x7f80'0000, vi{} + 0x7f80'0000, a) - rebias;
    vi const normal = (r + ((1 << (drop - 1)) - 1) + ((r >> drop) & 1)) >> drop;
    vi const subnormal = bits(opaque(floats(a) + bit_cast<float>(magic))) - magic;
    vi code = where(a < smallest_normal, subnormal, normal);
    auto const beyond = code >= F::finite_codes;
    code =
        where(beyond, vi{} + (saturate ? F::finite_codes - 1 : F::finite_codes), code);  // the first after is infinity
    vi const sign = (u >> (32 - F::bits)) & sign_bit;
    code = F::has_negative_zero ? code | sign : where(code == 0, code, code | sign);
    if (!F::has_infinity && !saturate) code = where(beyond, vi{} + F::nan, code);
    vi nan = vi{} + F::nan;
    if constexpr (F::keeps_nan)
        nan = ((u >> 16) & 0xffff) | 0x40;
    else if constexpr (F::bits == 16)
        nan = nan | sign;
    return where(a > 0x7f80'0000, nan, code);
}

template <class T>
QUANTO_INLINE vf decode_small(vi code) noexcept {
    using F = small_format<T>;
    constexpr int up = 23 - F::mantissa_bits;
    constexpr std::int32_t sign_bit = 1 << (F::bits - 1);
    vi const rest = code & (sign_bit - 1), sign = (code & sign_bit) << (32 - F::bits);
    if constexpr (F::bias == 127) return floats(code << 16);
    vf const magnitude = floats(rest << up) * bit_cast<float>(static_cast<std::uint32_t>(254 - F::bias) << 23);
    vi value = bits(magnitude);
    if constexpr (F::bits == 16) {
        value = where(rest >= F::finite_codes, (rest << up) | 0x7f80'0000, value);
    } else if constexpr (F::has_negative_zero) {
        value = where(rest >= F::finite_codes, vi{} + 0x7fc0'0000, value);
        if constexpr (F::has_infinity) value = where(rest == F::finite_codes, vi{} + 0x7f80'0000, value);
    }
    if constexpr (F::has_negative_zero) return floats(value | sign);
    return floats(where(code == sign_bit, vi{} + 0x7fc0'0000, value | sign));
}

template <class T>
QUANTO_INLINE vi load_codes(T const* p) noexcept {
    if constexpr (sizeof(T) == 2)
        return load_words(reinterpret_cast<std::uint16_t const*>(p));
    else
        return load_bytes<false>(reinterpret_cast<std::uint8_t const*>(p));
}
inline constexpr std::size_t small_block = 4 * lanes;

template <class T>
QUANTO_INLINE void encode_block(float const* x, bool saturate, T* out) noexcept {
    vi codes[4];
    for (std::size_t i = 0; i != 4; ++i) codes[i] = encode<T>(load_f32(x + i * lanes), saturate);
    if constexpr (sizeof(T) == 1)
        store_bytes<8, false>(codes, 0, reinterpret_cast<std::uint8_t*>(out));
    else
        for (std::size_t i = 0; i != 4; ++i) store_words(codes[i], reinterpret_cast<std::uint16_t*>(out + i * lanes));
}

template <class T>
inline void convert_from_f32(float const* x, std::size_t n, bool saturate, T* out) noexcept {
    std::size_t i = 0;
    for (; n - i >= small_block; i += small_block) encode_block(x + i, saturate, out + i);
    if (i == n) return;
    float in[small_block] = {};
    T last[small_block];
    __builtin_memcpy(in, x + i, (n - i) * sizeof(float));
    encode_block(in, saturate, last);
    __builtin_memcpy(static_cast<void*>(out + i), last, (n - i) * sizeof(T));
}

template <class T>
inline void convert_to_f32(T const* x, std::size_t n, float* out) noexcept {
    std::size_t i = 0;
    for (; n - i >= lanes; i += lanes) store_f32(decode_small<T>(load_codes(x + i)), out + i);
    if (i == n) return;
    T in[lanes] = {};
    float last[lanes];
    __builtin_memcpy(static_cast<void*>(in), x + i, (n - i) * sizeof(T));
    store_f32(decode_small<T>(load_codes(in)), last);
    __builtin_memcpy(out + i, last, (n - i) * sizeof(float));
}
