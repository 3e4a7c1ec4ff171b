// For kernels: functions that must be part of their caller, and loops that must not stay loops.
#pragma once

#if defined(__GNUC__)
#define QUANTO_INLINE __attribute__((always_inline)) inline
#define QUANTO_UNROLL _Pragma("GCC unroll 64")
#else
#define QUANTO_INLINE inline
#define QUANTO_UNROLL
#endif
