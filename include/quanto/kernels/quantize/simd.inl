// Values of one group to codes, and the range of values; once per instruction set (each_target.inl).
//
// Integer codes need round((x + shift) / scale) + zero_point. Instead of dividing, that is taken in fixed point, 16
// bits of fraction, by one multiplication:
//     fixed = to_int(x * factor + offset)                        code = fixed >> 16, saturated
//     factor = 2^16 / scale, rounded                             offset = shift * factor + (zero_point + 1/2) * 2^16
// Where the code is not saturated and |shift| <= 64 * scale, fixed is off by less than
//     4 bits   1.6   |quotient| <= 16: roundings of the definition 2/16, of factor 1/16, of x * factor and shift *
//                    factor 80/256 and 64/256, of offset 1/4, of the sum 1/16, and to_int 1/2
//     8 bits   2.5   |quotient| <= 128, no shift: the division 1/2, factor 1/2, the product 1/2, the sum 1/2, to_int
//     1/2
// So the code is that of the definition unless fixed is that near to a multiple of 2^16; a block with such a value is
// divided.
inline constexpr std::size_t block_vectors = 8, block = block_vectors * lanes;

// How near is too near: from `near` below a multiple to one less above.
template <class Q>
inline constexpr std::int32_t near = Q::bits == 8 ? 3 : 2;

struct fixed_map {
    float factor = 0.0f, offset = 0.0f;
    bool holds = false;  // the bounds above, and nothing overflows

    template <class Q>
    static fixed_map of(affine_map const& m) noexcept {
        float const factor = 0x1p16f / m.scale;
        return {factor, rounded(m.shift * factor) + static_cast<float>((m.zero_point << 16) + (1 << 15) + near<Q>),
                m.scale >= 0x1p-100f && m.scale <= 0x1p100f && absolute(m.shift) <= 64 * m.scale};
    }
};

// The codes of one block by multiplication, to be saturated; false where they may not be those of the division.
template <class Q>
QUANTO_INLINE bool multiply_block(float const* x, fixed_map const& m, vi (&code)[block_vectors]) noexcept {
    vi nearest = vi{} + 0xffff;
#pragma GCC unroll 8
    for (std::size_t v = 0; v != block_vectors; ++v) {
        vi const fixed = to_int(load_f32(x + v * lanes) * m.factor + m.offset);
        nearest = lesser_words(nearest, fixed);
        code[v] = fixed >> 16;
    }
    return !any_less(nearest & 0xffff, 2 * near<Q>);
}

template <class Q>
QUANTO_INLINE void store_block(vi const* code, int position, std::uint8_t* codes) noexcept {
    vi const four[4] = {code[0], code[1], code[2], code[3]};
    store_bytes<Q::bits, Q::bits == 8>(four, position, codes);
}

// One block by division. Returns whether no value was NaN.
template <class Q>
__attribute__((noinline)) inline bool divide_block(float const* x, affine_map const& m, int position,
                                                   std::uint8_t* codes) noexcept {
    float const zero = static_cast<float>(m.zero_point);
    vf const low = vf{} + (Q::bits == 8 ? Q::qmin : -zero);
    vf const high = vf{} + (Q::bits == 8 ? Q::qmax : Q::qmax - Q::qmin - zero);
    vf const scale = opaque(vf{} + m.scale);
    vi code[block_vectors], magnitude = {};
    for (std::size_t v = 0; v != block_vectors; ++v) {
        vf const value = load_f32(x + v * lanes), shifted = Q::bits == 8 ? value : opaque(value + m.shift);
        magnitude = greater(magnitude, bits(value) & 0x7fff'ffff);
        vi const nearest = to_int(lesser(high, greater(low, shifted / scale)));
        code[v] = ((nearest + m.zero_point) << 16) >> 16;  // 0 for NaN
    }
    for (std::size_t v = 0; v != block_vectors; v += 4) store_block<Q>(code + v, position, codes + v * lanes);
    return !any_less(0x7f80'0000 - magnitude, 0);
}

// Both quantize_block and quantize_group return whether no integer was asked of NaN; multiply_block finds it, to_int
// giving a multiple of 2^16.
template <class Q>
QUANTO_INLINE bool quantize_block(float const* x, affine_map const& map, fixed_map const& fixed, int position,
                                  std::uint8_t* codes) noexcept {
    vi code[block_vectors];
    if (!fixed.holds || !multiply_block<Q>(x, fixed, code)) return divide_block<Q>(x, map, position, codes);
    store_block<Q>(code, position, codes);
    store_block<Q>(code + 4, position, codes + block / 2);
    return true;
}

template <class Q>
QUANTO_INLINE bool quantize_group(float const* x, std::size_t n, affine_map const& map, fixed_map const& fixed,
                                  int position, std::uint8_t* codes) noexcept {
    std::size_t i = 0;
    bool good = true;
    for (; n - i >= block; i += block) good &= quantize_block<Q>(x + i, map, fixed, position, codes + i);
    if (i == n) return good;
    float in[block] = {};
    std::uint8_t last[block] = {};
    __builtin_memcpy(in, x + i, (n - i) * sizeof(float));
    if (position != 0) __builtin_memcpy(last, codes + i, n - i);
    good &= quantize_block<Q>(in, map, fixed, position, last);
    __builtin_memcpy(codes + i, last, n - i);
    return good;
}
template <class Q>
QUANTO_INLINE bool quantize_group(float const* x, std::size_t n, affine_map const& map, int position,
                                  std::uint8_t* codes) noexcept {
    if constexpr (Q::is_floating_point) {
        using T = typename Q::format;
        encode_all<T, true>(x, n, opaque(vf{} + map.scale), true, reinterpret_cast<T*>(codes));
        return true;
    } else {
        return quantize_group<Q>(x, n, map, fixed_map::of<Q>(map), position, codes);
    }
}

template <class Q>
inline void quantize(float const* x, std::size_t size, std::size_t count, affine_map const* maps, int position,
                     std::uint8_t* codes) noexcept {
    for (std::size_t g = 0; g != count; ++g) quantize_group<Q>(x + g * size, size, maps[g], position, codes + g * size);
}

// A State of all of x, in four independent chains for the latency of minima; a short x is repeated. n > 0.
template <class State>
QUANTO_INLINE State accumulated(float const* x, std::size_t n) noexcept {
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

    QUANTO_INLINE explicit running_range(vf v) noexcept : low(v), high(v) {}
    QUANTO_INLINE void add(vf loaded) noexcept {
        vf const v = opaque(loaded);  // one load, not one for each use
        low = lesser(low, v);
        high = greater(high, v);
    }
    QUANTO_INLINE void add(running_range const& r) noexcept {
        low = lesser(low, r.low);
        high = greater(high, r.high);
    }
};
struct running_magnitude {
    vi bits_of_largest;

    QUANTO_INLINE explicit running_magnitude(vf v) noexcept : bits_of_largest(bits(v) & 0x7fff'ffff) {}
    QUANTO_INLINE void add(vf v) noexcept { add(running_magnitude(v)); }
    QUANTO_INLINE void add(running_magnitude const& m) noexcept {
        bits_of_largest = greater(bits_of_largest, m.bits_of_largest);
    }
};

// Of zeros the first, so that the sign of a shift is that of the definition.
template <class Q>
QUANTO_INLINE value_range range_of_group(float const* x, std::size_t n) noexcept {
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

// Groups whose scales are computed at once. While their codes are, the ranges of the next are found: other operations,
// which a processor overlaps.
struct group_batch {
    float low[lanes], high[lanes], factor[lanes], offset[lanes];

    template <class Q>
    QUANTO_INLINE void find_range(std::size_t i, float const* x, std::size_t size) noexcept {
        value_range const r = range_of_group<Q>(x, size);
        low[i] = r.low;
        high[i] = r.high;
    }
    // map_of_range and fixed_map::of, where all groups are ordinary: floats of medium size, and no rule but the range.
    template <class Q>
    QUANTO_INLINE bool make_maps(float* scales, float* shifts) noexcept {
        vf const least = load_f32(low), scale = (load_f32(high) - least) / static_cast<float>(levels<Q>);
        vi const size = bits(scale), magnitude = bits(least) & 0x7fff'ffff;
        vf const shift = floats(bits(least) ^ std::numeric_limits<std::int32_t>::min()), by = 0x1p16f / scale;
        store_f32(scale, scales);
        store_f32(shift, shifts);
        store_f32(by, factor);
        store_f32(opaque(shift * by) + static_cast<float>((1 << 15) + near<Q>), offset);
        return !any_less(size, bit_cast<std::int32_t>(0x1p-100f)) &&
               !any_less(bit_cast<std::int32_t>(0x1p100f) - size, 0) && !any_less(bits(scale * 64.0f) - magnitude, 0);
    }
};

// The groups of whole batches, from the first, while all in a batch are ordinary; returns how many. `good`: as above.
template <class Q>
QUANTO_INLINE std::size_t quantize_batches(float const* x, std::size_t size, std::size_t count, int position,
                                           float* scales, float* shifts, std::uint8_t* codes, bool& good) noexcept {
    group_batch now, next;
    if (count < lanes) return 0;
    for (std::size_t i = 0; i != lanes; ++i) next.find_range<Q>(i, x + i * size, size);
    std::size_t g = 0;
    while (count - g >= lanes) {
        now = next;
        if (!now.make_maps<Q>(scales + g, shifts + g)) break;
        bool const another = count - g >= 2 * lanes;
        for (std::size_t i = 0; i != lanes; ++i, ++g) {
            if (another) next.find_range<Q>(i, x + (g + lanes) * size, size);
            good &= quantize_group<Q>(x + g * size, size, {scales[g], shifts[g]}, {now.factor[i], now.offset[i], true},
                                      position, codes + g * size);
        }
    }
    return g;
}

template <class Q>
inline bool quantize_by_range(float const* x, std::size_t size, std::size_t count, range_rule const& rule, int position,
                              float* scales, float* shifts, std::uint8_t* codes) noexcept {
    bool good = true;
    std::size_t g = 0;
    bool const batches = rule.stored == dtype::f32 && !rule.with_zero && !rule.integer_zero_point;
    while (g != count) {
        if constexpr (SubByteQType<Q>)
            if (batches && size * lanes <= 2048) {  // the values of two batches stay in the first cache
                g += quantize_batches<Q>(x + g * size, size, count - g, position, scales + g, shifts + g,
                                         codes + g * size, good);
            }
        for (std::size_t i = 0; g != count && i != lanes; ++i, ++g) {
            affine_map map;
            if (!map_of_range<Q>(range_of_group<Q>(x + g * size, size), rule, scales[g], shifts[g], map)) return false;
            good &= quantize_group<Q>(x + g * size, size, map, position, codes + g * size);
        }
    }
    return good;
}
