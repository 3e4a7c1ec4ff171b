// random_numbers = a sequence that a seed determines, the same on every machine (splitmix64). There is no global one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

class random_numbers {
public:
    constexpr explicit random_numbers(std::uint64_t seed) noexcept : state_(seed) {}

    constexpr std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e37'79b9'7f4a'7c15u;
        z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9u;
        z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebu;
        return z ^ (z >> 31);
    }
    // In [-1, 1), multiples of 2^-23.
    constexpr float uniform() noexcept { return static_cast<float>(next() >> 40) * 0x1p-23f - 1.0f; }
    // In 0 .. n - 1, to a bias of n / 2^32. Precondition: 0 < n <= 2^32.
    constexpr std::size_t below(std::size_t n) noexcept {
        return static_cast<std::size_t>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
    }
    // Puts v[0 .. n) into a random order.
    template <class T>
    constexpr void shuffle(T* v, std::size_t n) noexcept {
        for (; n > 1; --n) std::swap(v[n - 1], v[below(n)]);
    }

private:
    std::uint64_t state_;
};

}  // namespace quanto::inline v0
