// What a backend that convolves is given. x (images, channels of all groups, layout.in), y (images, outputs,
// layout.out); bias: one per output, or nullptr.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/core/memory.hpp>
#include <quanto/kernels/convolution/patches.hpp>
#include <quanto/kernels/panel/panels.hpp>

namespace quanto::inline v0 {

// y[o][p] = patch p of the group of o . w[o] + bias[o];  w (outputs, layout.size()).
struct float_convolution {
    patch_layout layout;
    std::size_t images, groups, outputs;
    float const* x;
    float const* w;
    float const* bias;
    float* y;
    memory_ref memory;
};

// y[o][p] = float(sum of code products) * (x_scale * scale[o]) + bias[o], each operation rounded, the sum exact; or,
// where `codes` is there, int8 codes of it under code_scale, and no y: symmetric_code<qint8>(y, code_scale). One group;
// w in panels of (outputs, taps, C'), taps first (patches.hpp).
struct int8_convolution {
    patch_layout layout;
    std::size_t images;
    std::int8_t const* x;
    float x_scale;
    panels const& w;
    float const* bias;
    memory_ref memory;
    float* y = nullptr;
    std::int8_t* codes = nullptr;
    float code_scale = 1.0f;
};

}  // namespace quanto::inline v0
