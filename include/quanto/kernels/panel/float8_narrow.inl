// float x times a float8 weight of at most 16 rows, which is decoded once; included by float8.hpp for AVX-512.

#include <quanto/kernels/panel/narrow.inl>

template <QType Q>
struct float8_narrow_step {
    using value = float;
    static constexpr bool ones = false;

    QUANTO_INLINE static void read(std::byte const* codes, std::size_t, std::size_t s, __m512i (&word)[4]) noexcept {
        vf four[4];
        decode_line<Q>(codes + 64 * s, four);
        QUANTO_UNROLL
        for (std::size_t j = 0; j != 4; ++j) word[j] = (__m512i)(four[j] * float8_unit<Q>);
    }
    QUANTO_INLINE static __m512i load(value const* p) noexcept {
        return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
    }
    QUANTO_INLINE static __m512i load(value const* p, std::size_t n) noexcept {
        __m512i const v = _mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1u), p);
        return _mm512_shuffle_i32x4(v, v, 0);
    }
    // In place: around multiply_add g++ 12 copies sums.
    QUANTO_INLINE static void multiply(__m512i& sum, __m512i x, __m512i w) noexcept {
#if defined(__clang__)
        sum = (__m512i)_mm512_fmadd_ps((__m512)x, (__m512)w, (__m512)sum);
#else
        asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
#endif
    }
    QUANTO_INLINE static __m512i add(__m512i a, __m512i b) noexcept { return (__m512i)((vf)a + (vf)b); }
    QUANTO_INLINE static void start(__m512i&, __m512i) noexcept {}

    class group {
    public:
        QUANTO_INLINE group(panels const& w, std::size_t g) noexcept
            : scale_(load_scales(w.layout().scale_type, w.group(0, g), 0)) {}
        QUANTO_INLINE __m512 add(__m512 total, __m512i sums, float) const noexcept {
            return (__m512)multiply_add((vf)sums, scale_, (vf)total);
        }

    private:
        vf scale_;
    };
};

// Numbers of a row are multiplied as they are where that loses at most 2^-149 of its largest times (scale + 1), which
// the bound allows: where that is at least scale / 2, and nothing overflows. They are scaled otherwise.
inline bool is_plain(float largest, float largest_scale) noexcept {
    return largest == 0.0f || (largest >= largest_scale * 0.5f && largest < 0x1p60f);
}

// narrow_functions<float>::multiply. scratch: rows that are scaled.
template <QType Q, std::size_t V>
std::uint32_t multiply_narrow_float8(panel_operands<float> const& o, std::byte const* packed, std::byte* scratch,
                                     std::size_t m0, std::size_t valid) noexcept {
    float const* rows[narrow_rows];
    float factors[narrow_rows] = {};
    std::uint32_t defined = 0;
    vf largest_scales{};
    for (std::size_t g = 0; g != o.w.layout().groups(); ++g)
        largest_scales = greater(largest_scales, load_scales(o.w.layout().scale_type, o.w.group(0, g), 0));
    float const largest_scale = largest(largest_scales);
    rows_of_x(o.x.row(m0), o.x.stride, valid, rows);
    for (std::size_t r = 0; r != valid; ++r) {
        float const most = largest_magnitude(rows[r], o.x.cols);
        factors[r] = 1.0f;
        if (is_plain(most, largest_scale)) continue;
        if (!(most < not_summable)) defined |= 1u << r;
        factors[r] = row_factor(rows[r], o.x.cols);
        row_scale const scale(1.0f, factors[r]);
        auto* const scaled = reinterpret_cast<float*>(scratch + r * narrow_stride(o.x.cols, sizeof(float)));
        for (std::size_t k = 0; k != o.x.cols; ++k) scaled[k] = rows[r][k] * scale.first * scale.second;
        rows[r] = scaled;
    }
    alignas(64) float total[narrow_rows][16];
    multiply_narrow<float8_narrow_step<Q>, V>(o.w, packed, rows, factors, total);
    for (std::size_t r = 0; r != narrow_rows; ++r) {
        vf const t = load_f32(total[r]) * factors[r];
        __builtin_memcpy(total[r], &t, sizeof t);
    }
    finish_narrow(o.options, o.y, total, m0, valid);
    return defined;
}

template <QType Q>
narrow_functions<float> narrow_functions_of(std::size_t vectors) noexcept {
    using step = float8_narrow_step<Q>;
    switch (vectors) {
        case 2:
            return {&pack_narrow<step, 2>, &multiply_narrow_float8<Q, 2>};
        case 3:
            return {&pack_narrow<step, 3>, &multiply_narrow_float8<Q, 3>};
        default:
            return {&pack_narrow<step, 4>, &multiply_narrow_float8<Q, 4>};
    }
}
