// The instruction sets that kernels are written for (target.hpp), in one binary without compiler flags, and the choice
// among them: made when a cpu_backend is constructed.
//     QUANTO_NO_SIMD      defined: the portable one alone
//     QUANTO_STATIC_ISA   defined: the one of the unit's own flags (-march=native), without a choice at run time; all
//                         units of a program then have the same flags
//     QUANTO_ISA          in the environment: caps the choice ("portable", "avx2", "neon_dot")
// On AArch64, where every processor has NEON, `portable` is what the compiler makes of plain code; beside it there are
// NEON's products of bytes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <type_traits>

#include <quanto/core/config.hpp>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(QUANTO_NO_SIMD)
#define QUANTO_TARGETS_X86 1
#else
#define QUANTO_TARGETS_X86 0
#endif

#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN) && defined(__GNUC__) && !defined(QUANTO_NO_SIMD)
#define QUANTO_TARGETS_NEON 1
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#else
#define QUANTO_TARGETS_NEON 0
#endif

namespace quanto::inline v0 {

enum class isa : std::uint8_t { portable, avx2, avx512 };

constexpr std::string_view name(isa i) noexcept {
    return i == isa::avx512 ? "avx512" : i == isa::avx2 ? "avx2" : "portable";
}

// The best that this processor has; with QUANTO_STATIC_ISA, that the unit is compiled for.
#if defined(QUANTO_STATIC_ISA)
inline constexpr bool static_isa = true;
constexpr isa detect_isa() noexcept {
#if QUANTO_TARGETS_X86 && defined(__AVX512F__) && defined(__AVX512BW__)
    return isa::avx512;
#elif QUANTO_TARGETS_X86 && defined(__AVX2__) && defined(__FMA__)
    return isa::avx2;
#else
    return isa::portable;
#endif
}
#else
inline constexpr bool static_isa = false;
inline isa detect_isa() noexcept {
#if QUANTO_TARGETS_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return isa::portable;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") ? isa::avx512 : isa::avx2;
#else
    return isa::portable;
#endif
}
#endif

// In lists and choices an instruction set is a type:
//     for_each_isa([]<isa I>(isa_constant<I>) { ... })    with_isa(target, []<isa I>(isa_constant<I>) { ... })
template <isa I>
using isa_constant = std::integral_constant<isa, I>;

// Those that every kernel exists for, the best first.
template <class F>
constexpr void for_each_isa(F&& f) {
#if QUANTO_TARGETS_X86
    f(isa_constant<isa::avx512>{});
    f(isa_constant<isa::avx2>{});
#endif
    f(isa_constant<isa::portable>{});
}

// f of the one that `target` is. Precondition: target <= detect_isa().
template <class F>
constexpr decltype(auto) with_isa([[maybe_unused]] isa target, F&& f) {
#if defined(QUANTO_STATIC_ISA)
    return f(isa_constant<detect_isa()>{});
#else
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return f(isa_constant<isa::avx512>{});
    if (target == isa::avx2) return f(isa_constant<isa::avx2>{});
#endif
    return f(isa_constant<isa::portable>{});
#endif
}

// Caps: the names below; any other, also the empty one, allows all there is.
constexpr bool is_cap(std::string_view name) noexcept {
    return name == "portable" || name == "avx2" || name == "avx512" || name == "neon_dot" || name == "neon_i8mm";
}
constexpr isa capped(isa best, std::string_view cap) noexcept {
    isa const limit = cap == "portable" ? isa::portable : cap == "avx2" ? isa::avx2 : isa::avx512;
    return limit < best ? limit : best;
}

// Whether this processor (with QUANTO_STATIC_ISA, the unit) has AVX-512's dot products of bytes, and what goes with
// them.
#if defined(QUANTO_STATIC_ISA)
constexpr bool detect_vnni() noexcept {
#if QUANTO_TARGETS_X86 && defined(__AVX512VNNI__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__F16C__)
    return detect_isa() == isa::avx512;
#else
    return false;
#endif
}
#else
inline bool detect_vnni() noexcept {
#if QUANTO_TARGETS_X86
    return detect_isa() == isa::avx512 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}
#endif

// The same of the dot products of bfloat16, and permutations of bytes.
#if defined(QUANTO_STATIC_ISA)
constexpr bool detect_bf16() noexcept {
#if defined(__AVX512BF16__) && defined(__AVX512VBMI__)
    return detect_vnni();
#else
    return false;
#endif
}
#else
inline bool detect_bf16() noexcept {
#if QUANTO_TARGETS_X86
    return detect_vnni() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi");
#else
    return false;
#endif
}
#endif

// NEON's products of bytes: dot, of four and four (sdot, an extension of Armv8.2); i8mm, of 2 x 8 and 8 x 2, too
// (usmmla, of Armv8.6). What an operating system does not tell, the unit's flags do.
enum class neon_bytes : std::uint8_t { none, dot, i8mm };

inline neon_bytes detect_neon_bytes() noexcept {
#if !QUANTO_TARGETS_NEON
    return neon_bytes::none;
#elif defined(__linux__) && !defined(QUANTO_STATIC_ISA)
    bool const dot = (getauxval(AT_HWCAP) >> 20 & 1u) != 0, i8mm = (getauxval(AT_HWCAP2) >> 13 & 1u) != 0;
    return !dot ? neon_bytes::none : i8mm ? neon_bytes::i8mm : neon_bytes::dot;
#elif defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
    return neon_bytes::i8mm;
#elif defined(__ARM_FEATURE_DOTPROD) || (defined(__APPLE__) && !defined(QUANTO_STATIC_ISA))
    return neon_bytes::dot;
#else
    return neon_bytes::none;
#endif
}

constexpr neon_bytes capped(neon_bytes best, std::string_view cap) noexcept {
    neon_bytes const limit = cap == "portable"   ? neon_bytes::none
                             : cap == "neon_dot" ? neon_bytes::dot
                                                 : neon_bytes::i8mm;
    return limit < best ? limit : best;
}

// An instruction set, and why it is this one. vnni, bf16: that is avx512, and detect_vnni(), detect_bf16().
struct isa_choice {
    isa target;
    std::string_view reason;
    bool vnni = false;
    neon_bytes neon = neon_bytes::none;
    bool bf16 = false;
};

// Cost: looks at the processor's features and at the environment, some 100 ns.
inline isa_choice choose_isa(std::string_view force = {}) noexcept {
    isa const best = detect_isa();
    neon_bytes const best_neon = detect_neon_bytes();
    if constexpr (static_isa)
        return {best, "the flags that this unit is compiled with (QUANTO_STATIC_ISA)", detect_vnni(), best_neon,
                detect_bf16()};
    char const* const variable = std::getenv("QUANTO_ISA");
    std::string_view const environment = variable == nullptr ? "" : variable;
    isa const allowed = capped(best, environment), target = capped(allowed, force);
    neon_bytes const allowed_neon = capped(best_neon, environment), neon = capped(allowed_neon, force);
    return {target,
            target < allowed || neon < allowed_neon ? "capped by cpu_options::force_isa"
            : target < best || neon < best_neon     ? "capped by QUANTO_ISA in the environment"
            : !force.empty() && !is_cap(force)      ? "cpu_options::force_isa names no instruction set: all there is"
            : !environment.empty() && !is_cap(environment)
                ? "QUANTO_ISA in the environment names no instruction set: all there is"
                                                    : "the best instruction set of this processor",
            target == isa::avx512 && detect_vnni(), neon, target == isa::avx512 && detect_bf16()};
}

}  // namespace quanto::inline v0
