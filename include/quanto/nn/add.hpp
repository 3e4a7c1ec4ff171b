// Add: the residual connection, y = a + b in float. With quantized activations its output may be quantized.
#pragma once

#include <utility>

#include <quanto/nn/elementwise.hpp>
#include <quanto/nn/module.hpp>
#include <quanto/nn/quantizable.hpp>

namespace quanto::inline v0::nn {

struct Add {
    activation_state activation{};

    Activation operator()(Activation const& a, Activation const& b) const {
        return activation.quantized_output(add(a, b));
    }
};

}  // namespace quanto::inline v0::nn
