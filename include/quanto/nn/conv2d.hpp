// Conv2d: x (.., in, height, width), w (out, in / groups, kernel height, kernel width), y (.., out, height, width); the
// sum is that of convolution.hpp. Quantized as Linear is, but for its input: float values are computed with as they
// are (as in Python quanto), int8 codes beside int8 weights multiply as integers. With quantize_input a float input is
// quantized first, under the scale that was calibrated.
#pragma once

#include <quanto/nn/convolution.hpp>

namespace quanto::inline v0::nn {

using conv2d_options = convolution_options<size_2d>;

// Conv2d{3, 8, {3, 3}, {.stride = 2, .padding = 1}}
struct Conv2d : detail::convolution_module<size_2d> {
    using convolution_module::convolution_module;
};

}  // namespace quanto::inline v0::nn
