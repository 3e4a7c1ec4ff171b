// The bodies of linear.hpp.
#pragma once

#include <algorithm>
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
    auto const b = bias ? FloatView::of(*bias, where.memory) : FloatView();
    if (!b) return b.error().within("Linear");
    std::span<float const> const bias_values(b->view().data(), bias ? out_features() : 0);
    if (auto const scale = scale_of_codes(x, bias_values, where)) {
        auto codes = Tensor<std::uint8_t>::make_for_overwrite(shape, where.memory);
        if (!codes) return codes.error().within("Linear");
        output_matrix const y(*activation.type, codes->data(), codes->rows(), codes->cols(), *scale);
        if (auto done = multiply(x, bias_values, y, where); !done) return done.error().within("Linear");
        return Activation(*activation.type, std::move(*codes), *scale, x.where_pointer());
    }
    auto y = Tensor<float>::make_for_overwrite(shape, where.memory);
    if (!y) return y.error().within("Linear");
    if (auto done = multiply(x, bias_values, *y, where); !done) return done.error().within("Linear");
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

QUANTO_BODY std::optional<float> Linear::scale_of_codes(Activation const& x, std::span<float const> bias_values,
                                                        context const& where) const noexcept {
    auto const scale = activation.fixed_output_scale();
    if (!scale || !(*scale > 0.0f) || where.tape != nullptr || !reads_panels(where) || x.has_row_scales())
        return std::nullopt;
    // Sums of codes are finite or too large; of floats, or with such a bias, they may be NaN, an error that float
    // values have to show.
    if (!x.is_quantized() || !vectorized(where.backend.target()).all_finite(bias_values.data(), bias_values.size()))
        return std::nullopt;
    return scale;
}

QUANTO_BODY result<success> Linear::multiply(Activation const& x, std::span<float const> bias_values,
                                             output_matrix const& y, context const& where) const {
    if (y.rows * y.cols == 0) return success{};
    product_options options{.bias = bias_values, .accuracy = where.accuracy, .memory = where.memory};
    if (reads_panels(where) && !x.has_row_scales() && !has_values_on_tape(where))
        return where.backend.matmul(operand(x, y.rows), *weight.prepared(), y, options);

    matrix_view<float> const values = y.as<float>();
    bool const by_codes = x.size() != 0 && multiplies_codes(x, where);
    options.bias = {};
    if (x.size() == 0)
        std::fill_n(values.data, y.rows * y.cols, 0.0f);
    else if (auto done = by_codes ? codes_product(x, values, where, options) : float_product(x, values, where, options);
             !done)
        return done;
    for (std::size_t m = 0; m != y.rows; ++m) {
        float* const row = values.row(m);
        if (by_codes && x.has_row_scales())
            for (std::size_t j = 0; j != y.cols; ++j) row[j] *= x.row_scales()[m];
        for (std::size_t j = 0; j != bias_values.size(); ++j) row[j] += bias_values[j];
    }
    return success{};
}

QUANTO_BODY input_matrix Linear::operand(Activation const& x, std::size_t rows) const noexcept {
    if (x.is_quantized()) return {*x.type(), x.codes().data(), rows, in_features(), x.scale()};
    return matrix_view<float const>(x.values().data(), rows, in_features());
}

// While it is tuned, a weight may have other values on the tape.
QUANTO_BODY bool Linear::has_values_on_tape(context const& where) const noexcept {
    return where.tape != nullptr && where.tape->values(&weight).data != nullptr;
}

QUANTO_BODY bool Linear::multiplies_codes(Activation const& x, context const& where) const noexcept {
    if (!x.is_quantized() || !x.type()->is<qint8>()) return false;
    auto const* const q = weight.quantized();
    return reads_panels(where) || (q != nullptr && q->type().is<qint8>() && q->layout().groups_per_line() == 1);
}

QUANTO_BODY result<success> Linear::codes_product(Activation const& x, matrix_view<float> y, context const& where,
                                                  product_options const& options) const {
    float const scale = x.has_row_scales() ? 1.0f : x.scale();
    matrix_view<std::int8_t const> const codes(x.int8_codes(), y.rows, in_features());
    if (reads_panels(where)) return where.backend.matmul({codes, scale}, *weight.prepared(), y, options);
    where.backend.matmul(codes, scale, weight.quantized()->as<qint8>(), y);
    return success{};
}

QUANTO_BODY result<success> Linear::float_product(Activation const& x, matrix_view<float> y, context const& where,
                                                  product_options const& options) const {
    auto const values = x.floats();
    if (!values) return values.error();
    if (has_values_on_tape(where)) return where.backend.matmul(*values, where.tape->values(&weight), y), success{};
    if (reads_panels(where)) return where.backend.matmul(*values, *weight.prepared(), y, options);
    if (auto const* const q = weight.quantized()) return where.backend.matmul(*values, *q, y), success{};
    if (weight.is_frozen())
        return error(errc::unsupported, "the portable form of the weight was released, and the backend ",
                     where.backend.name(), " does not read the prepared one");
    any_tensor const& master = *weight.master();
    if (where.backend.multiplies(master.type()))
        return where.backend.matmul_stored(*values, master, y, where.memory), success{};
    auto const w = FloatView::of(master, where.memory);
    if (!w) return w.error();
    return where.backend.matmul(*values, matrix_view<float const>(w->view()), y, where.memory), success{};
}

}  // namespace quanto::inline v0::nn
