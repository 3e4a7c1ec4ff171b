// Linear: y[m, n] = sum over k of x[m, k] * w[n, k] + b[n]; x is (.., in), w (out, in), y (.., out).
// Quantized int8 activations and int8 weights multiply as integers: y = float(sum of code products) * (x_scale *
// w_scale[n]), then + b; exact but for these three roundings. Int8 activations and other prepared weights do so group
// by group. All other pairs are float products of dequantized values.
#pragma once

#include <optional>
#include <span>
#include <utility>

#include <quanto/nn/gradient.hpp>
#include <quanto/nn/module.hpp>
#include <quanto/nn/quantizable.hpp>
#include <quanto/nn/weight.hpp>

namespace quanto::inline v0::nn {

struct Linear {
    Weight weight;
    std::optional<any_tensor> bias;
    activation_state activation{};

    // Declared only: load values, or set them.
    Linear(std::size_t in, std::size_t out, bool with_bias = true) : weight(extents{out, in}) {
        if (with_bias) bias = declared({out});
    }
    // Precondition: w is (out, in), b is (out), both of float types.
    explicit Linear(any_tensor w, std::optional<any_tensor> b = std::nullopt) noexcept
        : weight(std::move(w)), bias(std::move(b)) {}

    std::size_t in_features() const noexcept { return weight.shape().back(); }
    std::size_t out_features() const noexcept { return weight.shape().front(); }

    static void parameters(auto& self, auto&& each) {
        each("weight", self.weight);
        if (self.bias) each("bias", *self.bias);
    }

    // Cost: m * in * out multiplications. Errors: the input's; no or other features than `in`; weights without values.
    Activation operator()(Activation const& given) const {
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

private:
    // dx = dy w, dw = dy^T x, db = sum of dy, with w and x as they were multiplied: quantized.
    result<success> backward(Tape& tape, Activation const& x, matrix_view<float const> dy) const {
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

    std::optional<error> mismatch(Activation const& x) const {
        if (weight.shape().rank() != 2 || (bias && bias->shape() != extents{out_features()}))
            return append(error(errc::shape_mismatch, "Linear: its own weight and bias disagree: "), weight.shape());
        if (!weight.has_values() || (bias && !nn::has_values(*bias)))
            return error(errc::missing, "Linear (", in_features(), " to ", out_features(), "): no values were loaded");
        if (x.shape().rank() != 0 && x.shape().back() == in_features()) return std::nullopt;
        error e(errc::shape_mismatch, "Linear (", in_features(), " to ", out_features(), "): the input has shape ");
        return append(e, x.shape());
    }

    // y = x * w^T + bias. Prepared weights take the bias along; it is added afterwards otherwise, and where rows of x
    // have scales of their own, which come before it.
    result<success> multiply(Activation const& x, Tensor<float>& y, context const& where) const {
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

    bool reads_panels(context const& where) const noexcept {
        return weight.prepared() != nullptr && where.backend.reads_panels();
    }
    bool multiplies_codes(Activation const& x, context const& where) const noexcept {
        if (!x.is_quantized() || !x.type()->is<qint8>()) return false;
        auto const* const q = weight.quantized();
        return reads_panels(where) || (q != nullptr && q->type().is<qint8>() && q->layout().is_whole());
    }

    // Both: whether the bias is in y now.
    result<bool> codes_product(Activation const& x, matrix_view<float> y, context const& where,
                               product_options const& options) const {
        float const scale = x.has_row_scales() ? 1.0f : x.scale();
        matrix_view<std::int8_t const> const codes(x.int8_codes(), y.rows, in_features());
        if (!reads_panels(where)) return where.backend.matmul(codes, scale, weight.quantized()->as<qint8>(), y), false;
        auto const done = where.backend.matmul(codes, scale, *weight.prepared(), y, options);
        if (!done) return done.error();
        return true;
    }
    result<bool> float_product(Activation const& x, matrix_view<float> y, context const& where,
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
};

}  // namespace quanto::inline v0::nn
