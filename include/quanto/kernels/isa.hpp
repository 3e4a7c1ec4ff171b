// The instruction sets that kernels are written for (target.hpp), in one binary without compiler flags, and the choice
// among them: made when a cpu_backend is constructed.
//     QUANTO_NO_SIMD      defined: the portable one alone
//     QUANTO_STATIC_ISA   defined: the one of the unit's own flags (-march=native), without a choice at run time; all
//                         units of a program then have the same flags
//     QUANTO_ISA          in the environment: caps the choice ("portable", "avx2")
// On AArch64, where every processor has NEON, `portable` is what the compiler makes of plain code; beside it there are
// the dot products of bytes.
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

// The same of NEON's dot products of bytes (sdot, an extension of Armv8.2).
inline bool detect_neon_dot() noexcept {
#if !QUANTO_TARGETS_NEON
    return false;
#elif defined(QUANTO_STATIC_ISA) || !(defined(__linux__) || defined(__APPLE__))
#if defined(__ARM_FEATURE_DOTPROD)
    return true;
#else
    return false;
#endif
#elif defined(__APPLE__)
    return true;
#else
    return (getauxval(AT_HWCAP) >> 20 & 1u) != 0;  // HWCAP_ASIMDDP
#endif
}

// An instruction set, and why it is this one. vnni: that is avx512, and detect_vnni(). neon_dot: detect_neon_dot(), and
// not capped.
struct isa_choice {
    isa target;
    std::string_view reason;
    bool vnni = false, neon_dot = false;
};

// Cost: looks at the processor's features and at the environment, some 100 ns.
inline isa_choice choose_isa(std::string_view force = {}) noexcept {
    isa const best = detect_isa();
    bool const dot = detect_neon_dot();
    if constexpr (static_isa)
        return {best, "the flags that this unit is compiled with (QUANTO_STATIC_ISA)", detect_vnni(), dot};
    char const* const variable = std::getenv("QUANTO_ISA");
    std::string_view const environment = variable == nullptr ? "" : variable;
    isa const allowed = capped(best, environment), target = capped(allowed, force);
    bool const dot_allowed = dot && environment != "portable", dot_target = dot_allowed && force != "portable";
    return {target,
            target < allowed || dot_target < dot_allowed ? "capped by cpu_options::force_isa"
            : target < best || dot_target < dot          ? "capped by QUANTO_ISA in the environment"
                                                         : "the best instruction set of this processor",
            target == isa::avx512 && detect_vnni(), dot_target};
}

}  // namespace quanto::inline v0
