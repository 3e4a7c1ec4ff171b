// A convolution of one plane with one kernel, added to y:  y[oy][ox] += sum over taps (i, j) of w[i][j] * x[..][..]
// tap by tap, so that a line of outputs is vector code.
#pragma once

#include <cstddef>

#include <quanto/kernels/convolution/window.hpp>

namespace quanto::inline v0 {

// x: in.area() elements, w: taps.kernel.area(), y: out.area(). T: float, or std::int8_t with Sum = std::int32_t.
template <class T, class Sum>
void convolve_plane(window const& taps, size_2d in, size_2d out, T const* x, T const* w, Sum* y) noexcept {
    taps.for_each_run(in, out, [&](std::size_t tap, std::size_t output, std::size_t input, std::size_t n) {
        std::size_t const step = taps.stride.width;
        auto const weight = static_cast<Sum>(w[tap]);
        T const* const from = x + input;
        Sum* const to = y + output;
        if (step == 1)
            for (std::size_t t = 0; t != n; ++t) to[t] += weight * static_cast<Sum>(from[t]);
        else
            for (std::size_t t = 0; t != n; ++t) to[t] += weight * static_cast<Sum>(from[t * step]);
    });
}

}  // namespace quanto::inline v0
