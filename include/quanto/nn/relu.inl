// The bodies of relu.hpp.
#pragma once

#include <utility>

#include <quanto/nn/operations.hpp>

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

QUANTO_BODY Activation relu(Activation x) {
    if (!x) return x;
    if (!explain(operations::relu, {&x})) {
        auto y = std::move(x).value();
        if (!y) return y.error().within("relu");
        vectorized(x.where().backend.target()).activate(fused_activation::relu, y->data(), y->size());
        return detail::recorded_relu(x, like(x, std::move(*y)));
    }
    auto made = std::move(x).take_codes();
    if (!made) return made.error().within("relu");
    std::uint8_t* const codes = made->data();
    for (std::size_t r = 0, n = made->cols(), rows = made->rows(); r != rows; ++r) {
        std::uint8_t const negative = x.scale_of_row(r) < 0.0f ? 0x00 : 0x80;  // the sign bit of codes below zero
        auto const cut = [&](std::uint8_t& code) {
            code = static_cast<std::uint8_t>(code & -((code ^ negative) >> 7));
        };
        std::size_t i = r * n, end = i + n;
        for (; end - i >= 16; i += 16)  // vector code
            for (std::size_t t = 0; t != 16; ++t) cut(codes[i + t]);
        for (; i != end; ++i) cut(codes[i]);
    }
    return detail::recorded_relu(x, x.with(std::move(*made)));
}

}  // namespace quanto::inline v0::nn
