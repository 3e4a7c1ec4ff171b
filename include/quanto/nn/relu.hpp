// relu: max(x, 0); NaN stays. int8 codes stay codes, of the same scale (it is never negative): max(code, 0). float8
// codes are dequantized, as in Python quanto.
#pragma once

#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// dx = dy where y > 0. For int8 codes, y > 0 where the code is.
inline Activation recorded_relu(Activation const& x, Activation y) {
    if (!y || x.node() == nullptr) return y;
    y = std::move(y).shared();
    return recorded(y, [y, to = x.node()](Tape& tape, Tensor<float> dy) {
        float* const g = dy.data();
        if (y.is_quantized())
            for (std::size_t i = 0; i != dy.size(); ++i) g[i] = y.codes()[i] != 0 ? g[i] : 0.0f;
        else
            for (std::size_t i = 0; i != dy.size(); ++i) g[i] = y.values()[i] > 0.0f ? g[i] : 0.0f;
        return tape.add(to, std::move(dy));
    });
}
}  // namespace detail

inline Activation relu(Activation const& x) {
    if (!x) return x;
    if (!x.is_quantized() || !x.type()->is<qint8>()) {
        auto y = x.value();
        if (!y) return y.error();
        for (std::size_t i = 0; i != y->size(); ++i)
            if ((*y)[i] <= 0.0f) (*y)[i] = 0.0f;
        return detail::recorded_relu(x, like(x, std::move(*y)));
    }
    auto codes = Tensor<std::uint8_t>::make(x.shape(), x.where().memory);
    if (!codes) return codes.error();
    for (std::size_t i = 0; i != x.size(); ++i) (*codes)[i] = x.codes()[i] < 128 ? x.codes()[i] : std::uint8_t{0};
    return detail::recorded_relu(
        x, Activation(*x.type(), std::move(*codes), x.scale(), x.where_pointer()).from(x.source()));
}

struct ReLU {
    Activation operator()(Activation const& x) const { return relu(x); }
};

}  // namespace quanto::inline v0::nn
