// transpose: out(c, r) = x(r, c), tile by tile, so that both sides stay in the nearest cache.
#pragma once

#include <cstddef>

#include <quanto/tensor/view.hpp>

namespace quanto::inline v0 {

// Precondition: out is (x.cols, x.rows) and does not overlap x.
template <class T>
void transpose(matrix_view<T const> x, matrix_view<T> out) noexcept {
    constexpr std::size_t tile = 16;
    for (std::size_t r0 = 0; r0 < x.rows; r0 += tile)
        for (std::size_t c0 = 0; c0 < x.cols; c0 += tile) {
            std::size_t const r1 = x.rows - r0 < tile ? x.rows : r0 + tile;
            std::size_t const c1 = x.cols - c0 < tile ? x.cols : c0 + tile;
            for (std::size_t c = c0; c != c1; ++c)
                for (std::size_t r = r0; r != r1; ++r) out(c, r) = x(r, c);
        }
}

}  // namespace quanto::inline v0
