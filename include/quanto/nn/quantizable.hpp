// activation_state = what a quantizable module knows of its activations: their type, the scales of its input and its
// output (if seen), whether its output is quantized. The module computes
//     quantize the input -> compute -> quantize the output
// and, while a Calibration runs, tells its recorder what passes. The recorder is lent: copies of a module have none.
#pragma once

#include <concepts>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <quanto/nn/activation.hpp>
#include <quanto/nn/any_tensors.hpp>

namespace quanto::inline v0::nn {

// Running scales of one module. s = max|x| / qmax of a batch; the first is taken as it is, later ones enter as
// scale = momentum * scale + (1 - momentum) * s, rounded after each operation.
struct recorder {
    double momentum = 0.9;
    any_qtype type;
    dtype scale_type = dtype::f32;  // scales are kept as they will be stored
    recorder* first = nullptr;      // all recorders of one calibration, and the place of this one
    std::size_t count = 0, index = 0;
    std::optional<float> input_scale{}, output_scale{};
    bool output_read_quantized = false, output_seen = false;
    std::optional<error> problem{};

    void input(Activation const& x) {
        if (x.is_quantized())
            input_scale = stored_as(x.scale(), scale_type);
        else
            update(input_scale, x, "input");
    }
    void output(Activation const& y) {
        output_seen = true;
        update(output_scale, y, "output");
    }

    // x was read as it is, quantized: its source must go on quantizing.
    void read_quantized(Activation const& x) noexcept {
        auto const source = x.source();
        if (source.first != nullptr && source.first == first && source.index < count)
            first[source.index].output_read_quantized = true;
    }

private:
    void update(std::optional<float>& scale, Activation const& x, std::string_view which) {
        float s = 0.0f;
        type.visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>) s = absmax_scale<Q>(x.values().data(), x.size());
        });
        for (std::size_t i = 0; i != x.size(); ++i)
            if (!is_finite(x.values()[i])) {
                if (!problem)
                    problem = error(errc::not_finite, "the ", which, " at index ", i,
                                    is_nan(x.values()[i]) ? " is NaN" : " is infinite");
                return;
            }
        if (scale)
            s = rounded(rounded(static_cast<float>(momentum) * *scale) +
                        rounded(static_cast<float>(1.0 - momentum) * s));
        scale = stored_as(s, scale_type);
    }
};

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
    lent<nn::recorder> recorder{};

    // The input as the module computes with it; nothing: as it is.
    std::optional<Activation> quantized_input(Activation const& x) const {
        if (!type || !x) return std::nullopt;
        auto* const r = recorder.get();
        if (r != nullptr) {
            r->input(x);
            if (x.is_quantized()) r->read_quantized(x);
        }
        auto const scale = r != nullptr ? r->input_scale : input_scale;
        if (!scale || x.is_quantized()) return std::nullopt;
        return quantize_activation(x, *type, *scale);
    }
    // The same for a module that computes in float: the input's scale is recorded, nothing else.
    void observe_input(Activation const& x) const {
        if (type && x && recorder.get() != nullptr) recorder.get()->input(x);
    }
    // Precondition: y is not quantized.
    Activation quantized_output(Activation y) const {
        if (!type || !y) return y;
        auto* const r = recorder.get();
        if (r != nullptr) r->output(y);
        auto const scale = r != nullptr ? r->output_scale : output_scale;
        if ((r == nullptr && !quantize_output) || !scale) return y;
        Activation codes = quantize_activation(y, *type, *scale);
        return r == nullptr ? codes : std::move(codes).from({r->first, r->index});
    }
};

template <class M>
concept Quantizable = requires(M& m) {
    requires std::same_as<std::remove_const_t<decltype(m.activation)>, activation_state>;
};

}  // namespace quanto::inline v0::nn
