// activation_state = what a quantizable module knows of its activations: their type, the scales of its input and its
// output (if seen), whether its output is quantized. The module computes
//     quantize the input -> compute -> quantize the output
// and, while a Calibration runs, tells its recorder what passes. Dynamic activations have no scales here: the input is
// quantized by its own values, the output stays float.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include <quanto/nn/any_tensors.hpp>
#include <quanto/nn/quantize_activation.hpp>
#include <quanto/nn/recorder.hpp>

namespace quanto::inline v0::nn {

// A pointer to something that somebody else owns for a while. Copying or moving a module does not pass it on, assigning
// to a module does not take it away.
template <class T>
class lent {
public:
    constexpr lent() noexcept = default;
    constexpr lent(lent const&) noexcept {}
    constexpr lent& operator=(lent const&) noexcept { return *this; }
    constexpr void lend(T* p) noexcept { p_ = p; }
    constexpr T* get() const noexcept { return p_; }

private:
    T* p_ = nullptr;
};

struct activation_state {
    std::optional<any_qtype> type{};  // none: activations pass as they come
    std::optional<float> input_scale{}, output_scale{};
    bool quantize_output = true;
    activation_scaling scaling = activation_scaling::calibrated;
    lent<nn::recorder> recorder{};

    bool is_dynamic() const noexcept { return type && scaling != activation_scaling::calibrated; }

    // The input as the module computes with it; nothing: as it is.
    std::optional<Activation> quantized_input(Activation const& x) const {
        if (!type || !x) return std::nullopt;
        if (is_dynamic()) {
            if (x.is_quantized()) return std::nullopt;
            return quantize_dynamic(x, *type, scaling);
        }
        auto* const r = recorder.get();
        if (r != nullptr) {
            r->input(x);
            if (x.is_quantized()) x.source().read_by(r->self);
        }
        auto const scale = r != nullptr ? r->input_scale : input_scale;
        if (!scale || x.is_quantized()) return std::nullopt;
        return quantize_activation(x, *type, *scale, &input_scale);
    }
    // The same for a module that computes in float: the input's scale is recorded, nothing else.
    void observe_input(Activation const& x) const {
        if (type && x && recorder.get() != nullptr) recorder.get()->input(x);
    }
    // For a module that computes with the codes of x, though it would not quantize a float input.
    void observe_codes(Activation const& x) const {
        observe_input(x);
        if (recorder.get() != nullptr) x.source().read_by(recorder.get()->self);
    }
    // The type and scale with which quantized_output() will quantize, where it needs nothing else of the values: a
    // module may then write codes at once.
    std::optional<float> fixed_output_scale() const noexcept {
        if (!type || is_dynamic() || recorder.get() != nullptr || !quantize_output) return std::nullopt;
        return output_scale;
    }
    // Precondition: y is not quantized.
    Activation quantized_output(Activation y) const {
        if (!type || !y || is_dynamic()) return y;
        auto* const r = recorder.get();
        if (r != nullptr) r->output(y);
        auto const scale = r != nullptr ? r->output_scale : output_scale;
        if (!(r != nullptr ? r->quantize_output : quantize_output) || !scale) return y;
        Activation codes = quantize_activation(y, *type, *scale, &output_scale);
        if (r != nullptr) return std::move(codes).from(r->self);
        return codes;
    }
};

template <class M>
concept Quantizable = requires(M& m) {
    requires std::same_as<std::remove_const_t<decltype(m.activation)>, activation_state>;
};

}  // namespace quanto::inline v0::nn
