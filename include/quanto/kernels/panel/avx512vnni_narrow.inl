// int8 x, or float x rounded to int8, times a weight of at most 16 rows; included by avx512vnni.hpp. The unsigned
// operand of vpdpbusd is x + 128, so that sums start with -128 * the sum of codes; they are those of multiply_tile.

#include <quanto/kernels/panel/narrow.inl>

template <std::size_t Fields>
struct codes_step {
    using value = std::int8_t;
    static constexpr bool ones = Fields != 1;

    QUANTO_INLINE static __m512i offset() noexcept { return _mm512_set1_epi8(static_cast<char>(0x80)); }
    template <std::size_t J = 0>
    QUANTO_INLINE static void read(std::byte const* codes, std::size_t lines, std::size_t s,
                                   __m512i (&word)[4]) noexcept {
        std::size_t const line = (4 * s + J) / Fields;
        word[J] = _mm512_setzero_si512();
        if (line < lines) {
            word[J] = field<Fields, J % Fields>(_mm512_load_si512(codes + 64 * line));
            if constexpr (Fields == 1) word[J] = _mm512_xor_si512(word[J], offset());
        }
        if constexpr (J != 3) read<J + 1>(codes, lines, s, word);
    }
    QUANTO_INLINE static __m512i load(value const* p) noexcept {
        return _mm512_xor_si512(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p))), offset());
    }
    QUANTO_INLINE static __m512i load(value const* p, std::size_t n) noexcept {
        auto const some = static_cast<__mmask16>((1u << n) - 1u);
        return _mm512_xor_si512(_mm512_broadcast_i32x4(_mm_maskz_loadu_epi8(some, p)), offset());
    }
    QUANTO_INLINE static void multiply(__m512i& sum, __m512i x, __m512i w) noexcept { dot(sum, x, w); }
    QUANTO_INLINE static __m512i add(__m512i a, __m512i b) noexcept { return _mm512_add_epi32(a, b); }
    QUANTO_INLINE static void start(__m512i& sum, __m512i w) noexcept { multiply(sum, offset(), w); }

    class group {
    public:
        QUANTO_INLINE group(panels const& w, std::size_t g) noexcept
            : scale_(load_scales(w.layout().scale_type, w.group(0, g))) {
            if constexpr (Fields != 1) {
                shift_ = load_scales(w.layout().scale_type, w.group(0, g) + w.layout().shift_offset());
                if (w.integer_zero_point()) shift_ = rounded(_mm512_mul_ps(shift_, scale_));
                last_ = _mm512_set1_epi32(static_cast<std::int32_t>(w.rows()));
            }
        }
        QUANTO_INLINE __m512 add(__m512 total, __m512i sums, float row_scale) const noexcept {
            __m512 const a = _mm512_cvtepi32_ps(sums);
            if constexpr (Fields == 1) {
                __m512 const both = rounded(_mm512_mul_ps(_mm512_set1_ps(row_scale), scale_));
                return _mm512_add_ps(total, rounded(_mm512_mul_ps(a, both)));
            } else {
                __m512 const of_codes = _mm512_permutexvar_ps(last_, a);
                __m512 const t = _mm512_add_ps(total, rounded(_mm512_mul_ps(a, scale_)));
                return _mm512_sub_ps(t, rounded(_mm512_mul_ps(of_codes, shift_)));
            }
        }

    private:
        __m512 scale_, shift_{};
        __m512i last_{};
    };
};

// A row of floats as codes, `cols` of them rounded up to 64. Returns their scale, -1 where the row follows the
// definition.
inline float round_row(float const* x, std::size_t cols, std::int8_t* codes) noexcept {
    std::uint32_t const largest = largest_magnitude(x, cols);
    float scale;
    __m512 const inverse = _mm512_set1_ps(scale_of_codes(largest, 127.0f, scale));
    for (std::size_t k = 0; k < cols; k += 64) _mm512_storeu_si512(codes + k, codes_of(x + k, cols - k, inverse));
    return follows_definition(largest) ? -1.0f : scale;
}

// narrow_functions<T>::multiply. scratch: the codes of float rows.
template <std::size_t Fields, std::size_t V, class T>
std::uint32_t multiply_narrow_codes(panel_operands<T> const& o, std::byte const* packed, std::byte* scratch,
                                    std::size_t m0, std::size_t valid) noexcept {
    std::int8_t const* rows[narrow_rows];
    float scales[narrow_rows];
    std::uint32_t defined = 0;
    if constexpr (std::is_same_v<T, std::int8_t>) {
        rows_of_x(o.x.row(m0), o.x.stride, valid, rows);
        for (float& s : scales) s = o.x_scale;
    } else {
        auto* const codes = reinterpret_cast<std::int8_t*>(scratch);
        std::size_t const stride = narrow_stride(o.x.cols, sizeof(std::int8_t));
        rows_of_x(static_cast<std::int8_t const*>(codes), stride, valid, rows);
        for (std::size_t r = 0; r != narrow_rows; ++r) {
            scales[r] = r < valid ? round_row(o.x.row(m0 + r), o.x.cols, codes + r * stride) : 0.0f;
            if (scales[r] < 0.0f) defined |= 1u << r;
        }
    }
    alignas(64) float total[narrow_rows][16];
    multiply_narrow<codes_step<Fields>, V>(o.w, packed, rows, scales, total);
    if constexpr (Fields != 1)
        for (std::size_t r = 0; r != narrow_rows; ++r)
            _mm512_store_ps(total[r], _mm512_mul_ps(_mm512_load_ps(total[r]), _mm512_set1_ps(scales[r])));
    finish_narrow(o.options, o.y, total, m0, valid);
    return defined;
}

template <std::size_t Fields, class T>
narrow_functions<T> narrow_functions_of(std::size_t vectors) noexcept {
    using step = codes_step<Fields>;
    switch (vectors) {
        case 2:
            return {&pack_narrow<step, 2>, &multiply_narrow_codes<Fields, 2, T>};
        case 3:
            return {&pack_narrow<step, 3>, &multiply_narrow_codes<Fields, 3, T>};
        default:
            return {&pack_narrow<step, 4>, &multiply_narrow_codes<Fields, 4, T>};
    }
}
