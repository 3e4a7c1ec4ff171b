// The bodies of fold.hpp.
#pragma once

#include <optional>
#include <utility>

namespace quanto::inline v0::nn {

namespace detail {

// row(n, k, w, put, b): for row n, puts the new value of each w(0 .. k) and changes b.
template <class Layer, class F>
result<success> fold_rows(Layer& layer, BatchNorm& norm, F const& row) {
    auto const* const master = layer.weight.master();
    if (master == nullptr) return error(errc::invalid_argument, "fold: the weight is frozen");
    if (!layer.weight.has_values() || (layer.bias && !nn::has_values(*layer.bias)) || !norm.has_values())
        return error(errc::missing, "fold: no values were loaded");
    std::size_t const outputs = master->shape().front(), k = outputs == 0 ? 0 : master->size() / outputs;
    dtype const type = master->type(), bias_type = layer.bias ? layer.bias->type() : type;
    auto w = storage::allocate(master->size() * size_of(type));
    if (!w) return w.error();
    auto b = storage::allocate(outputs * size_of(bias_type));
    if (!b) return b.error();
    for (std::size_t n = 0; n != outputs; ++n) {
        double bias = layer.bias ? static_cast<double>((*layer.bias)[n]) : 0.0;
        row(
            n, k, [&](std::size_t i) { return static_cast<double>((*master)[n * k + i]); },
            [&](std::size_t i, double v) {
                any_tensor::store(type, w->mutable_data(), n * k + i, static_cast<float>(v));
            },
            bias);
        any_tensor::store(bias_type, b->mutable_data(), n, static_cast<float>(bias));
    }
    if (auto done = layer.weight.set(any_tensor(type, master->shape(), std::move(*w))); !done) return done;
    layer.bias = any_tensor(bias_type, {outputs}, std::move(*b));
    norm = BatchNorm::identity();
    return success{};
}

template <class Layer>
result<success> fold_after(Layer& layer, BatchNorm& norm) {
    if (norm.is_identity()) return success{};
    if (layer.weight.shape().front() != norm.channels())
        return error(errc::shape_mismatch, "fold: ", layer.weight.shape().front(), " outputs into a norm of ",
                     norm.channels());
    return fold_rows(layer, norm, [&](std::size_t n, std::size_t k, auto const& w, auto const& put, double& bias) {
        auto const a = norm.channel(n);
        for (std::size_t i = 0; i != k; ++i) put(i, w(i) * a.factor);
        bias = bias * a.factor + a.offset;
    });
}

}  // namespace detail

QUANTO_BODY result<success> fold(Linear& layer, BatchNorm& norm) { return detail::fold_after(layer, norm); }

QUANTO_BODY result<success> fold(Conv1d& layer, BatchNorm& norm) { return detail::fold_after(layer, norm); }

QUANTO_BODY result<success> fold(Conv2d& layer, BatchNorm& norm) { return detail::fold_after(layer, norm); }

QUANTO_BODY result<success> fold(BatchNorm& norm, Linear& layer) {
    if (norm.is_identity()) return success{};
    if (layer.in_features() % norm.channels() != 0)
        return error(errc::shape_mismatch, "fold: a norm of ", norm.channels(), " into ", layer.in_features(),
                     " features");
    std::size_t const columns = layer.in_features() / norm.channels();
    return detail::fold_rows(layer, norm, [&](std::size_t, std::size_t k, auto const& w, auto const& put, double& b) {
        for (std::size_t i = 0; i != k; ++i) {
            auto const a = norm.channel(i / columns);
            put(i, w(i) * a.factor);
            b += w(i) * a.offset;
        }
    });
}

}  // namespace quanto::inline v0::nn
