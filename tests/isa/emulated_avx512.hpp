// AVX-512 on a processor that has AVX2 alone, for correctness: included before all else, it makes the library take its
// kernels for AVX-512, and has the intrinsics that these call.
//     clang++ -std=c++20 -O1 -Wno-psabi -Iinclude -include tests/isa/emulated_avx512.hpp ...
// They are functions of namespace quanto, which hide those of <immintrin.h>, from Intel's Intrinsics Guide: by halves
// where AVX2 has the operation, else lane by lane. One that is missing here does not compile. For clang, whose kernels
// have intrinsics where those for g++ have asm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#define __builtin_cpu_supports(feature) 1

#include <quanto/kernels/target.hpp>

#undef QUANTO_AVX512
#undef QUANTO_AVX512VNNI
#undef QUANTO_AVX512BF16
#define QUANTO_AVX512 QUANTO_AVX2
#define QUANTO_AVX512VNNI QUANTO_AVX2
#define QUANTO_AVX512BF16 QUANTO_AVX2

// asm of one operand, asm("" : "+v"(v)), makes v a value of its own, in a register that there is not: left out. clang
// fuses no operations of two expressions.
#define QUANTO_ASM_(...) static_cast<void>(0)
#define QUANTO_ASM_operands(...) __asm__(__VA_ARGS__)
#define asm(first, ...) QUANTO_ASM_##__VA_OPT__(operands)(first __VA_OPT__(, ) __VA_ARGS__)

// <immintrin.h> has macros of these names.
#undef _mm512_cmp_ps_mask
#undef _mm512_cmplt_epi32_mask
#undef _mm512_cvt_roundps_epi32
#undef _mm512_extracti32x4_epi32
#undef _mm512_extracti64x4_epi64
#undef _mm512_maskz_shuffle_f32x4
#undef _mm512_permute_ps
#undef _mm512_reduce_ps
#undef _mm512_setr_epi32
#undef _mm512_shuffle_epi32
#undef _mm512_shuffle_f32x4
#undef _mm512_shuffle_i32x4
#undef _mm512_ternarylogic_epi32

namespace quanto {

QUANTO_TARGET_BEGIN(QUANTO_AVX2)

namespace emulated {

template <class E, int Bytes = 64>
using vector = E __attribute__((vector_size(Bytes)));
using bytes = vector<std::uint8_t>;
using words = vector<std::uint16_t>;
using u32 = vector<std::uint32_t>;
using i32 = vector<std::int32_t>;

template <class V>
inline constexpr std::size_t lanes_of = sizeof(V) / sizeof(V{}[0]);

// Part i of a vector, or of an array of parts.
template <class Part, class V>
QUANTO_INLINE Part part(V const& v, int i) noexcept {
    Part p;
    __builtin_memcpy(&p, reinterpret_cast<char const*>(&v) + static_cast<std::size_t>(i) * sizeof p, sizeof p);
    return p;
}
template <class V, class Half>
QUANTO_INLINE V join(Half low, Half high) noexcept {
    Half const both[] = {low, high};
    return part<V>(both, 0);
}
template <int I>
QUANTO_INLINE __m256 half(__m512 v) noexcept {
    return part<__m256>(v, I);
}
template <int I>
QUANTO_INLINE __m256d half(__m512d v) noexcept {
    return part<__m256d>(v, I);
}
template <int I>
QUANTO_INLINE __m256i half(__m512i v) noexcept {
    return part<__m256i>(v, I);
}

// Lane i is f(i).
template <class V, class F>
QUANTO_INLINE V lanes(F const& f) noexcept {
    V v{};
    for (std::size_t i = 0; i != lanes_of<V>; ++i) v[i] = f(i);
    return v;
}
QUANTO_INLINE bool bit(std::uint64_t mask, std::size_t i) noexcept { return (mask >> i & 1u) != 0; }

// Elements whose bit is set; of others the memory is not touched, and lanes are 0.
template <class V>
V load(std::uint64_t mask, void const* p) noexcept {
    constexpr std::size_t size = sizeof(V) / lanes_of<V>;
    V v{};
    for (std::size_t at = 0; at != sizeof v; at += size)
        if (bit(mask, at / size))
            __builtin_memcpy(reinterpret_cast<char*>(&v) + at, static_cast<char const*>(p) + at, size);
    return v;
}
template <class V>
void store(std::uint64_t mask, V v, void* p) noexcept {
    constexpr std::size_t size = sizeof(V) / lanes_of<V>;
    for (std::size_t at = 0; at != sizeof v; at += size)
        if (bit(mask, at / size))
            __builtin_memcpy(static_cast<char*>(p) + at, reinterpret_cast<char const*>(&v) + at, size);
}
template <class P>
QUANTO_INLINE P* aligned(P* p) noexcept {
    if (reinterpret_cast<std::uintptr_t>(p) % 64 != 0) __builtin_trap();
    return p;
}
// Subnormal numbers as 0.
QUANTO_INLINE float flushed(float x) noexcept {
    return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x;
}
QUANTO_INLINE float from_bf16(std::uint32_t high) noexcept { return flushed(__builtin_bit_cast(float, high << 16)); }

}  // namespace emulated

// ---- by halves, as AVX2 has them ------------------------------------------------------------------------------------

#define QUANTO_HALVES(V, name, operands, ...)                                             \
    QUANTO_INLINE V _mm512_##name(__VA_ARGS__) noexcept {                                 \
        using emulated::half;                                                             \
        return emulated::join<V>(_mm256_##name(operands(0)), _mm256_##name(operands(1))); \
    }
#define QUANTO_A(i) half<i>(a)
#define QUANTO_AN(i) half<i>(a), n
#define QUANTO_AB(i) half<i>(a), half<i>(b)
#define QUANTO_ABC(i) half<i>(a), half<i>(b), half<i>(c)
#define QUANTO_SHIFT(name) QUANTO_HALVES(__m512i, name, QUANTO_AN, __m512i a, int n)
#define QUANTO_BINARY(V, name) QUANTO_HALVES(V, name, QUANTO_AB, V a, V b)
#define QUANTO_TERNARY(V, name) QUANTO_HALVES(V, name, QUANTO_ABC, V a, V b, V c)

// clang-format off
QUANTO_BINARY(__m512, add_ps) QUANTO_BINARY(__m512, sub_ps) QUANTO_BINARY(__m512, mul_ps) QUANTO_BINARY(__m512, div_ps)
QUANTO_BINARY(__m512, min_ps) QUANTO_BINARY(__m512, max_ps) QUANTO_TERNARY(__m512, fmadd_ps)
QUANTO_BINARY(__m512, unpacklo_ps) QUANTO_BINARY(__m512, unpackhi_ps) QUANTO_TERNARY(__m512, fnmadd_ps)
QUANTO_BINARY(__m512d, unpacklo_pd) QUANTO_BINARY(__m512d, unpackhi_pd)
QUANTO_HALVES(__m512, cvtepi32_ps, QUANTO_A, __m512i a) QUANTO_HALVES(__m512i, cvtps_epi32, QUANTO_A, __m512 a)

QUANTO_BINARY(__m512i, add_epi32) QUANTO_BINARY(__m512i, sub_epi32) QUANTO_BINARY(__m512i, madd_epi16)
QUANTO_BINARY(__m512i, min_epi32) QUANTO_BINARY(__m512i, max_epi32) QUANTO_BINARY(__m512i, max_epu32)
QUANTO_BINARY(__m512i, min_epu16) QUANTO_BINARY(__m512i, max_epu16) QUANTO_BINARY(__m512i, min_epu8)
QUANTO_BINARY(__m512i, packs_epi32) QUANTO_BINARY(__m512i, packs_epi16) QUANTO_BINARY(__m512i, packus_epi16)
QUANTO_BINARY(__m512i, unpacklo_epi16) QUANTO_BINARY(__m512i, unpackhi_epi16) QUANTO_BINARY(__m512i, shuffle_epi8)
QUANTO_BINARY(__m512i, unpacklo_epi32) QUANTO_BINARY(__m512i, unpackhi_epi32)
QUANTO_BINARY(__m512i, unpacklo_epi64) QUANTO_BINARY(__m512i, unpackhi_epi64)
QUANTO_SHIFT(slli_epi16) QUANTO_SHIFT(srli_epi16) QUANTO_SHIFT(slli_epi32) QUANTO_SHIFT(srli_epi32)
QUANTO_SHIFT(srai_epi32)

QUANTO_INLINE __m512 _mm512_cvtph_ps(__m256i a) noexcept {
    using emulated::part;
    return emulated::join<__m512>(_mm256_cvtph_ps(part<__m128i>(a, 0)), _mm256_cvtph_ps(part<__m128i>(a, 1)));
}
// clang-format on

// A macro: the predicate is constant.
#define QUANTO_COMPARE(a, b, predicate, i) \
    (_mm256_movemask_ps(_mm256_cmp_ps(emulated::half<i>(a), emulated::half<i>(b), predicate)) << 8 * i)
#define _mm512_cmp_ps_mask(a, b, predicate) \
    static_cast<__mmask16>(QUANTO_COMPARE(a, b, predicate, 0) | QUANTO_COMPARE(a, b, predicate, 1))

// ---- bits, memory, constants ----------------------------------------------------------------------------------------

QUANTO_INLINE __m512i _mm512_and_si512(__m512i a, __m512i b) noexcept { return a & b; }
QUANTO_INLINE __m512i _mm512_xor_si512(__m512i a, __m512i b) noexcept { return a ^ b; }
QUANTO_INLINE __m512 _mm512_abs_ps(__m512 a) noexcept { return (__m512)((emulated::u32)a & 0x7fff'ffffu); }
// Bit i of the table is the result of a, b, c being the bits of i, the highest first.
inline __m512i _mm512_ternarylogic_epi32(__m512i a, __m512i b, __m512i c, int table) noexcept {
    __m512i any{};
    for (int i = 0; i != 8; ++i)
        if ((table >> i & 1) != 0) any |= ((i & 4) != 0 ? a : ~a) & ((i & 2) != 0 ? b : ~b) & ((i & 1) != 0 ? c : ~c);
    return any;
}

QUANTO_INLINE __m512d _mm512_castps_pd(__m512 a) noexcept { return (__m512d)a; }
QUANTO_INLINE __m512 _mm512_castpd_ps(__m512d a) noexcept { return (__m512)a; }
QUANTO_INLINE __m512 _mm512_castsi512_ps(__m512i a) noexcept { return (__m512)a; }
QUANTO_INLINE __m128i _mm512_castsi512_si128(__m512i a) noexcept { return emulated::part<__m128i>(a, 0); }
QUANTO_INLINE __m256i _mm512_castsi512_si256(__m512i a) noexcept { return emulated::part<__m256i>(a, 0); }
QUANTO_INLINE __m128i _mm512_extracti32x4_epi32(__m512i a, int i) noexcept { return emulated::part<__m128i>(a, i); }
QUANTO_INLINE __m256i _mm512_extracti64x4_epi64(__m512i a, int i) noexcept { return emulated::part<__m256i>(a, i); }

QUANTO_INLINE __m512i _mm512_loadu_si512(void const* p) noexcept {
    __m512i v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
QUANTO_INLINE __m512 _mm512_loadu_ps(void const* p) noexcept { return (__m512)_mm512_loadu_si512(p); }
QUANTO_INLINE __m512i _mm512_load_si512(void const* p) noexcept { return _mm512_loadu_si512(emulated::aligned(p)); }
QUANTO_INLINE __m512 _mm512_load_ps(void const* p) noexcept { return _mm512_loadu_ps(emulated::aligned(p)); }
QUANTO_INLINE void _mm512_storeu_si512(void* p, __m512i v) noexcept { __builtin_memcpy(p, &v, sizeof v); }
QUANTO_INLINE void _mm512_store_si512(void* p, __m512i v) noexcept { _mm512_storeu_si512(emulated::aligned(p), v); }
QUANTO_INLINE void _mm512_store_ps(void* p, __m512 v) noexcept { _mm512_store_si512(p, (__m512i)v); }

#define QUANTO_LOAD(V, prefix, suffix, M, E)                                        \
    QUANTO_INLINE V prefix##_maskz_loadu_##suffix(M mask, void const* p) noexcept { \
        return (V)emulated::load<emulated::vector<E, sizeof(V)>>(mask, p);          \
    }
#define QUANTO_STORE(V, prefix, suffix, M, E)                                         \
    QUANTO_INLINE void prefix##_mask_storeu_##suffix(void* p, M mask, V v) noexcept { \
        emulated::store(mask, (emulated::vector<E, sizeof(V)>)v, p);                  \
    }
QUANTO_LOAD(__m512, _mm512, ps, __mmask16, float)
QUANTO_LOAD(__m512i, _mm512, epi8, __mmask64, std::int8_t)
QUANTO_LOAD(__m512i, _mm512, epi16, __mmask32, std::int16_t)
QUANTO_LOAD(__m512i, _mm512, epi32, __mmask16, std::int32_t)
QUANTO_LOAD(__m128i, _mm, epi8, __mmask16, std::int8_t)
QUANTO_STORE(__m512, _mm512, ps, __mmask16, float)
QUANTO_STORE(__m512i, _mm512, epi32, __mmask16, std::int32_t)
QUANTO_STORE(__m128i, _mm, epi32, __mmask8, std::int32_t)
QUANTO_STORE(__m128i, _mm, epi8, __mmask16, std::int8_t)

QUANTO_INLINE __m512 _mm512_setzero_ps() noexcept { return __m512{}; }
QUANTO_INLINE __m512i _mm512_setzero_si512() noexcept { return __m512i{}; }
#define QUANTO_SET1(V, T, suffix)                                                   \
    QUANTO_INLINE V _mm512_set1_##suffix(T x) noexcept {                            \
        return emulated::join<V>(_mm256_set1_##suffix(x), _mm256_set1_##suffix(x)); \
    }
QUANTO_SET1(__m512, float, ps)
QUANTO_SET1(__m512i, char, epi8)
QUANTO_SET1(__m512i, short, epi16)
QUANTO_SET1(__m512i, int, epi32)
template <class... T>
QUANTO_INLINE __m512i _mm512_setr_epi32(T... x) noexcept {
    static_assert(sizeof...(x) == 16);
    return (__m512i)emulated::i32{x...};
}

// ---- lanes that change their place ----------------------------------------------------------------------------------

QUANTO_INLINE __m512i _mm512_broadcast_i32x4(__m128i a) noexcept {
    __m128i const v[] = {a, a, a, a};
    return emulated::part<__m512i>(v, 0);
}
// Two quarters of a, then two of b.
QUANTO_INLINE __m512i _mm512_shuffle_i32x4(__m512i a, __m512i b, int order) noexcept {
    using emulated::part;
    __m128i const v[] = {part<__m128i>(a, order & 3), part<__m128i>(a, order >> 2 & 3),
                         part<__m128i>(b, order >> 4 & 3), part<__m128i>(b, order >> 6 & 3)};
    return part<__m512i>(v, 0);
}
QUANTO_INLINE __m512 _mm512_shuffle_f32x4(__m512 a, __m512 b, int order) noexcept {
    return (__m512)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, order);
}
// The same order in each quarter.
inline __m512i _mm512_shuffle_epi32(__m512i a, int order) noexcept {
    auto const v = (emulated::i32)a;
    return (__m512i)emulated::lanes<emulated::i32>(
        [&](std::size_t i) { return v[i / 4 * 4 + (order >> i % 4 * 2 & 3)]; });
}
QUANTO_INLINE __m512 _mm512_permute_ps(__m512 a, int order) noexcept {
    return (__m512)_mm512_shuffle_epi32((__m512i)a, order);
}
inline __m512i _mm512_permutexvar_epi32(__m512i from, __m512i a) noexcept {
    auto const v = (emulated::i32)a, lane = (emulated::i32)from;
    return (__m512i)emulated::lanes<emulated::i32>([&](std::size_t i) { return v[lane[i] & 15]; });
}
QUANTO_INLINE __m512 _mm512_permutexvar_ps(__m512i from, __m512 a) noexcept {
    return (__m512)_mm512_permutexvar_epi32(from, (__m512i)a);
}
inline __m512i _mm512_permutex2var_epi8(__m512i a, __m512i from, __m512i b) noexcept {
    auto const v = (emulated::bytes)a, w = (emulated::bytes)b, lane = (emulated::bytes)from;
    return (__m512i)emulated::lanes<emulated::bytes>(
        [&](std::size_t i) { return ((lane[i] & 64) != 0 ? w : v)[lane[i] & 63]; });
}
inline __m512i _mm512_mask_mov_epi32(__m512i otherwise, __mmask16 mask, __m512i a) noexcept {
    auto const v = (emulated::i32)a, w = (emulated::i32)otherwise;
    return (__m512i)emulated::lanes<emulated::i32>([&](std::size_t i) { return emulated::bit(mask, i) ? v[i] : w[i]; });
}

// ---- other types ----------------------------------------------------------------------------------------------------

#define QUANTO_WIDEN(name, V, From, To)                                                                       \
    QUANTO_INLINE __m512i _mm512_##name(V a) noexcept {                                                       \
        return (__m512i) __builtin_convertvector((emulated::vector<From, sizeof(V)>)a, emulated::vector<To>); \
    }
QUANTO_WIDEN(cvtepi8_epi32, __m128i, std::int8_t, std::int32_t)
QUANTO_WIDEN(cvtepu8_epi32, __m128i, std::uint8_t, std::int32_t)
QUANTO_WIDEN(cvtepi8_epi16, __m256i, std::int8_t, std::int16_t)
QUANTO_WIDEN(cvtepu16_epi32, __m256i, std::uint16_t, std::int32_t)
inline __m256i _mm512_maskz_cvtepi32_epi16(__mmask16 mask, __m512i a) noexcept {
    auto const v = (emulated::i32)a;
    return (__m256i)emulated::lanes<emulated::vector<std::int16_t, 32>>(
        [&](std::size_t i) { return static_cast<std::int16_t>(emulated::bit(mask, i) ? v[i] : 0); });
}
inline __m128i _mm512_maskz_cvtsepi32_epi8(__mmask16 mask, __m512i a) noexcept {
    auto const v = (emulated::i32)a;
    return (__m128i)emulated::lanes<emulated::vector<std::int8_t, 16>>([&](std::size_t i) {
        return static_cast<std::int8_t>(!emulated::bit(mask, i) ? 0 : v[i] < -128 ? -128 : v[i] > 127 ? 127 : v[i]);
    });
}
// Of the controls kernels have to nearest alone, which MXCSR says, too.
QUANTO_INLINE __m512i _mm512_cvt_roundps_epi32(__m512 a, int) noexcept { return _mm512_cvtps_epi32(a); }
// a - the integer next to it; 0 of infinities.
inline __m512 _mm512_reduce_ps(__m512 a, int) noexcept {
    return emulated::lanes<__m512>(
        [&](std::size_t i) { return __builtin_isinf(a[i]) ? 0.0f : a[i] - __builtin_nearbyintf(a[i]); });
}

// Lanes of E are 0 where the mask is.
#define QUANTO_MASKED(name, E)                                                         \
    template <class... T>                                                              \
    inline auto _mm512_maskz_##name(std::uint64_t mask, T... x) noexcept {             \
        auto const v = _mm512_##name(x...);                                            \
        auto const e = (emulated::vector<E>)v;                                         \
        return (std::remove_const_t<decltype(v)>)emulated::lanes<emulated::vector<E>>( \
            [&](std::size_t i) { return emulated::bit(mask, i) ? e[i] : E{}; });       \
    }
QUANTO_MASKED(cvtepi8_epi16, std::int16_t)
QUANTO_MASKED(cvtepi8_epi32, std::int32_t)
QUANTO_MASKED(cvtepu8_epi32, std::int32_t)
QUANTO_MASKED(cvtepu16_epi32, std::int32_t)
QUANTO_MASKED(cvtph_ps, float)
QUANTO_MASKED(cvtps_epi32, std::int32_t)
QUANTO_MASKED(min_ps, float)
QUANTO_MASKED(max_ps, float)
QUANTO_MASKED(min_epi32, std::int32_t)
QUANTO_MASKED(max_epi32, std::int32_t)
QUANTO_MASKED(min_epu16, std::int16_t)
QUANTO_MASKED(permutexvar_epi32, std::int32_t)
QUANTO_MASKED(permutexvar_ps, float)
QUANTO_MASKED(shuffle_f32x4, float)

// ---- over lanes -----------------------------------------------------------------------------------------------------

inline __mmask16 _mm512_cmplt_epi32_mask(__m512i a, __m512i b) noexcept {
    auto const v = (emulated::i32)a, w = (emulated::i32)b;
    unsigned mask = 0;
    for (std::size_t i = 0; i != 16; ++i) mask |= unsigned{v[i] < w[i]} << i;
    return static_cast<__mmask16>(mask);
}
inline int _mm512_reduce_add_epi32(__m512i a) noexcept {
    auto const v = (emulated::u32)a;
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i != 16; ++i) sum += v[i];
    return static_cast<int>(sum);
}
inline std::uint32_t _mm512_reduce_max_epu32(__m512i a) noexcept {
    auto const v = (emulated::u32)a;
    std::uint32_t most = 0;
    for (std::size_t i = 0; i != 16; ++i) most = v[i] > most ? v[i] : most;
    return most;
}
// sum += the products of four unsigned bytes of a and signed ones of b, modulo 2^32: even and odd ones, as words.
inline __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) noexcept {
    using signed_words = emulated::vector<std::int16_t>;
    auto const u = (emulated::words)a, s = (emulated::words)b;
    __m512i const even = _mm512_madd_epi16((__m512i)(u & 255), (__m512i)((signed_words)(s << 8) >> 8));
    __m512i const odd = _mm512_madd_epi16((__m512i)(u >> 8), (__m512i)((signed_words)s >> 8));
    return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
}
// sum += the products of two bfloat16 of a and b, one after the other, each sum rounded, subnormal numbers as 0.
inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) noexcept {
    auto const v = (emulated::u32)a, w = (emulated::u32)b;
    return emulated::lanes<__m512>([&](std::size_t i) {
        using emulated::flushed, emulated::from_bf16;
        float const one = __builtin_fmaf(from_bf16(v[i] & 0xffff), from_bf16(w[i] & 0xffff), flushed(sum[i]));
        return flushed(__builtin_fmaf(from_bf16(v[i] >> 16), from_bf16(w[i] >> 16), flushed(one)));
    });
}

QUANTO_TARGET_END

}  // namespace quanto
