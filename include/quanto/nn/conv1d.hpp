// Conv1d: x (.., in, length), w (out, in / groups, kernel), y (.., out, length); in all else as Conv2d.
#pragma once

#include <optional>
#include <utility>

#include <quanto/nn/convolution.hpp>

namespace quanto::inline v0::nn {

struct conv1d_options {
    std::size_t stride = 1, padding = 0, dilation = 1;
    std::size_t groups = 1;
    bool bias = true;  // of a module that is only declared
    bool quantize_input = false;
};

struct Conv1d {
    Weight weight;
    std::optional<any_tensor> bias;
    std::size_t stride, padding, dilation, groups;
    bool quantize_input;
    activation_state activation{};

    // Declared only. Precondition: groups divides `in`.
    Conv1d(std::size_t in, std::size_t out, std::size_t kernel, conv1d_options const& o = {})
        : Conv1d(Weight(extents{out, o.groups == 0 ? 0 : in / o.groups, kernel}),
                 o.bias ? std::optional(declared({out})) : std::nullopt, o) {
        QUANTO_ASSERT(groups != 0 && in % groups == 0, "Conv1d: groups must divide the channels");
    }
    // Precondition: w is (out, in / groups, kernel), b is (out), both of float types.
    explicit Conv1d(any_tensor w, std::optional<any_tensor> b = std::nullopt, conv1d_options const& o = {}) noexcept
        : Conv1d(Weight(std::move(w)), std::move(b), o) {}

    std::size_t in_channels() const noexcept { return weight.shape()[1] * groups; }
    std::size_t out_channels() const noexcept { return weight.shape().front(); }
    window taps() const noexcept { return {{1, weight.shape()[2]}, {1, stride}, {0, padding}, {1, dilation}}; }

    static void parameters(auto& self, auto&& each) {
        each("weight", self.weight);
        if (self.bias) each("bias", *self.bias);
    }

    // Errors: the input's; a shape that does not fit; weights without values.
    Activation operator()(Activation const& x) const {
        bool const sound = weight.shape().rank() == 3;
        return detail::convolution{"Conv1d", weight, bias,          activation, sound ? taps() : window{},
                                   groups,   1,      quantize_input}(x);
    }

private:
    Conv1d(Weight w, std::optional<any_tensor> b, conv1d_options const& o) noexcept
        : weight(std::move(w)),
          bias(std::move(b)),
          stride(o.stride),
          padding(o.padding),
          dilation(o.dilation),
          groups(o.groups),
          quantize_input(o.quantize_input) {}
};

}  // namespace quanto::inline v0::nn
