// Catch2, whichever major version is installed: version 2 (Debian 12) or 3 (Debian 13). Every test includes this file
// and no header of Catch2. Exactly representable results are compared with ==; Catch::Approx is for bounds that the
// test derives.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
namespace Catch {
using Detail::Approx;
}
#endif

#include <cstdio>

// Ends a test case that cannot run here; the runner prints the reason. Only as the first statement of a test case:
// CTest counts the whole case as skipped.
#define QUANTO_SKIP(reason)                  \
    do {                                     \
        std::printf("SKIP: %s\n", (reason)); \
        std::fflush(stdout);                 \
        SUCCEED();                           \
        return;                              \
    } while (false)
