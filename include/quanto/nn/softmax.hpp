// Over the last dimension, in float: softmax, exp(x - max) / sum, and log_softmax, x - max - log(sum). A quantized
// input gives softmax a quantized output of its type with the scale 1 / qmax, which holds the range 0 .. 1. Backward,
// row by row: dx = y * (dy - sum of dy * y), and dx = dy - exp(y) * sum of dy.
#pragma once

#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

Activation softmax(Activation x);

Activation log_softmax(Activation x);

struct Softmax {
    Activation operator()(Activation x) const { return softmax(std::move(x)); }
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/softmax.inl>
#endif
