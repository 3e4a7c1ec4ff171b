// The instruction sets that kernels are written for, in one binary without compiler flags: code for each is compiled in
// a target region (QUANTO_TARGET_BEGIN .. QUANTO_TARGET_END) and namespace of its own, and chosen when the program
// runs. QUANTO_NO_SIMD leaves the portable one; QUANTO_ISA in the environment caps the choice ("portable", "avx2").
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <quanto/core/config.hpp>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(QUANTO_NO_SIMD)
#define QUANTO_TARGETS_X86 1
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#else
#define QUANTO_TARGETS_X86 0
#endif

#define QUANTO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define QUANTO_TARGET_BEGIN(t) QUANTO_PRAGMA(clang attribute push(__attribute__((target(t))), apply_to = function))
#define QUANTO_TARGET_END _Pragma("clang attribute pop")
#else
#define QUANTO_TARGET_BEGIN(t) _Pragma("GCC push_options") QUANTO_PRAGMA(GCC target(t))
#define QUANTO_TARGET_END _Pragma("GCC pop_options")
#endif

namespace quanto::inline v0 {

enum class isa : std::uint8_t { portable, avx2, avx512 };

constexpr std::string_view name(isa i) noexcept {
    return i == isa::avx512 ? "avx512" : i == isa::avx2 ? "avx2" : "portable";
}

// The best that this processor has.
inline isa detect_isa() noexcept {
#if QUANTO_TARGETS_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return isa::portable;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") ? isa::avx512 : isa::avx2;
#else
    return isa::portable;
#endif
}

constexpr isa capped(isa best, std::string_view cap) noexcept {
    isa const limit = cap == "portable" ? isa::portable : cap == "avx2" ? isa::avx2 : isa::avx512;
    return limit < best ? limit : best;
}

// The best that kernels may use in this process.
inline isa best_isa() noexcept {
    static isa const best = [] {
        char const* const cap = std::getenv("QUANTO_ISA");
        return capped(detect_isa(), cap == nullptr ? "" : cap);
    }();
    return best;
}

}  // namespace quanto::inline v0
