// Pooling over the last two dimensions of x (.., height, width):
//     max_pool2d            y = max over a window; the padding never wins, NaN does
//     avg_pool2d            y = sum over a window / kernel area (count_padding), or / elements inside of the picture
//     adaptive_avg_pool2d   y[i] = mean of x[floor(i in / out) .. ceil((i + 1) in / out)), in each direction
// The maximum of int8 codes is the code of the maximum, so they stay codes of their scale; float8 codes are
// dequantized, and averages are floats.
#pragma once

#include <optional>

#include <quanto/kernels/convolution/window.hpp>
#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

struct max_pool_options {
    std::optional<size_2d> stride{};  // nothing: the kernel
    size_2d padding{0}, dilation{1};
};
struct avg_pool_options {
    std::optional<size_2d> stride{};  // nothing: the kernel
    size_2d padding{0};
    bool count_padding = true;
};

// Errors: the input's; a picture without elements; a window that does not fit, or that is padded by more than half of
// the kernel.
Activation max_pool2d(Activation const& x, size_2d kernel, max_pool_options const& o = {});

// Errors: as max_pool2d.
Activation avg_pool2d(Activation const& x, size_2d kernel, avg_pool_options const& o = {});

// Errors: the input's; an output or a picture without elements.
Activation adaptive_avg_pool2d(Activation const& x, size_2d out);

struct MaxPool2d {
    size_2d kernel;
    max_pool_options options{};
    Activation operator()(Activation const& x) const { return max_pool2d(x, kernel, options); }
};
struct AvgPool2d {
    size_2d kernel;
    avg_pool_options options{};
    Activation operator()(Activation const& x) const { return avg_pool2d(x, kernel, options); }
};
struct AdaptiveAvgPool2d {
    size_2d output{1};
    Activation operator()(Activation const& x) const { return adaptive_avg_pool2d(x, output); }
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/pooling.inl>
#endif
