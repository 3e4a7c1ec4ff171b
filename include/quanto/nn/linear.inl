// The bodies of linear.hpp.
#pragma once

#include <span>
#include <utility>

#include <quanto/nn/gradient.hpp>

namespace quanto::inline v0::nn {

QUANTO_BODY Activation Linear::operator()(Activation const& given) const {
    if (!given) return given;
    if (auto problem = mismatch(given)) return *problem;
    auto const quantized = activation.quantized_input(given);
    Activation const& x = quantized ? *quantized : given;
    if (!x) return x;

    extents shape = x.shape();
    shape[shape.rank() - 1] = out_features();
    context const where = x.where();
    auto y = Tensor<float>::make(shape, where.memory);
    if (!y) return y.error().within("Linear");
    if (auto done = multiply(x, *y, where); !done) return done.error().within("Linear");
    Activation out = like(x, std::move(*y));
    if (x.tape() != nullptr)
        out = recorded(std::move(out), [this, x](Tape& tape, Tensor<float> dy) { return backward(tape, x, dy); });
    return activation.quantized_output(std::move(out));
}

QUANTO_BODY result<success> Linear::backward(Tape& tape, Activation const& x, matrix_view<float const> dy) const {
    auto const where = x.where();
    if (bias && tape.watches(&*bias))
        if (auto done = tape.add_to(&*bias, detail::sum_of_rows(dy, where.memory)); !done) return done;
    if (tape.watches(&weight)) {
        auto const values = x.floats();
        if (!values) return values.error();
        auto dw = detail::weight_gradient(dy, *values, weight.shape(), where);
        if (auto done = tape.add_to(&weight, std::move(dw)); !done) return done;
    }
    if (x.node() == nullptr) return success{};
    return tape.add(x.node(), detail::input_gradient(tape, dy, weight, x.shape(), where));
}

QUANTO_BODY std::optional<error> Linear::mismatch(Activation const& x) const {
    if (weight.shape().rank() != 2)
        return append(error(errc::shape_mismatch, "Linear: its own weight has shape "), weight.shape());
    if (bias && bias->shape() != extents{out_features()}) {
        error e(errc::shape_mismatch, "Linear (", in_features(), " to ", out_features(), "): its own bias has shape ");
        return append(e, bias->shape());
    }
    if (!weight.has_values() || (bias && !nn::has_values(*bias)))
        return error(errc::missing, "Linear (", in_features(), " to ", out_features(), "): no values were loaded");
    if (x.shape().rank() != 0 && x.shape().back() == in_features()) return std::nullopt;
    error e(errc::shape_mismatch, "Linear (", in_features(), " to ", out_features(), "): the input has shape ");
    return append(e, x.shape());
}

QUANTO_BODY result<success> Linear::multiply(Activation const& x, Tensor<float>& y, context const& where) const {
    if (y.size() == 0) return success{};
    auto const b = bias ? FloatView::of(*bias, where.memory) : FloatView();
    if (!b) return b.error();
    std::span<float const> addend(b->view().data(), bias ? out_features() : 0);
    bool const by_codes = multiplies_codes(x, where), by_rows = by_codes && x.has_row_scales();
    product_options const options{
        .bias = by_rows ? std::span<float const>() : addend, .accuracy = where.accuracy, .memory = where.memory};
    auto const fused = x.size() == 0 ? false
                       : by_codes    ? codes_product(x, y, where, options)
                                     : float_product(x, y, where, options);
    if (!fused) return fused.error();
    if (*fused && !by_rows) return success{};
    for (std::size_t m = 0, n = out_features(); m != y.rows(); ++m) {
        float* const row = y.data() + m * n;
        if (by_rows)
            for (std::size_t j = 0; j != n; ++j) row[j] *= x.row_scales()[m];
        for (std::size_t j = 0; j != addend.size(); ++j) row[j] += addend[j];
    }
    return success{};
}

QUANTO_BODY bool Linear::multiplies_codes(Activation const& x, context const& where) const noexcept {
    if (!x.is_quantized() || !x.type()->is<qint8>()) return false;
    auto const* const q = weight.quantized();
    return reads_panels(where) || (q != nullptr && q->type().is<qint8>() && q->layout().groups_per_line() == 1);
}

QUANTO_BODY result<bool> Linear::codes_product(Activation const& x, matrix_view<float> y, context const& where,
                                               product_options const& options) const {
    float const scale = x.has_row_scales() ? 1.0f : x.scale();
    matrix_view<std::int8_t const> const codes(x.int8_codes(), y.rows, in_features());
    if (!reads_panels(where)) return where.backend.matmul(codes, scale, weight.quantized()->as<qint8>(), y), false;
    auto const done = where.backend.matmul({codes, scale}, *weight.prepared(), y, options);
    if (!done) return done.error();
    return true;
}

QUANTO_BODY result<bool> Linear::float_product(Activation const& x, matrix_view<float> y, context const& where,
                                               product_options const& options) const {
    auto const values = x.floats();
    if (!values) return values.error();
    if (where.tape != nullptr)
        if (auto const w = where.tape->values(&weight); w.data != nullptr)
            return where.backend.matmul(*values, w, y), false;
    if (reads_panels(where)) {
        auto const done = where.backend.matmul(*values, *weight.prepared(), y, options);
        if (!done) return done.error();
        return true;
    }
    if (auto const* const q = weight.quantized()) return where.backend.matmul(*values, *q, y), false;
    if (weight.is_frozen())
        return error(errc::unsupported, "the portable form of the weight was released, and the backend ",
                     where.backend.name(), " does not read the prepared one");
    any_tensor const& master = *weight.master();
    if (where.backend.multiplies(master.type()))
        return where.backend.matmul_stored(*values, master, y, where.memory), false;
    auto const w = FloatView::of(master, where.memory);
    if (!w) return w.error();
    return where.backend.matmul(*values, matrix_view<float const>(w->view()), y, where.memory), false;
}

}  // namespace quanto::inline v0::nn
