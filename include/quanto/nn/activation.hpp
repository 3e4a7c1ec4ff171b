// Activation = what flows through a model: float values, or 8-bit codes with their scale, or an error.
//     one scale         x[i] ~ code[i] * scale                     static (calibrated) or dynamic
//     a scale per row   x[r, c] ~ code[r, c] * row_scales[r]       dynamic; a row runs along the last dimension
// Scales are finite; they may be zero (zeros) and, after a product with a negative number, negative.
// Whatever is computed from an error is that error, so a forward pass is written without checks and its result is read
// once:
//     if (auto y = model(x).value()) use(*y); else report(y.error());
#pragma once

#include <optional>
#include <utility>

#include <quanto/kernels/vectorized.hpp>
#include <quanto/nn/activation_source.hpp>
#include <quanto/nn/context.hpp>
#include <quanto/nn/tape.hpp>
#include <quanto/tensor/tensor.hpp>
#include <quanto/types/any_qtype.hpp>

namespace quanto::inline v0::nn {

class Activation {
public:
    // The tensor is copied or moved in; a borrowed one must outlive all activations that are computed from it.
    Activation(Tensor<float> x) noexcept : values_(std::move(x)) { check(); }
    // Precondition: the context outlives all activations that are computed from this one.
    Activation(Tensor<float> x, context const& where) noexcept : values_(std::move(x)), where_(&where) { check(); }
    Activation(Tensor<float> x, context const&& where) = delete;
    Activation(quanto::error e) noexcept : error_(e) {}
    // Codes of an 8-bit qtype. Precondition: type.bits() == 8, scale finite.
    Activation(any_qtype type, Tensor<std::uint8_t> codes, float scale, context const* where = nullptr) noexcept
        : codes_(std::move(codes)), type_(type), scale_(scale), where_(where) {
        QUANTO_ASSERT(type.bits() == 8, "Activation: codes have 8 bits");
        check();
    }
    // The same with a scale per row. Precondition: also row_scales.size() == codes.rows().
    Activation(any_qtype type, Tensor<std::uint8_t> codes, Tensor<float> row_scales,
               context const* where = nullptr) noexcept
        : codes_(std::move(codes)), row_scales_(std::move(row_scales)), type_(type), where_(where) {
        QUANTO_ASSERT(type.bits() == 8, "Activation: codes have 8 bits");
        QUANTO_ASSERT(!codes_ || row_scales_.size() == codes_.rows(), "Activation: one scale per row");
        check();
    }

    explicit operator bool() const noexcept { return !error_; }
    // Precondition: no value.
    quanto::error const& error() const noexcept { return QUANTO_ASSERT(error_, "Activation: no error"), *error_; }

    extents const& shape() const noexcept { return type_ ? codes_.shape() : values_.shape(); }
    std::size_t size() const noexcept { return type_ ? codes_.size() : values_.size(); }
    bool is_quantized() const noexcept { return type_.has_value(); }
    std::optional<any_qtype> type() const noexcept { return type_; }

    // Precondition of scale(): one for all. scale_of_row takes any; 1 where it is not quantized.
    float scale() const noexcept { return QUANTO_ASSERT(!has_row_scales(), "Activation: a scale per row"), scale_; }
    bool has_row_scales() const noexcept { return static_cast<bool>(row_scales_); }
    Tensor<float> const& row_scales() const noexcept { return row_scales_; }
    float scale_of_row(std::size_t r) const noexcept { return has_row_scales() ? row_scales_[r] : scale_; }

    // What is inside. Precondition: is_quantized() for codes, not so for values.
    Tensor<std::uint8_t> const& codes() const noexcept { return codes_; }
    std::int8_t const* int8_codes() const noexcept { return reinterpret_cast<std::int8_t const*>(codes_.data()); }
    Tensor<float> const& values() const noexcept { return values_; }

    // The float values, dequantized where needed. Cost: a copy; none of one that is no longer needed, where it is float
    // and nobody else has its elements.
    result<Tensor<float>> value() const& {
        if (error_) return *error_;
        if (!type_) return owned(Tensor<float>::borrow(values_.view()), where().memory);
        auto out = Tensor<float>::make_for_overwrite(shape(), where().memory);
        if (out) dequantize_into(out->data());
        return out;
    }
    result<Tensor<float>> value() && {
        if (error_ || type_ || node_ != nullptr) return std::as_const(*this).value();
        return owned(std::move(values_), where().memory);
    }
    // The codes in the same way. Precondition: is_quantized().
    result<Tensor<std::uint8_t>> take_codes() && {
        if (node_ != nullptr) return owned(Tensor<std::uint8_t>::borrow(std::as_const(codes_).view()), where().memory);
        return owned(std::move(codes_), where().memory);
    }
    // The same without a copy where the values are float already: then a view of them.
    result<Tensor<float>> floats() const {
        if (!error_ && !type_) return Tensor<float>::borrow(values_.view());
        return value();
    }
    // Element i as float. Precondition: a value, i < size().
    float operator[](std::size_t i) const noexcept {
        if (!type_) return values_[i];
        return type_->visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                return dequantize_code<Q>(codes_[i], has_row_scales() ? row_scales_[i / codes_.cols()] : scale_);
            else
                return 0.0f;
        });
    }

    context where() const noexcept { return where_ != nullptr ? *where_ : context{}; }
    // The same, as a pointer that a result takes over: null is the default.
    context const* where_pointer() const noexcept { return where_; }

    activation_source const& source() const noexcept { return source_; }
    Activation from(activation_source source) && noexcept {
        source_ = std::move(source);
        return std::move(*this);
    }
    Activation in(context const* where) && noexcept {
        where_ = where;
        return std::move(*this);
    }

    // The same elements in the same order, and so the same gradient. Precondition: shape.numel() == size(); with a
    // scale per row also the same last dimension.
    Activation reshaped(extents const& shape) && noexcept {
        if (error_) return std::move(*this);
        if (type_)
            codes_ = std::move(codes_).reshaped(shape);
        else
            values_ = std::move(values_).reshaped(shape);
        return std::move(*this);
    }
    // Other codes under the same scales, from the same source. Precondition: is_quantized(); with a scale per row, as
    // many rows.
    Activation with(Tensor<std::uint8_t> codes) const {
        auto y = has_row_scales() ? Activation(*type_, std::move(codes), row_scales_, where_)
                                  : Activation(*type_, std::move(codes), scale_, where_);
        return std::move(y).from(source_);
    }
    // The same codes under f(scale), for each scale. Precondition: is_quantized(); the results are finite.
    template <class F>
    Activation scaled(F const& f) && {
        if (error_) return std::move(*this);
        scale_ = f(scale_);
        if (!has_row_scales()) return std::move(*this);
        auto scales = Tensor<float>::make_for_overwrite(row_scales_.shape(), where().memory);
        if (!scales) return scales.error();
        for (std::size_t r = 0; r != scales->size(); ++r) (*scales)[r] = f(std::as_const(row_scales_)[r]);
        row_scales_ = std::move(*scales);
        return std::move(*this);
    }

    // While gradients are recorded: on which tape, and where the gradient of this goes; null for a constant.
    Tape* tape() const noexcept { return where_ != nullptr ? where_->tape : nullptr; }
    Tape::node* node() const noexcept { return node_; }
    Activation at(Tape::node* node) && noexcept {
        node_ = node;
        return std::move(*this);
    }
    // Its elements shared by all copies from now on, so that saving it for the way back costs nothing.
    Activation shared() && {
        if (error_) return std::move(*this);
        auto elements = into_shared(type_ ? std::move(codes_).bytes() : std::move(values_).bytes());
        if (!elements) return elements.error();
        if (type_)
            codes_ = Tensor<std::uint8_t>(codes_.shape(), std::move(*elements));
        else
            values_ = Tensor<float>(values_.shape(), std::move(*elements));
        return std::move(*this);
    }

private:
    // An allocation that failed, or a copy for which there was no memory.
    void check() noexcept {
        std::size_t const needed = type_ ? codes_.shape().numel() : values_.shape().numel() * sizeof(float);
        if (type_ ? !codes_ : !values_)
            error_ = quanto::error(errc::invalid_argument, "an empty tensor as activation");
        else if ((type_ ? codes_.bytes() : values_.bytes()).size() < needed ||
                 row_scales_.bytes().size() < row_scales_.size() * sizeof(float))
            error_ = quanto::error(errc::out_of_memory, "no memory for a copy of an activation");
    }
    void dequantize_into(float* out) const noexcept {
        type_->visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>) {
                vectorized const by(where().backend.target());
                if (!has_row_scales()) return by.decode<Q>(codes_.data(), codes_.size(), scale_, out);
                for (std::size_t r = 0, i = 0, n = codes_.cols(); r != codes_.rows(); ++r, i += n)
                    by.decode<Q>(codes_.data() + i, n, row_scales_[r], out + i);
            }
        });
    }

    Tensor<float> values_;
    Tensor<std::uint8_t> codes_;
    Tensor<float> row_scales_;
    std::optional<any_qtype> type_;
    float scale_ = 1.0f;
    context const* where_ = nullptr;
    activation_source source_{};
    Tape::node* node_ = nullptr;
    std::optional<quanto::error> error_;
};

// y, recorded: result<success> backward(Tape&, Tensor<float> dy) adds to the gradients of what y was computed from.
// Precondition: y.tape() != nullptr, or y is an error.
template <class F>
Activation recorded(Activation y, F backward) {
    if (!y) return y;
    auto* const node = y.tape()->record(y.shape(), std::move(backward));
    if (node == nullptr) return error(errc::out_of_memory, "no memory to record an operation");
    return std::move(y).at(node).shared();
}

// x as an input whose gradient is wanted: after Tape::backward it is in x.node()->gradient.
inline Activation tracked(Activation x) {
    if (!x || x.tape() == nullptr) return x;
    auto* const node = x.tape()->record_input(x.shape());
    if (node == nullptr) return error(errc::out_of_memory, "no memory to record an input");
    return std::move(x).at(node).shared();
}

// y, or the error of its allocation, in the context of x. Where x has a gradient, y has none until it is recorded: an
// operation that forgets to is found, not ignored.
inline Activation like(Activation const& x, Tensor<float> y) {
    Activation out = Activation(std::move(y)).in(x.where_pointer());
    if (x.node() != nullptr) return std::move(out).at(x.tape()->no_gradient());
    return out;
}

}  // namespace quanto::inline v0::nn
