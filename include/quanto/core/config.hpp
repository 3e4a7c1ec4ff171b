// What every other header may rely on: version, language level, the few macros that a user may set.
#pragma once

#if !defined(__cplusplus) || (__cplusplus < 202002L && !(defined(_MSVC_LANG) && _MSVC_LANG >= 202002L))
#error "quanto needs C++20 (-std=c++20)"
#endif

#define QUANTO_VERSION_MAJOR 0
#define QUANTO_VERSION_MINOR 1
#define QUANTO_VERSION_PATCH 0

// Types that a GPU kernel reads mark their functions with it; empty outside nvcc.
#if defined(__CUDACC__)
#define QUANTO_HOST_DEVICE __host__ __device__
#else
#define QUANTO_HOST_DEVICE
#endif

// Where the bodies of what is costly to compile are (files .inl: kernels, the reading and writing of files):
//     QUANTO_IMPLEMENTATION   not defined: in every unit that uses them, inline
//                             0: in another unit of the program; this one declares them only
//                             1: here, in that one unit
#if !defined(QUANTO_IMPLEMENTATION)
#define QUANTO_HAS_BODIES 1
#define QUANTO_BODY inline
#else
#define QUANTO_HAS_BODIES QUANTO_IMPLEMENTATION
#define QUANTO_BODY
#endif

namespace quanto::inline v0 {}
