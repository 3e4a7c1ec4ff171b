// What the tests of quantize, dequantize and convert share: hostile floats, dense samples, sizes around the
// blocks of the kernels.
#pragma once

#include <cstdint>
#include <vector>

#include <quanto/kernels/vector.hpp>

#include "catch.hpp"

namespace quanto::test {

inline constexpr std::size_t sizes[] = {1,  2,  3,  4,  5,  7,   8,   15,  16,  17,  31,
                                        32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 300};

inline float from_bits(std::uint32_t u) { return bit_cast<float>(u); }

// Zeros, subnormals, the largest numbers, infinities and NaN, of both signs.
inline std::vector<float> hostile_floats() {
    std::vector<float> x;
    for (std::uint32_t u : {0u, 1u, 2u, 0x7f'ffffu, 0x80'0000u, 0x80'0001u, 0x3300'0000u, 0x3300'0001u, 0x3f80'0000u,
                            0x7f7f'ffffu, 0x7f00'0000u, 0x7f80'0000u, 0x7f80'0001u, 0x7fc0'0000u, 0x7fff'ffffu})
        for (std::uint32_t sign : {0u, 0x8000'0000u}) x.push_back(from_bits(u | sign));
    return x;
}

// Every `step`-th float of all 2^32; an odd step reaches all low bits.
template <class F>
void for_sampled_floats(std::uint32_t step, F const& f) {
    std::vector<float> x;
    x.reserve(1 << 16);
    for (std::uint64_t u = 0; u < std::uint64_t{1} << 32; u += step) {
        x.push_back(from_bits(static_cast<std::uint32_t>(u)));
        if (x.size() == 1 << 16) {
            f(x);
            x.clear();
        }
    }
    if (!x.empty()) f(x);
}

// The 2 * reach + 1 floats around x.
template <class F>
void for_neighbours(float x, std::int32_t reach, F const& f) {
    for (std::int32_t d = -reach; d <= reach; ++d) f(bit_cast<float>(bit_cast<std::int32_t>(x) + d));
}

inline bool same(float a, float b) {
    return bit_cast<std::uint32_t>(a) == bit_cast<std::uint32_t>(b) || (is_nan(a) && is_nan(b));
}

// The instruction sets that this machine runs.
inline std::vector<isa> runnable_isas() {
    std::vector<isa> all;
    for_each_isa([&](isa i) {
        if (i <= detect_isa()) all.push_back(i);
    });
    return all;
}

}  // namespace quanto::test
