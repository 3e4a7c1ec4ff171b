// relu: max(x, 0); NaN stays. int8 codes stay codes, of the same scale: max(code, 0), or min(code, 0) where that is
// negative. float8 codes are dequantized, as in Python quanto.
#pragma once

#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

Activation relu(Activation x);

struct ReLU {
    Activation operator()(Activation x) const { return relu(std::move(x)); }
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/relu.inl>
#endif
