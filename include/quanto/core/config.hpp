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

namespace quanto::inline v0 {}
