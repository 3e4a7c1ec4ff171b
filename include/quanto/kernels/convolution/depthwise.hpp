// A convolution of one plane with one kernel, added to y:  y[oy][ox] += sum over taps (i, j) of w[i][j] * x[..][..]
// tap by tap, so that a line of outputs is vector code.
#pragma once

#include <cstddef>

#include <quanto/kernels/convolution/window.hpp>

namespace quanto::inline v0 {

// x: in.area() elements, w: taps.kernel.area(), y: out.area(). T: float, or std::int8_t with Sum = std::int32_t.
template <class T, class Sum>
void convolve_plane(window const& taps, size_2d in, size_2d out, T const* x, T const* w, Sum* y) noexcept {
    std::size_t const step = taps.stride.width;
    for (std::size_t i = 0; i != taps.kernel.height; ++i) {
        std::size_t const down = i * taps.dilation.height;
        detail::tap_range const lines(in.height, out.height, taps.stride.height, taps.padding.height, down);
        for (std::size_t j = 0; j != taps.kernel.width; ++j) {
            std::size_t const right = j * taps.dilation.width;
            detail::tap_range const inside(in.width, out.width, step, taps.padding.width, right);
            std::size_t const n = inside.end - inside.begin;
            auto const weight = static_cast<Sum>(w[i * taps.kernel.width + j]);
            for (std::size_t oy = lines.begin; oy != lines.end && n != 0; ++oy) {
                T const* const from = x + (oy * taps.stride.height + down - taps.padding.height) * in.width +
                                      (inside.begin * step + right - taps.padding.width);
                Sum* const to = y + oy * out.width + inside.begin;
                if (step == 1)
                    for (std::size_t t = 0; t != n; ++t) to[t] += weight * static_cast<Sum>(from[t]);
                else
                    for (std::size_t t = 0; t != n; ++t) to[t] += weight * static_cast<Sum>(from[t * step]);
            }
        }
    }
}

}  // namespace quanto::inline v0
