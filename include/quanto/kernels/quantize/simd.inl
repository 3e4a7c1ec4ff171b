// Values of one group to codes, and the range of values; once per instruction set (each_target.inl).
//
// Integer codes need round((x + shift) / scale). Instead of dividing, the quotient is taken in fixed point, 16 bits of
// fraction, by multiplication with r = 1 / scale (rounded):
//     fixed = to_int((x + shift) * (r * 2^16) + (zero_point + 1/2) * 2^16)          code = fixed >> 16, saturated
// Three roundings of 2^-24 * |quotient| (1 / scale, the product, and the division of the definition), that of the sum
// and that of to_int: with a code that is not saturated, fixed is off by less than 2.6 for 8 bits, where |quotient| <=
// 128 and the sum is below 2^23.01, and by less than 0.8 for 4 bits. So the code is that of the definition unless fixed
// is that near to a multiple of 2^16; a block with such a value is divided.
inline constexpr std::size_t block_vectors = 8, block = block_vectors * lanes;

// low <= round((x + shift) / scale) <= high, code = that + zero_point.
struct integer_map {
    float scale, reciprocal, shift, low, high;
    std::int32_t zero_point;
    bool multiplies;  // nothing overflows

    template <class Q>
    static integer_map of(affine_map const& map) noexcept {
        float const zero = static_cast<float>(map.zero_point);
        return {.scale = map.scale,
                .reciprocal = 1.0f / map.scale,
                .shift = map.shift,
                .low = Q::bits == 8 ? Q::qmin : -zero,
                .high = Q::bits == 8 ? Q::qmax : Q::qmax - Q::qmin - zero,
                .zero_point = map.zero_point,
                .multiplies = map.scale >= 0x1p-100f && map.scale <= 0x1p100f};
    }
};

template <class Q>
QUANTO_KERNEL_INLINE vf shifted(float const* x, integer_map const& m) noexcept {
    if constexpr (Q::bits == 8)
        return load_f32(x);
    else
        return opaque(load_f32(x) + m.shift);
}

// The codes of one block by multiplication, to be saturated; false where they may not be those of the division.
template <class Q>
QUANTO_KERNEL_INLINE bool multiply_block(float const* x, integer_map const& m, vi (&code)[block_vectors]) noexcept {
    constexpr std::int32_t near = Q::bits == 8 ? 3 : 1;  // below a multiple, and one less above
    float const scaled = m.reciprocal * 0x1p16f;
    float const offset = static_cast<float>((m.zero_point << 16) + (1 << 15) + near);
    vi nearest = vi{} + 0xffff;
#pragma GCC unroll 8
    for (std::size_t v = 0; v != block_vectors; ++v) {
        vi const fixed = to_int(shifted<Q>(x + v * lanes, m) * scaled + offset);
        nearest = lesser_words(nearest, fixed);
        code[v] = fixed >> 16;
    }
    return !any_less(nearest & 0xffff, 2 * near);
}

// The same by division. Returns whether no value was NaN.
template <class Q>
QUANTO_KERNEL_INLINE bool divide_block(float const* x, integer_map const& m, vi (&code)[block_vectors]) noexcept {
    vf const low = vf{} + m.low, high = vf{} + m.high, scale = opaque(vf{} + m.scale);
    vi magnitude = {};
#pragma GCC unroll 8
    for (std::size_t v = 0; v != block_vectors; ++v) {
        magnitude = greater(magnitude, bits(load_f32(x + v * lanes)) & 0x7fff'ffff);
        vi const nearest = to_int(lesser(high, greater(low, shifted<Q>(x + v * lanes, m) / scale)));
        code[v] = ((nearest + m.zero_point) << 16) >> 16;  // 0 for NaN
    }
    return !any_less(0x7f80'0000 - magnitude, 0);
}

// Both quantize_block and quantize_group return whether no value was NaN, which is always found where it would round
// to an integer: to_int gives a multiple of 2^16.
template <class Q>
QUANTO_KERNEL_INLINE bool quantize_block(float const* x, integer_map const& m, int position,
                                         std::uint8_t* codes) noexcept {
    vi code[block_vectors];
    bool const good = (m.multiplies && multiply_block<Q>(x, m, code)) || divide_block<Q>(x, m, code);
#pragma GCC unroll 8
    for (std::size_t v = 0; v != block_vectors; v += 4) {
        vi const four[4] = {code[v], code[v + 1], code[v + 2], code[v + 3]};
        store_bytes<Q::bits, Q::bits == 8>(four, position, codes + v * lanes);
    }
    return good;
}

template <class Q>
QUANTO_KERNEL_INLINE bool quantize_group(float const* x, std::size_t n, affine_map const& map, int position,
                                         std::uint8_t* codes) noexcept {
    if constexpr (Q::is_floating_point) {
        using T = typename Q::format;
        encode_all<T, true>(x, n, opaque(vf{} + map.scale), true, reinterpret_cast<T*>(codes));
        return true;
    } else {
        std::size_t i = 0;
        bool good = true;
        auto const m = integer_map::of<Q>(map);
        for (; n - i >= block; i += block) good &= quantize_block<Q>(x + i, m, position, codes + i);
        if (i == n) return good;
        float in[block] = {};
        std::uint8_t last[block] = {};
        __builtin_memcpy(in, x + i, (n - i) * sizeof(float));
        if (position != 0) __builtin_memcpy(last, codes + i, n - i);
        good &= quantize_block<Q>(in, m, position, last);
        __builtin_memcpy(codes + i, last, n - i);
        return good;
    }
}

template <class Q>
inline void quantize(float const* x, std::size_t size, std::size_t count, affine_map const* maps, int position,
                     std::uint8_t* codes) noexcept {
    for (std::size_t g = 0; g != count; ++g) quantize_group<Q>(x + g * size, size, maps[g], position, codes + g * size);
}

// A State of all of x, in four independent chains for the latency of minima; a short x is repeated. n > 0.
template <class State>
QUANTO_KERNEL_INLINE State accumulated(float const* x, std::size_t n) noexcept {
    float few[lanes];
    if (n < lanes)
        for (std::size_t l = 0; l != lanes; ++l) few[l] = x[l < n ? l : 0];
    State a(load_f32(n < lanes ? few : x)), b(a), c(a), d(a);
    std::size_t i = 0;
    for (; n - i >= 4 * lanes; i += 4 * lanes) {
        a.add(load_f32(x + i));
        b.add(load_f32(x + i + lanes));
        c.add(load_f32(x + i + 2 * lanes));
        d.add(load_f32(x + i + 3 * lanes));
    }
    for (; n - i >= lanes; i += lanes) a.add(load_f32(x + i));
    if (i != n && n >= lanes) b.add(load_f32(x + (n - lanes)));
    a.add(b);
    c.add(d);
    a.add(c);
    return a;
}

struct running_range {
    vf low, high;

    QUANTO_KERNEL_INLINE explicit running_range(vf v) noexcept : low(v), high(v) {}
    QUANTO_KERNEL_INLINE void add(vf loaded) noexcept {
        vf const v = opaque(loaded);  // one load, not one for each use
        low = lesser(low, v);
        high = greater(high, v);
    }
    QUANTO_KERNEL_INLINE void add(running_range const& r) noexcept {
        low = lesser(low, r.low);
        high = greater(high, r.high);
    }
};
struct running_magnitude {
    vi bits_of_largest;

    QUANTO_KERNEL_INLINE explicit running_magnitude(vf v) noexcept : bits_of_largest(bits(v) & 0x7fff'ffff) {}
    QUANTO_KERNEL_INLINE void add(vf v) noexcept { add(running_magnitude(v)); }
    QUANTO_KERNEL_INLINE void add(running_magnitude const& m) noexcept {
        bits_of_largest = greater(bits_of_largest, m.bits_of_largest);
    }
};

// Of zeros the first, so that the sign of a shift is that of the definition.
template <class Q>
QUANTO_KERNEL_INLINE value_range range_of_group(float const* x, std::size_t n) noexcept {
    if constexpr (Q::bits == 8) {
        vi const all = accumulated<running_magnitude>(x, n).bits_of_largest;
        return {0.0f, any_less(0x7f7f'ffff - all, 0) ? bit_cast<float>(0x7f80'0000u) : largest(floats(all))};
    } else {
        auto const all = accumulated<running_range>(x, n);
        value_range r{smallest(all.low), largest(all.high)};
        for (std::size_t i = 0; r.low == 0.0f && i != n; ++i)
            if (x[i] == 0.0f) {
                r.low = x[i];
                break;
            }
        return r;
    }
}

template <class Q>
inline value_range range(float const* x, std::size_t n) noexcept {
    return range_of_group<Q>(x, n);
}

// All in one function, without calls: they would save the vectors.
template <class Q>
__attribute__((flatten)) inline bool quantize_by_range(float const* x, std::size_t size, std::size_t count, range_rule const& rule, int position,
                              float* scales, float* shifts, std::uint8_t* codes) noexcept {
    for (std::size_t g = 0; g != count; ++g, x += size, codes += size) {
        affine_map map;
        if (!map_of_range<Q>(range_of_group<Q>(x, size), rule, scales[g], shifts[g], map)) return false;
        if (!quantize_group<Q>(x, size, map, position, codes)) return false;
    }
    return true;
}
