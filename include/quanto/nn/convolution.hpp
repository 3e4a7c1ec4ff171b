// What Conv1d and Conv2d have in common; a line is a picture of height 1. With C = channels / groups, for output o of
// group g:
//     y[o][p] = sum over c < C and taps t of x[g C + c][p * stride + t * dilation - padding] * w[o][c][t] + b[o]
// Float values and weights, and int8 codes with prepared int8 weights, are convolved directly where the context's
// backend has a kernel for it. Otherwise, tile by tile of outputs p, the patches that they see
// (kernels/convolution/patches.hpp) are multiplied with w. x and y are (channels, height, width), or a batch of these.
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <quanto/kernels/convolution/window.hpp>
#include <quanto/nn/module.hpp>
#include <quanto/nn/quantizable.hpp>
#include <quanto/nn/weight.hpp>

namespace quanto::inline v0::nn {

// Size: std::size_t along a line, size_2d in a picture.
template <class Size>
struct convolution_options {
    Size stride{1}, padding{0}, dilation{1};
    std::size_t groups = 1;
    bool bias = true;  // of a module that is only declared
    bool quantize_input = false;
};

namespace detail {

// A module as it computes, of one or two dimensions.
struct convolution_parts {
    std::string_view name;
    Weight const& weight;                   // (outputs, C, kernel..)
    std::optional<any_tensor> const& bias;  // (outputs)
    activation_state const& activation;
    window taps;
    std::size_t groups, directions;  // 1 or 2
    bool quantize_input;
};
Activation convolve(convolution_parts const& parts, Activation const& x);
kernel_choice explain(convolution_parts const& parts, context const& where, std::size_t rows) noexcept;

template <class Size>
struct convolution_module {
    static constexpr std::size_t directions = std::is_same_v<Size, size_2d> ? 2 : 1;

    Weight weight;
    std::optional<any_tensor> bias;
    Size stride, padding, dilation;
    std::size_t groups;
    bool quantize_input;
    activation_state activation{};

    // Declared only. Precondition: groups divides `in`.
    convolution_module(std::size_t in, std::size_t out, Size kernel, convolution_options<Size> const& o = {})
        : convolution_module(Weight(weight_shape(out, o.groups == 0 ? 0 : in / o.groups, kernel)),
                             o.bias ? std::optional(declared({out})) : std::nullopt, o) {
        QUANTO_ASSERT(groups != 0 && in % groups == 0, "a convolution: groups must divide the channels");
    }
    // Precondition: w is (out, in / groups, kernel..), b is (out), both of float types.
    explicit convolution_module(any_tensor w, std::optional<any_tensor> b = std::nullopt,
                                convolution_options<Size> const& o = {}) noexcept
        : convolution_module(Weight(std::move(w)), std::move(b), o) {}

    std::size_t in_channels() const noexcept { return weight.shape()[1] * groups; }
    std::size_t out_channels() const noexcept { return weight.shape().front(); }
    window taps() const noexcept {
        if constexpr (directions == 2)
            return {{weight.shape()[2], weight.shape()[3]}, stride, padding, dilation};
        else
            return {{1, weight.shape()[2]}, {1, stride}, {0, padding}, {1, dilation}};
    }

    static void parameters(auto& self, auto&& each) {
        each("weight", self.weight);
        if (self.bias) each("bias", *self.bias);
    }

    // Errors: the input's; a shape that does not fit; weights without values.
    Activation operator()(Activation const& x) const { return convolve(parts(), x); }
    // Which kernel convolves in that context, and why: pictures larger than their padding; int8 codes, where calibration
    // saw their scale and the weight is of integers, else floats. `rows`: outputs, where it is a product of patches.
    kernel_choice explain(context const& where, std::size_t rows = 1) const noexcept {
        return detail::explain(parts(), where, rows);
    }

private:
    convolution_parts parts() const noexcept {
        bool const sound = weight.shape().rank() == directions + 2;
        return {directions == 2 ? "Conv2d" : "Conv1d",
                weight,
                bias,
                activation,
                sound ? taps() : window{},
                groups,
                directions,
                quantize_input};
    }
    static extents weight_shape(std::size_t out, std::size_t channels, Size kernel) {
        if constexpr (directions == 2)
            return {out, channels, kernel.height, kernel.width};
        else
            return {out, channels, kernel};
    }
    convolution_module(Weight w, std::optional<any_tensor> b, convolution_options<Size> const& o) noexcept
        : weight(std::move(w)),
          bias(std::move(b)),
          stride(o.stride),
          padding(o.padding),
          dilation(o.dilation),
          groups(o.groups),
          quantize_input(o.quantize_input) {}
};

}  // namespace detail
}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/convolution.inl>
#include <quanto/nn/convolution_choice.inl>
#endif
