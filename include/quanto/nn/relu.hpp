// relu: max(x, 0); NaN stays. int8 codes stay codes, of the same scale (it is never negative): max(code, 0). float8
// codes are dequantized, as in Python quanto.
#pragma once

#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

inline Activation relu(Activation const& x) {
    if (!x) return x;
    if (!x.is_quantized() || !x.type()->is<qint8>()) {
        auto y = x.value();
        if (!y) return y.error();
        for (std::size_t i = 0; i != y->size(); ++i)
            if ((*y)[i] <= 0.0f) (*y)[i] = 0.0f;
        return like(x, std::move(*y));
    }
    auto codes = Tensor<std::uint8_t>::make(x.shape(), x.where().memory);
    if (!codes) return codes.error();
    for (std::size_t i = 0; i != x.size(); ++i) (*codes)[i] = x.codes()[i] < 128 ? x.codes()[i] : std::uint8_t{0};
    return Activation(*x.type(), std::move(*codes), x.scale(), x.where_pointer()).from(x.source());
}

struct ReLU {
    Activation operator()(Activation const& x) const { return relu(x); }
};

}  // namespace quanto::inline v0::nn
