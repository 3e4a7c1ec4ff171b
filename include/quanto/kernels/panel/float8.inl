// Products of float8 panels, included by float8.hpp once per instruction set, in the namespaces of dense.inl, whose
// vectors they use. Q: a float8 qtype; x (M, K) float.
//
// A code becomes float32 by moving its bits to where float32 has them: sign, exponent and mantissa then mean
// value * 2^(bias - 127), subnormals included. Rows of x are scaled by a power of two that takes the 2^(bias - 127) back.
//     up to 4 rows   float8_dot, reads w once, at the speed of memory
//     more           tiles of rows share what is decoded: float8_tile.inl

inline constexpr std::size_t line_parts = panel_layout::panel_rows / lanes;  // vectors of a line

typedef std::int16_t vw __attribute__((vector_size(QUANTO_KERNEL_BYTES)));

// Byte T of each 32-bit lane of the line at p, as value * 2^(bias - 127). A code in the upper byte of 16 bits
// needs one shift there, which keeps the sign: two loads, the second a byte before, bring all four codes to such a
// place. One that is decoded alone is loaded from 3 - T bytes before, which no shift to the left follows. Reads from
// p - 3 on: a header precedes the lines.
template <QType Q, std::size_t T, std::size_t Before = 1 - T % 2>
QUANTO_INLINE vf decode_byte(std::byte const* p) noexcept {
    constexpr int drop = Q::format::mantissa_bits + 1;
    constexpr std::int32_t kept = static_cast<std::int32_t>(0x8000'0000u | (0x7fu << (24 - drop)));
    vi const two = (vi)(load_as<vw>(p - Before) >> drop);
    return (vf)((T + Before < 2 ? two << 16 : two) & kept);
}
template <QType Q>
QUANTO_INLINE void decode_line(std::byte const* p, vf (&four)[4]) noexcept {
    four[0] = decode_byte<Q, 0>(p);
    four[1] = decode_byte<Q, 1>(p);
    four[2] = decode_byte<Q, 2>(p);
    four[3] = decode_byte<Q, 3>(p);
}
template <QType Q>
inline constexpr float float8_unit = bit_cast<float>(static_cast<std::uint32_t>(254 - Q::format::bias) << 23);

// x of float in tiles: a word is a number, word t meets byte t of each lane. Fewer rows than least_rows have float8_dot.
template <QType Q>
struct f32_step {
    using value = float;
    static constexpr std::size_t words = 4, least_rows = lanes == 16 ? 8 : 4, line_bytes = panel_layout::line_bytes;
    static constexpr float unit = float8_unit<Q>;

    class line {
    public:
        QUANTO_INLINE void read(std::byte const* p) noexcept { at_ = p; }
        template <std::size_t T>
        QUANTO_INLINE vf word() const noexcept {
            std::byte const* p = at_;
            // g++ would load ahead, and of 16 registers have none left for a sum.
            if constexpr (lanes != 16) asm volatile("" : "+r"(p));
            return decode_byte < Q, T, lanes == 16 ? 1 - T % 2 : 3 - T > (p);
        }

    private:
        std::byte const* at_;
    };
    QUANTO_INLINE static void join(portable::vf (&)[4]) noexcept {}
    QUANTO_INLINE static vf add_product(float const* x, vf code, vf sum) noexcept { return multiply_add(x, code, sum); }
};

// The same where w is decoded before, once for all tiles: [line][byte][16 rows].
template <QType Q>
struct decoded_step : f32_step<Q> {
    static constexpr std::size_t line_bytes = panel_layout::line_bytes * sizeof(float);

    class line {
    public:
        QUANTO_INLINE void read(std::byte const* p) noexcept { at_ = p; }
        template <std::size_t T>
        QUANTO_INLINE vf word() const noexcept {
            return load_f32(at_ + T * panel_layout::panel_rows * sizeof(float));
        }

    private:
        std::byte const* at_;
    };
};
template <QType Q>
void decode_lines(std::byte const* w, std::size_t lines, std::byte* out) noexcept {
    for (; lines != 0; --lines, w += panel_layout::line_bytes, out += decoded_step<Q>::line_bytes)
#pragma GCC unroll 2
        for (std::size_t h = 0; h != line_parts; ++h) {
            vf four[4];
            decode_line<Q>(w + h * sizeof(vf), four);
#pragma GCC unroll 4
            for (std::size_t t = 0; t != 4; ++t)
                __builtin_memcpy(out + t * panel_layout::panel_rows * sizeof(float) + h * sizeof(vf), &four[t],
                                 sizeof(vf));
        }
}

// Part h of the 16 scales of a header.
QUANTO_INLINE vf load_scales(dtype type, std::byte const* header, std::size_t h) noexcept {
    if (type == dtype::f32) return load_f32(header + h * sizeof(vf));
    if (type == dtype::f16) return load_weights(reinterpret_cast<float16 const*>(header) + h * lanes);
    return load_weights(reinterpret_cast<bfloat16 const*>(header) + h * lanes);
}

QUANTO_INLINE vi magnitude(float const* p) noexcept { return load_as<vi>(p) & 0x7fff'ffff; }
// The largest |x| of a row; infinity where it has NaN.
inline float largest_magnitude(float const* x, std::size_t n) noexcept {
    float few[lanes] = {};
    if (n < lanes) {
        __builtin_memcpy(few, x, n * sizeof(float));
        x = few;
        n = lanes;
    }
    vi all = magnitude(x + n - lanes), other{};
    std::size_t k = 0;
    for (; n - k >= 2 * lanes; k += 2 * lanes) {
        all = greater(all, magnitude(x + k));
        other = greater(other, magnitude(x + k + lanes));
    }
    if (n - k >= lanes) other = greater(other, magnitude(x + k));
    all = greater(all, other);
    return any_less(0x7f7f'ffff - all, 0) ? bit_cast<float>(0x7f80'0000u) : largest(floats(all));
}

// The power of two at or below the largest |x| of a row, so that no product with x / factor is below normal numbers for
// its size; infinity for NaN.
inline float row_factor(float const* x, std::size_t n) noexcept {
    std::uint32_t const exponent = bit_cast<std::uint32_t>(largest_magnitude(x, n)) & 0x7f80'0000u;
    return bit_cast<float>(exponent == 0 ? 1u << 23 : exponent);
}
// unit / factor as two factors, so that neither step loses a bit. unit: a power of two.
struct row_scale {
    float first, second;
    row_scale(float unit, float factor) noexcept {
        auto const exponent = [](float v) { return static_cast<int>(bit_cast<std::uint32_t>(v) >> 23); };
        int const all = exponent(unit) - exponent(factor), half = all / 2;
        first = bit_cast<float>((127 + half) << 23);
        second = bit_cast<float>((127 + all - half) << 23);
    }
};

// A row of x for float8_dot: group after group, each padded with 0 to whole lines, times float8_unit / factor. Returns
// the factor.
template <QType Q>
inline float pack_dot_row(panel_layout const& layout, float const* x, float* out) noexcept {
    float const factor = row_factor(x, layout.cols);
    row_scale const scale(float8_unit<Q>, factor);
    for (std::size_t g = 0; g != layout.groups(); ++g) {
        std::size_t const size = layout.size_of_group(g), padded = layout.lines(size) * layout.line_cols();
        std::size_t i = 0;
        for (; size - i >= lanes; i += lanes) {
            vf const v = load_f32(x + i) * scale.first * scale.second;
            __builtin_memcpy(out + i, &v, sizeof v);
        }
        for (; i != size; ++i) out[i] = x[i] * scale.first * scale.second;
        for (; i != padded; ++i) out[i] = 0.0f;
        x += size;
        out += padded;
    }
    return factor;
}

// y(m, n ..) = the finished v, as far as y goes.
template <class T>
__attribute__((noinline)) void finish(panel_operands<T> const& o, vf v, std::size_t m, std::size_t n) noexcept {
    if (n >= o.y.cols) return;
    float part[lanes];
    __builtin_memcpy(part, &v, sizeof part);
    finish_outputs(o.options, o.y, &part, 1, m, n, o.y.cols - n < lanes ? o.y.cols - n : lanes);
}

// sum += a line of codes times x of M rows, `stride` floats apart. Bytes that one load serves are multiplied in a row.
template <QType Q, std::size_t M, std::size_t Sums>
QUANTO_INLINE void dot_line(vf (&sum)[M][line_parts][Sums], std::byte const* line, float const* x,
                            std::size_t stride) noexcept {
    auto const multiply = [&]<std::size_t T>() __attribute__((always_inline)) {
        vf code[line_parts];
#pragma GCC unroll 2
        for (std::size_t h = 0; h != line_parts; ++h) code[h] = decode_byte<Q, T>(line + h * sizeof(vf));
#pragma GCC unroll 4
        for (std::size_t m = 0; m != M; ++m) {
            float const* const a = x + m * stride + T;
            if constexpr (line_parts == 1) {
                sum[m][0][T % Sums] = multiply_add(a, code[0], sum[m][0][T % Sums]);
            } else {
                vf const both = broadcast(*a);
#pragma GCC unroll 2
                for (std::size_t h = 0; h != line_parts; ++h)
                    sum[m][h][T % Sums] = multiply_add(both, code[h], sum[m][h][T % Sums]);
            }
        }
    };
    multiply.template operator()<0>();
    multiply.template operator()<2>();
    multiply.template operator()<1>();
    multiply.template operator()<3>();
}

// Rows m0 .. m0 + M of x, packed `stride` floats apart, times panels.
template <QType Q, std::size_t M>
void float8_dot(panel_operands<float> const& o, float const* x, std::size_t stride, float const* factors,
                panel_range range) noexcept {
    constexpr std::size_t sums = M == 1 ? 4 : M == 2 ? 2 : 1;  // independent ones, for the latency of an addition
    constexpr std::size_t at_once = M == 1 && line_parts == 1 ? 8 : 1;
    panel_layout const& layout = o.w.layout();
    std::byte const* w = o.w.bytes().data() + range.begin * layout.panel_bytes();
    std::size_t const groups = layout.groups(), header_bytes = layout.header_bytes();
    for (std::size_t panel = range.begin; panel != range.end; ++panel) {
        vf total[M][line_parts] = {};
        float const* xs = x;
        for (std::size_t g = 0; g != groups; ++g) {
            std::byte const* const header = w;
            w += header_bytes;
            vf sum[M][line_parts][sums];
#pragma GCC unroll 4
            for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 2
                for (std::size_t h = 0; h != line_parts; ++h)
#pragma GCC unroll 4
                    for (std::size_t i = 0; i != sums; ++i) sum[m][h][i] = vf{};
            std::size_t left = layout.lines(layout.size_of_group(g));
            if constexpr (at_once != 1)
                for (; left >= at_once; left -= at_once, w += panel_layout::line_bytes * at_once, xs += 4 * at_once) {
                    // Fetched ahead: misses of x disturb the hardware's prefetching of w.
                    __builtin_prefetch(xs + 4 * at_once);
                    __builtin_prefetch(xs + 4 * at_once + lanes);
#pragma GCC unroll 8
                    for (std::size_t l = 0; l != at_once; ++l)
                        dot_line<Q>(sum, w + panel_layout::line_bytes * l, xs + 4 * l, stride);
                }
            for (; left != 0; --left, w += panel_layout::line_bytes, xs += 4) dot_line<Q>(sum, w, xs, stride);
#pragma GCC unroll 2
            for (std::size_t h = 0; h != line_parts; ++h) {
                vf const scale = load_scales(layout.scale_type, header, h);
#pragma GCC unroll 4
                for (std::size_t m = 0; m != M; ++m) {
#pragma GCC unroll 4
                    for (std::size_t i = 1; i < sums; ++i) sum[m][h][0] += sum[m][h][i];
                    total[m][h] += sum[m][h][0] * scale;
                }
            }
        }
        std::size_t const n0 = panel * panel_layout::panel_rows;
#pragma GCC unroll 4
        for (std::size_t m = 0; m != M; ++m)
#pragma GCC unroll 2
            for (std::size_t h = 0; h != line_parts; ++h) finish(o, total[m][h] * factors[m], m, n0 + h * lanes);
    }
}
