// flatten: (n, ..) becomes (n, product of the rest); codes stay codes. The
// gradient has the same elements in the same order, so both share a node.
#pragma once

#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

inline Activation flatten(Activation const& x) {
    if (!x) return x;
    std::size_t const n = x.shape().front();
    extents const shape{n, n == 0 ? 0 : x.size() / n};
    if (!x.is_quantized()) {
        auto y = x.value();
        if (!y) return y.error();
        return like(x, std::move(*y).reshaped(shape)).at(x.node());
    }
    return Activation(*x.type(), Tensor<std::uint8_t>(x.codes()).reshaped(shape), x.scale(), x.where_pointer())
        .from(x.source())
        .at(x.node());
}

struct Flatten {
    Activation operator()(Activation const& x) const { return flatten(x); }
};

}  // namespace quanto::inline v0::nn
