// Conv1d: x (.., in, length), w (out, in / groups, kernel), y (.., out, length); in all else as Conv2d.
#pragma once

#include <quanto/nn/convolution.hpp>

namespace quanto::inline v0::nn {

using conv1d_options = convolution_options<std::size_t>;

// Conv1d{3, 8, 5, {.stride = 2, .padding = 1}}
struct Conv1d : detail::convolution_module<std::size_t> {
    using convolution_module::convolution_module;
};

}  // namespace quanto::inline v0::nn
