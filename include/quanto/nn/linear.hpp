// Linear: y[m, n] = sum over k of x[m, k] * w[n, k] + b[n]; x is (.., in), w (out, in), y (.., out).
// Quantized int8 activations and int8 weights multiply as integers: y = float(sum of code products) * (x_scale *
// w_scale[n]), then + b; exact but for these three roundings. Int8 activations and other prepared weights do so group
// by group. All other pairs are float products of dequantized values.
// A prepared weight reads codes of x as they are, and writes those of a quantized output itself.
#pragma once

#include <optional>
#include <span>
#include <utility>

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
        : weight(std::move(w)), bias(std::move(b)) {
        QUANTO_ASSERT(!bias || is_float_storage(bias->type()), "Linear: the bias is not of a float type");
    }

    std::size_t in_features() const noexcept { return weight.shape().back(); }
    std::size_t out_features() const noexcept { return weight.shape().front(); }

    static void parameters(auto& self, auto&& each) {
        each("weight", self.weight);
        if (self.bias) each("bias", *self.bias);
    }

    // Cost: m * in * out multiplications. Errors: the input's; no or other features than `in`; weights without values.
    Activation operator()(Activation const& given) const;

private:
    // dx = dy w, dw = dy^T x, db = sum of dy, with w and x as they were multiplied: quantized.
    result<success> backward(Tape& tape, Activation const& x, matrix_view<float const> dy) const;

    std::optional<error> mismatch(Activation const& x) const;

    // The scale under which the product itself writes codes of its output: with prepared weights, where nothing else
    // asks for the float values, and none can be NaN. bias_values: the bias as floats, or none.
    std::optional<float> scale_of_codes(Activation const& x, std::span<float const> bias_values,
                                        context const& where) const noexcept;

    // y = x * w^T + bias. Prepared weights take x as it is and the bias along; otherwise the bias is added afterwards,
    // and where rows of x have scales of their own, after these. Precondition: y is f32, or scale_of_codes() says so.
    result<success> multiply(Activation const& x, std::span<float const> bias_values, output_matrix const& y,
                             context const& where) const;

    bool reads_panels(context const& where) const noexcept {
        return weight.prepared() != nullptr && where.backend.reads_panels();
    }
    bool multiplies_codes(Activation const& x, context const& where) const noexcept;
    bool has_values_on_tape(context const& where) const noexcept;
    // Precondition: one scale for all.
    input_matrix operand(Activation const& x, std::size_t rows) const noexcept;

    // Without the bias.
    result<success> codes_product(Activation const& x, matrix_view<float> y, context const& where,
                                  product_options const& options) const;
    result<success> float_product(Activation const& x, matrix_view<float> y, context const& where,
                                  product_options const& options) const;
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/linear.inl>
#endif
