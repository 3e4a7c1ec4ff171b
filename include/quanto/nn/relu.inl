// The bodies of relu.hpp.
#pragma once

#include <utility>

#include <quanto/nn/operations.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// v <= 0 ? 0 : v, by a mask: signs cannot be predicted, and at -O2 compilers branch.
inline float without_negative(float v) noexcept {
    return bit_cast<float>(bit_cast<std::uint32_t>(v) & (v <= 0.0f ? 0u : ~0u));
}

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

QUANTO_BODY Activation relu(Activation const& x) {
    if (!x) return x;
    if (!explain(operations::relu, {&x})) {
        auto y = x.value();
        if (!y) return y.error().within("relu");
        float* const v = y->data();
        for (std::size_t i = 0; i != y->size(); ++i) v[i] = detail::without_negative(v[i]);
        return detail::recorded_relu(x, like(x, std::move(*y)));
    }
    auto made = Tensor<std::uint8_t>::make(x.shape(), x.where().memory);
    if (!made) return made.error().within("relu");
    std::uint8_t const* const from = x.codes().data();
    std::uint8_t* const to = made->data();
    for (std::size_t r = 0, n = x.codes().cols(), rows = x.codes().rows(); r != rows; ++r) {
        std::uint8_t const negative = x.scale_of_row(r) < 0.0f ? 0x00 : 0x80;  // the sign bit of codes below zero
        for (std::size_t i = r * n; i != r * n + n; ++i)
            to[i] = static_cast<std::uint8_t>(from[i] & -((from[i] ^ negative) >> 7));
    }
    return detail::recorded_relu(x, x.with(std::move(*made)));
}

}  // namespace quanto::inline v0::nn
