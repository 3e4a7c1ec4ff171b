// sort(v, n, less) puts v[0 .. n) in order, in O(n log n) at worst and without memory (heapsort, not stable);
// position(v, n, less) is how many elements at the start of v are less, in O(log n). <algorithm> costs each includer
// 0.1 s.
#pragma once

#include <cstddef>
#include <utility>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

template <class T, class Less>
constexpr void sort(T* v, std::size_t n, Less const& less) {
    // Lets the element at the root sink, until none below it, at 2 * root + 1 and + 2, is greater.
    auto const sink = [&](std::size_t root, std::size_t end) {
        for (std::size_t child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 != end && less(v[child], v[child + 1])) ++child;
            if (!less(v[root], v[child])) return;
            std::swap(v[root], v[child]);
        }
    };
    for (std::size_t root = n / 2; root-- != 0;) sink(root, n);
    for (; n > 1; --n) {
        std::swap(v[0], v[n - 1]);
        sink(0, n - 1);
    }
}

// Sorts, and gives an element that occurs twice; nullptr where all differ.
template <class T>
constexpr T const* sort_and_find_repeated(T* v, std::size_t n) {
    sort(v, n, [](T const& a, T const& b) { return a < b; });
    for (std::size_t i = 1; i < n; ++i)
        if (v[i - 1] == v[i]) return v + i;
    return nullptr;
}

// Precondition: the elements that are less come before all others.
template <class T, class Less>
constexpr std::size_t position(T const* v, std::size_t n, Less const& less) {
    std::size_t first = 0;
    while (n != 0) {
        std::size_t const half = n / 2;
        if (less(v[first + half])) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return first;
}

}  // namespace quanto::inline v0
