// Activation = what flows through a model: float values, or codes with one scale (x ~ code * scale), or an error.
// Whatever is computed from an error is that error, so a forward pass is written without checks and its result is read
// once:
//     if (auto y = model(x).value()) use(*y); else report(y.error());
#pragma once

#include <optional>
#include <utility>

#include <quanto/nn/context.hpp>
#include <quanto/quantizer/activation.hpp>
#include <quanto/tensor/tensor.hpp>
#include <quanto/types/any_qtype.hpp>

namespace quanto::inline v0::nn {

struct recorder;  // quantizable.hpp

// While a calibration runs: which of its recorders saw this as a module's quantized output. Compared, never followed.
struct activation_source {
    recorder const* first = nullptr;
    std::size_t index = 0;
};

class Activation {
public:
    // The tensor is copied or moved in; a borrowed one must outlive all activations that are computed from it.
    Activation(Tensor<float> x) noexcept : values_(std::move(x)) { check(); }
    // Precondition: the context outlives all activations that are computed from this one.
    Activation(Tensor<float> x, context const& where) noexcept : values_(std::move(x)), where_(&where) { check(); }
    Activation(Tensor<float> x, context const&& where) = delete;
    Activation(quanto::error e) noexcept : error_(e) {}
    // Codes of an 8-bit qtype. Precondition: type.bits() == 8, scale finite and not negative.
    Activation(any_qtype type, Tensor<std::uint8_t> codes, float scale, context const* where = nullptr) noexcept
        : codes_(std::move(codes)), type_(type), scale_(scale), where_(where) {
        QUANTO_ASSERT(type.bits() == 8, "Activation: codes have 8 bits");
        check();
    }

    explicit operator bool() const noexcept { return !error_; }
    // Precondition: no value.
    quanto::error const& error() const noexcept { return QUANTO_ASSERT(error_, "Activation: no error"), *error_; }

    extents const& shape() const noexcept { return type_ ? codes_.shape() : values_.shape(); }
    std::size_t size() const noexcept { return type_ ? codes_.size() : values_.size(); }
    bool is_quantized() const noexcept { return type_.has_value(); }
    std::optional<any_qtype> type() const noexcept { return type_; }
    float scale() const noexcept { return scale_; }

    // What is inside. Precondition: is_quantized() for codes, not so for values.
    Tensor<std::uint8_t> const& codes() const noexcept { return codes_; }
    Tensor<float> const& values() const noexcept { return values_; }

    // The float values, dequantized where needed. Cost: a copy.
    result<Tensor<float>> value() const {
        if (error_) return *error_;
        auto out = Tensor<float>::make(shape(), where().memory);
        if (!out) return out;
        if (!type_)
            for (std::size_t i = 0; i != size(); ++i) (*out)[i] = std::as_const(values_)[i];
        else
            dequantize_into(out->data());
        return out;
    }
    // Element i as float. Precondition: a value, i < size().
    float operator[](std::size_t i) const noexcept {
        if (!type_) return values_[i];
        return type_->visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                return dequantize_code<Q>(codes_[i], scale_);
            else
                return 0.0f;
        });
    }

    context where() const noexcept { return where_ != nullptr ? *where_ : context{}; }
    // The same, as a pointer that a result takes over: null is the default.
    context const* where_pointer() const noexcept { return where_; }

    activation_source source() const noexcept { return source_; }
    Activation from(activation_source source) && noexcept {
        source_ = source;
        return std::move(*this);
    }
    Activation in(context const* where) && noexcept {
        where_ = where;
        return std::move(*this);
    }

private:
    // An allocation that failed, or a copy for which there was no memory.
    void check() noexcept {
        std::size_t const needed = type_ ? codes_.shape().numel() : values_.shape().numel() * sizeof(float);
        if (type_ ? !codes_ : !values_)
            error_ = quanto::error(errc::invalid_argument, "an empty tensor as activation");
        else if ((type_ ? codes_.bytes() : values_.bytes()).size() < needed)
            error_ = quanto::error(errc::out_of_memory, "no memory for a copy of an activation");
    }
    void dequantize_into(float* out) const noexcept {
        type_->visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                for (std::size_t i = 0; i != codes_.size(); ++i) out[i] = dequantize_code<Q>(codes_[i], scale_);
        });
    }

    Tensor<float> values_;
    Tensor<std::uint8_t> codes_;
    std::optional<any_qtype> type_;
    float scale_ = 1.0f;
    context const* where_ = nullptr;
    activation_source source_{};
    std::optional<quanto::error> error_;
};

// x as codes of that type under that scale; an activation that is quantized already comes back as it is. A scale of 0,
// which only zeros ask for, gives zeros. Precondition: type.bits() == 8, scale finite and not negative.
inline Activation quantize_activation(Activation const& x, any_qtype type, float scale) {
    if (!x || x.is_quantized()) return x;
    auto codes = Tensor<std::uint8_t>::make(x.shape(), x.where().memory);
    if (!codes) return codes.error();
    if (scale > 0.0f)
        type.visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                quanto::quantize_activation<Q>(x.values().data(), x.size(), scale, codes->data());
        });
    return Activation(type, std::move(*codes), scale, x.where_pointer());
}

// y, or the error of its allocation, in the context of x.
inline Activation like(Activation const& x, Tensor<float> y) { return Activation(std::move(y)).in(x.where_pointer()); }

}  // namespace quanto::inline v0::nn
