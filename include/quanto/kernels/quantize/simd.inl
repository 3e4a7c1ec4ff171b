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
// A float8 code of x / scale is that of x * factor, factor = 2^(bias - 127) / scale: it has the bits of the code where
// float32 has its own, subnormals included, and those that are rounded away below. That is off by less than 2 of the last
// place: the definition's quotient 1/2, factor 1, the product 1/2. The code is that of the definition unless the bits
// below are that near to a half.
inline constexpr std::size_t block_vectors = 8, block = block_vectors * lanes;

// How near is too near: from `near` below a multiple, or a half, to one less above.
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

    // The codes by multiplication, to be saturated, and whether all are those of the division.
    template <class Q>
    class codes {
    public:
        QUANTO_INLINE vi of(vf x, fixed_map const& m) noexcept {
            vi const fixed = to_int(x * m.factor + m.offset);
            nearest_ = lesser_words(nearest_, fixed);
            return fixed >> 16;
        }
        QUANTO_INLINE bool are_sure() const noexcept { return !any_less(nearest_ & 0xffff, 2 * near<Q>); }

    private:
        vi nearest_ = vi{} + 0xffff;
    };
};

struct float8_map {
    float factor = 0.0f;
    bool holds = false;  // factor is a normal number

    template <class Q>
    static float8_map of(affine_map const& m) noexcept {
        constexpr auto unit = bit_cast<float>(static_cast<std::uint32_t>(Q::format::bias) << 23);
        return {unit / m.scale, m.scale >= 0x1p-126f && m.scale * 0x1p-126f <= unit};
    }

    template <class Q>
    class codes {
        using F = small_format<typename Q::format>;
        static constexpr int drop = 23 - F::mantissa_bits;
        static constexpr std::int32_t below = (1 << drop) - 1;

    public:
        QUANTO_INLINE vi of(vf x, float8_map const& m) noexcept {
            vi const u = bits(x * m.factor), magnitude = u & 0x7fff'ffff,
                     r = lesser(magnitude, vi{} + ((F::finite_codes - 1) << drop)) + ((1 << (drop - 1)) + near<Q>);
            nearest_ = lesser(nearest_, r & below);
            largest_ = greater(largest_, magnitude);
            vi const code = r >> drop, all = code | ((u >> 24) & 0x80);
            return F::has_negative_zero ? all : where(code == 0, code, all);
        }
        QUANTO_INLINE bool are_sure() const noexcept {
            return !any_less(lesser(nearest_ - 2 * near<Q>, 0x7f7f'ffff - largest_), 0);
        }

    private:
        vi nearest_ = vi{} + below, largest_{};
    };
};
template <class Q>
using multiplied_map = std::conditional_t<Q::is_floating_point, float8_map, fixed_map>;

template <class Q>
QUANTO_INLINE void store_block(vi const* code, int position, std::uint8_t* codes) noexcept {
    vi const four[4] = {code[0], code[1], code[2], code[3]};
    store_bytes<Q::bits, Q::bits == 8 && !Q::is_floating_point>(four, Q::bits == 8 ? 0 : position, codes);
}

// One block by division. Returns whether no value was NaN.
template <class Q>
__attribute__((noinline)) inline bool divide_block(float const* x, affine_map const& m, int position,
                                                   std::uint8_t* codes) noexcept {
    float const zero = static_cast<float>(m.zero_point);
    [[maybe_unused]] vf const low = vf{} + (Q::bits == 8 ? Q::qmin : -zero);
    [[maybe_unused]] vf const high = vf{} + (Q::bits == 8 ? Q::qmax : Q::qmax - Q::qmin - zero);
    vf const scale = opaque(vf{} + m.scale);
    vi code[block_vectors], magnitude = {};
    for (std::size_t v = 0; v != block_vectors; ++v) {
        vf const value = load_f32(x + v * lanes), shifted = Q::bits == 8 ? value : opaque(value + m.shift);
        magnitude = greater(magnitude, bits(value) & 0x7fff'ffff);
        if constexpr (Q::is_floating_point) {
            code[v] = encode<typename Q::format>(value / scale, true);
        } else {
            vi const nearest = to_int(lesser(high, greater(low, shifted / scale)));
            code[v] = ((nearest + m.zero_point) << 16) >> 16;  // 0 for NaN
        }
    }
    for (std::size_t v = 0; v != block_vectors; v += 4) store_block<Q>(code + v, position, codes + v * lanes);
    return !any_less(0x7f80'0000 - magnitude, 0);
}

// quantize_block, quantize_group and quantize return whether no value was NaN. Its code is never sure: to_int gives a
// multiple of 2^16, and float8_map takes it for too large.
template <class Q>
QUANTO_INLINE bool quantize_block(float const* x, affine_map const& map, multiplied_map<Q> const& multiplied,
                                  int position, std::uint8_t* codes) noexcept {
    if (!multiplied.holds) return divide_block<Q>(x, map, position, codes);
    typename multiplied_map<Q>::template codes<Q> by_multiplication;
    vi code[block_vectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v != block_vectors; ++v) {
        code[v] = by_multiplication.of(load_f32(x + v * lanes), multiplied);
        // 8 bits are stored before it is known, for which there are no registers.
        if (Q::bits == 8 && v % 4 == 3) store_block<Q>(code + v - 3, 0, codes + (v - 3) * lanes);
    }
    if (!by_multiplication.are_sure()) return divide_block<Q>(x, map, position, codes);
    if (Q::bits == 8) return true;
    store_block<Q>(code, position, codes);
    store_block<Q>(code + 4, position, codes + block / 2);
    return true;
}

template <class Q>
QUANTO_INLINE bool quantize_group(float const* x, std::size_t n, affine_map const& map,
                                  multiplied_map<Q> const& multiplied, int position, std::uint8_t* codes) noexcept {
    std::size_t i = 0;
    bool good = true;
    for (; n - i >= block; i += block) good &= quantize_block<Q>(x + i, map, multiplied, position, codes + i);
    if (i == n) return good;
    float in[block] = {};
    std::uint8_t last[block] = {};
    __builtin_memcpy(in, x + i, (n - i) * sizeof(float));
    if (position != 0) __builtin_memcpy(last, codes + i, n - i);
    good &= quantize_block<Q>(in, map, multiplied, position, last);
    __builtin_memcpy(codes + i, last, n - i);
    return good;
}
template <class Q>
QUANTO_INLINE bool quantize_group(float const* x, std::size_t n, affine_map const& map, int position,
                                  std::uint8_t* codes) noexcept {
    return quantize_group<Q>(x, n, map, multiplied_map<Q>::template of<Q>(map), position, codes);
}

template <class Q>
inline bool quantize(float const* x, std::size_t size, std::size_t count, affine_map const* maps, int position,
                     std::uint8_t* codes) noexcept {
    bool good = true;
    for (std::size_t g = 0; g != count; ++g)
        good &= quantize_group<Q>(x + g * size, size, maps[g], position, codes + g * size);
    return good;
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
