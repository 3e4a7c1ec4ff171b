// softmax over the last dimension: exp(x - max) / sum, in float. A quantized input gives a quantized output of its type
// with the scale 1 / qmax, which holds the range 0 .. 1.
// Backward, row by row: dx = y * (dy - sum of dy * y).
#pragma once

#include <cmath>
#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

inline Activation softmax(Activation const& x) {
    auto y = x.value();
    if (!y) return y.error();
    std::size_t const n = y->cols();
    for (std::size_t start = 0; n != 0 && start < y->size(); start += n) {
        float* const row = y->data() + start;
        float largest = row[0], sum = 0.0f;
        for (std::size_t i = 1; i != n; ++i) largest = row[i] > largest ? row[i] : largest;
        for (std::size_t i = 0; i != n; ++i) sum += row[i] = std::exp(row[i] - largest);
        for (std::size_t i = 0; i != n; ++i) row[i] /= sum;
    }
    Activation out = like(x, std::move(*y));
    if (out && x.node() != nullptr)
        out = recorded(out, [y = (out = std::move(out).shared()), to = x.node()](Tape& tape, Tensor<float> dy) {
            std::size_t const cols = dy.cols();
            for (std::size_t start = 0; start < dy.size(); start += cols) {
                float* const g = dy.data() + start;
                float const* const p = y.values().data() + start;
                float dot = 0.0f;
                for (std::size_t i = 0; i != cols; ++i) dot += g[i] * p[i];
                for (std::size_t i = 0; i != cols; ++i) g[i] = p[i] * (g[i] - dot);
            }
            return tape.add(to, std::move(dy));
        });
    if (!x.is_quantized()) return out;
    return quantize_activation(out, *x.type(), x.type()->visit([]<class Q>(Q) { return 1.0f / Q::qmax; }));
}

}  // namespace quanto::inline v0::nn
