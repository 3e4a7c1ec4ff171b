// Code for one instruction set, whatever the unit's flags: in a target region and a namespace of its own,
//     QUANTO_TARGET_BEGIN(QUANTO_AVX2)
//     namespace avx2 { ... }
//     QUANTO_TARGET_END
// For kernels alone: <immintrin.h> costs every unit that includes it.
#pragma once

#include <quanto/kernels/inlining.hpp>
#include <quanto/kernels/isa.hpp>

// Around intrinsics and code that calls them: g++ 12 warns of their undefined operands.
#if defined(__GNUC__) && !defined(__clang__)
#define QUANTO_INTRINSICS_BEGIN                                                          \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") \
        _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define QUANTO_INTRINSICS_END _Pragma("GCC diagnostic pop")
#else
#define QUANTO_INTRINSICS_BEGIN
#define QUANTO_INTRINSICS_END
#endif

#if QUANTO_TARGETS_X86
QUANTO_INTRINSICS_BEGIN
#include <immintrin.h>
QUANTO_INTRINSICS_END
#endif
#if QUANTO_TARGETS_NEON
#include <arm_neon.h>
#endif

// What code in a target region may use.
#define QUANTO_AVX2 "avx2,fma,f16c"
#define QUANTO_AVX512 QUANTO_AVX2 ",avx512f,avx512bw"
#define QUANTO_AVX512VNNI QUANTO_AVX512 ",avx512dq,avx512vl,avx512vnni"
#define QUANTO_AVX512BF16 QUANTO_AVX512VNNI ",avx512vbmi,avx512bf16"
#if defined(__clang__)
#define QUANTO_NEON_DOT "dotprod"
#define QUANTO_NEON_I8MM "dotprod,i8mm"
#else
#define QUANTO_NEON_DOT "arch=armv8.2-a+dotprod"
#define QUANTO_NEON_I8MM "arch=armv8.2-a+dotprod+i8mm"
#endif

#define QUANTO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define QUANTO_TARGET_BEGIN(t) QUANTO_PRAGMA(clang attribute push(__attribute__((target(t))), apply_to = function))
#define QUANTO_TARGET_END _Pragma("clang attribute pop")
#else
#define QUANTO_TARGET_BEGIN(t) _Pragma("GCC push_options") QUANTO_PRAGMA(GCC target(t))
#define QUANTO_TARGET_END _Pragma("GCC pop_options")
#endif
