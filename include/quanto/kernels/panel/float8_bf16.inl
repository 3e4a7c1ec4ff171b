// Float8 panels times x of bfloat16 by vdpbf16ps, pairs of products added in float32; included by float8.hpp before
// float8_tile.inl, in a namespace that uses avx512's. Every float8 number is a bfloat16 number: two tables give the
// bytes of it for a code without its sign. A word is a pair of x: word 0 elements 0 and 2 of a line, word 1 1 and 3.
// One row goes as floats (product.hpp): a tile has room for four.
// vdpbf16ps takes subnormal numbers for 0, and rounds subnormal results to 0: rows of x are scaled by their factor.

template <QType Q>
struct bf16_table {
    alignas(64) std::uint8_t low[128], high[128];
    constexpr bf16_table() noexcept : low{}, high{} {
        for (unsigned c = 0; c != 128; ++c) {
            auto const bits = bit_cast<std::uint32_t>(Q::format::decode(static_cast<std::uint8_t>(c))) >> 16;
            low[c] = static_cast<std::uint8_t>(bits);
            high[c] = static_cast<std::uint8_t>(bits >> 8);
        }
    }
};
template <QType Q>
inline constexpr bf16_table<Q> bf16_table_of{};

// As that of float.
inline float row_factor(bfloat16 const* x, std::size_t n) noexcept {
    __m512i const magnitude = _mm512_set1_epi16(0x7fff);
    __m512i largest = _mm512_setzero_si512();
    for (std::size_t k = 0; k < n; k += 32) {
        __mmask32 const some = n - k < 32 ? (1u << (n - k)) - 1u : ~0u;
        largest = _mm512_max_epu16(largest, _mm512_and_si512(_mm512_maskz_loadu_epi16(some, x + k), magnitude));
    }
    std::uint32_t const most = _mm512_reduce_max_epu32(
        _mm512_max_epu32(_mm512_slli_epi32(largest, 16), _mm512_and_si512(largest, _mm512_set1_epi32(-65536))));
    std::uint32_t const exponent = most & 0x7f80'0000u;
    return bit_cast<float>(exponent == 0 ? 1u << 23 : exponent);
}

template <QType Q>
struct bf16_step {
    using value = bfloat16;
    static constexpr std::size_t words = 2, least_rows = 1, line_bytes = panel_layout::line_bytes;
    static constexpr float unit = 1.0f;

    class line {
    public:
        QUANTO_INLINE void read(std::byte const* p) noexcept {
            auto const& table = bf16_table_of<Q>;
            __m512i codes = _mm512_loadu_si512(p);
            asm("" : "+v"(codes));  // g++ would load it once for each use
            low_ = _mm512_permutex2var_epi8(_mm512_load_si512(table.low), codes, _mm512_load_si512(table.low + 64));
            high_ = _mm512_permutex2var_epi8(_mm512_load_si512(table.high), codes, _mm512_load_si512(table.high + 64));
            __m512i const sign = _mm512_set1_epi8(static_cast<char>(0x80));
            high_ = _mm512_ternarylogic_epi32(high_, codes, sign, 0xf8);  // a | (b & c)
        }
        template <std::size_t T>
        QUANTO_INLINE vf word() const noexcept {
            __m512i const even = _mm512_set1_epi16(0xff);
            if constexpr (T == 0)  // c ? a : b
                return (vf)_mm512_ternarylogic_epi32(low_, _mm512_slli_epi16(high_, 8), even, 0xe4);
            else
                return (vf)_mm512_ternarylogic_epi32(_mm512_srli_epi16(low_, 8), high_, even, 0xe4);
        }

    private:
        __m512i low_, high_;
    };
    // Exact but for what becomes subnormal beside the largest of the row.
    QUANTO_INLINE static void join(portable::vf (&v)[4]) noexcept {
        using integers = portable::vi;
        typedef std::uint32_t bits __attribute__((vector_size(16)));
        constexpr std::int32_t upper = -65536;
        v[0] = (portable::vf)((integers)((bits)v[0] >> 16) | ((integers)v[2] & upper));
        v[1] = (portable::vf)((integers)((bits)v[1] >> 16) | ((integers)v[3] & upper));
    }
    QUANTO_INLINE static vf add_product(float const* x, vf code, vf sum) noexcept {
#if defined(__clang__)
        return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)code, (__m512bh)_mm512_set1_ps(*x));
#else
        asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(code), "m"(*x));
        return sum;
#endif
    }
};
