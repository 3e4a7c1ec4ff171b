// The bodies of softmax.hpp.
#pragma once

#include <cmath>
#include <utility>

#include <quanto/nn/operations.hpp>
#include <quanto/nn/quantize_activation.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// forward(row, n), in place; backward(dy row, y row, n), in place of dy.
template <class F, class B>
Activation by_rows(operation const& o, Activation x, F forward, B backward) {
    bool const computed = static_cast<bool>(x);
    auto made = std::move(x).value();
    if (!made) return computed ? made.error().within(o.name) : made.error();
    std::size_t const n = made->cols();
    for (std::size_t start = 0; n != 0 && start < made->size(); start += n) forward(made->data() + start, n);
    Activation y = like(x, std::move(*made));
    if (x.node() == nullptr) return y;
    y = std::move(y).shared();
    return recorded(y, [y, backward, to = x.node()](Tape& tape, Tensor<float> dy) {
        std::size_t const cols = dy.cols();
        for (std::size_t start = 0; start < dy.size(); start += cols)
            backward(dy.data() + start, y.values().data() + start, cols);
        return tape.add(to, std::move(dy));
    });
}

}  // namespace detail

QUANTO_BODY Activation softmax(Activation x) {
    std::optional<any_qtype> const type = explain(operations::softmax, {&x}) ? x.type() : std::nullopt;
    vectorized const by(x.where().backend.target());
    Activation y = detail::by_rows(
        operations::softmax, std::move(x), [by](float* row, std::size_t n) { by.softmax(row, n); },
        [](float* g, float const* p, std::size_t n) {
            float dot = 0.0f;
            for (std::size_t i = 0; i != n; ++i) dot += g[i] * p[i];
            for (std::size_t i = 0; i != n; ++i) g[i] = p[i] * (g[i] - dot);
        });
    if (!y || !type) return y;
    return quantize_activation(y, *type, type->visit([]<class Q>(Q) { return 1.0f / Q::qmax; }));
}

QUANTO_BODY Activation log_softmax(Activation x) {
    return detail::by_rows(
        operations::log_softmax, std::move(x),
        [](float* row, std::size_t n) {
            float largest = row[0], sum = 0.0f;
            for (std::size_t i = 1; i != n; ++i) largest = row[i] > largest ? row[i] : largest;
            for (std::size_t i = 0; i != n; ++i) sum += std::exp(row[i] - largest);
            float const offset = largest + std::log(sum);
            for (std::size_t i = 0; i != n; ++i) row[i] -= offset;
        },
        [](float* g, float const* y, std::size_t n) {
            float sum = 0.0f;
            for (std::size_t i = 0; i != n; ++i) sum += g[i];
            for (std::size_t i = 0; i != n; ++i) g[i] -= std::exp(y[i]) * sum;
        });
}

}  // namespace quanto::inline v0::nn
