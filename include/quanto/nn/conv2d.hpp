// Conv2d: x (.., in, height, width), w (out, in / groups, kernel height, kernel width), y (.., out, height, width); the
// sum is that of convolution.hpp. Quantized as Linear is, but for its input: float values are computed with as they
// are (as in Python quanto), int8 codes beside int8 weights multiply as integers. With quantize_input a float input is
// quantized first, under the scale that was calibrated.
#pragma once

#include <optional>
#include <utility>

#include <quanto/nn/convolution.hpp>

namespace quanto::inline v0::nn {

struct conv2d_options {
    size_2d stride{1}, padding{0}, dilation{1};
    std::size_t groups = 1;
    bool bias = true;  // of a module that is only declared
    bool quantize_input = false;
};

struct Conv2d {
    Weight weight;
    std::optional<any_tensor> bias;
    size_2d stride, padding, dilation;
    std::size_t groups;
    bool quantize_input;
    activation_state activation{};

    // Declared only: Conv2d{3, 8, {3, 3}, {.stride = 2, .padding = 1}}. Precondition: groups divides `in`.
    Conv2d(std::size_t in, std::size_t out, size_2d kernel, conv2d_options const& o = {})
        : Conv2d(Weight(extents{out, o.groups == 0 ? 0 : in / o.groups, kernel.height, kernel.width}),
                 o.bias ? std::optional(declared({out})) : std::nullopt, o) {
        QUANTO_ASSERT(groups != 0 && in % groups == 0, "Conv2d: groups must divide the channels");
    }
    // Precondition: w is (out, in / groups, kernel height, kernel width), b is (out), both of float types.
    explicit Conv2d(any_tensor w, std::optional<any_tensor> b = std::nullopt, conv2d_options const& o = {}) noexcept
        : Conv2d(Weight(std::move(w)), std::move(b), o) {}

    std::size_t in_channels() const noexcept { return weight.shape()[1] * groups; }
    std::size_t out_channels() const noexcept { return weight.shape().front(); }
    window taps() const noexcept { return {{weight.shape()[2], weight.shape()[3]}, stride, padding, dilation}; }

    static void parameters(auto& self, auto&& each) {
        each("weight", self.weight);
        if (self.bias) each("bias", *self.bias);
    }

    // Errors: the input's; a shape that does not fit; weights without values.
    Activation operator()(Activation const& x) const {
        bool const sound = weight.shape().rank() == 4;
        return detail::convolution{"Conv2d", weight, bias,          activation, sound ? taps() : window{},
                                   groups,   2,      quantize_input}(x);
    }

private:
    Conv2d(Weight w, std::optional<any_tensor> b, conv2d_options const& o) noexcept
        : weight(std::move(w)),
          bias(std::move(b)),
          stride(o.stride),
          padding(o.padding),
          dilation(o.dilation),
          groups(o.groups),
          quantize_input(o.quantize_input) {}
};

}  // namespace quanto::inline v0::nn
