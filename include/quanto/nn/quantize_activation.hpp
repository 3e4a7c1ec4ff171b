// From float activations to codes: quantize_activation under a scale that is known, quantize_dynamic under that of the
// values themselves. On the way back gradients pass rounding as if it were not there (straight_through.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include <quanto/kernels/vectorized.hpp>
#include <quanto/nn/activation.hpp>
#include <quanto/nn/straight_through.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// The codes of x, and the way back to x and to the scale, if the tape watches that.
inline Activation straight_through(Activation const& x, Activation codes, void const* scale) {
    bool const learns = x.tape() != nullptr && scale != nullptr && x.tape()->watches(scale);
    if (!learns && (x.node() == nullptr || !x.tape()->masks_clamped())) return std::move(codes).at(x.node());
    Activation const q = std::move(codes).shared();
    return recorded(q, [x, q, scale, learns](Tape& tape, Tensor<float> dy) -> result<success> {
        auto d = Tensor<float>::make({1}, x.where().memory);
        if (!d) return d.error();
        (*d)[0] = q.type()->visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                return static_cast<float>(through_rounding(
                    unclamped<Q>(q.scale()), tape.masks_clamped(), x.values().data(),
                    [&](std::size_t i) { return dequantize_code<Q>(q.codes()[i], q.scale()); }, dy.size(), dy.data()));
            else
                return 0.0f;
        });
        if (learns)
            if (auto done = tape.add_to(scale, std::move(d)); !done) return done;
        return tape.add(x.node(), std::move(dy));
    });
}

// quantize_activation of values.
inline Activation under_scale(Activation const& x, any_qtype type, float scale, void const* learned = nullptr) {
    auto codes = Tensor<std::uint8_t>::make_for_overwrite(x.shape(), x.where().memory);
    if (!codes) return codes.error();
    float const* const values = x.values().data();
    vectorized const by(x.where().backend.target());
    bool good = true;
    if (scale > 0.0f) {
        type.visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>) good = by.encode<Q>(values, x.size(), scale, codes->data());
        });
    } else {
        good = by.all_finite(values, x.size());
        std::fill_n(codes->data(), codes->size(), std::uint8_t{0});
    }
    if (!good)
        for (std::size_t i = 0; i != x.size(); ++i)
            if (is_nan(values[i])) return error(errc::not_finite, "quantization: the value at index ", i, " is NaN");
    return straight_through(x, Activation(type, std::move(*codes), scale, x.where_pointer()), learned);
}
}  // namespace detail

// x as codes of that type under that scale; an activation that is quantized already comes back as it is. Infinities
// saturate, like all beyond the range. A scale of 0, which only zeros ask for, gives zeros. A tape that watches the
// address `learned` gets the gradient of the scale's logarithm there. Errors: not_finite, for NaN, which has no code.
// Precondition: type.bits() == 8, scale finite and not negative, positive where it is watched.
inline Activation quantize_activation(Activation const& x, any_qtype type, float scale, void const* learned = nullptr) {
    if (!x || x.is_quantized()) return x;
    return detail::under_scale(x, type, scale, learned);
}

// Where the scales of activations come from: a calibration, or the values themselves (dynamic), scale = max|x| / qmax
// of the whole tensor or of each row.
enum class activation_scaling : std::uint8_t { calibrated, per_tensor, per_row };

// x under the scale or scales of its own values. Errors: not_finite, for a value that no scale holds.
// Precondition: type.bits() == 8, scaling is not calibrated.
inline Activation quantize_dynamic(Activation const& x, any_qtype type, activation_scaling scaling) {
    if (!x || x.is_quantized()) return x;
    vectorized const by(x.where().backend.target());
    auto const scale_of = [&](float absmax) { return type.visit([&]<class Q>(Q) { return absmax / Q::qmax; }); };
    auto const problem = [&] {
        return *quanto::detail::not_finite(x.values().view(), "dynamic quantization: the value");
    };
    if (scaling == activation_scaling::per_tensor) {
        float const absmax = by.absmax(x.values().data(), x.size());
        return is_finite(absmax) ? detail::under_scale(x, type, scale_of(absmax)) : Activation(problem());
    }

    std::size_t const rows = x.values().rows(), cols = x.values().cols();
    auto codes = Tensor<std::uint8_t>::make_for_overwrite(x.shape(), x.where().memory);
    auto scales = Tensor<float>::make_for_overwrite({rows}, x.where().memory);
    if (!codes) return codes.error();
    if (!scales) return scales.error();
    for (std::size_t r = 0; r != rows; ++r) {
        float const* const row = x.values().data() + r * cols;
        float const absmax = by.absmax(row, cols);
        if (!is_finite(absmax)) return problem();
        float const scale = (*scales)[r] = scale_of(absmax);
        if (scale > 0.0f)
            type.visit([&]<class Q>(Q) {
                if constexpr (ActivationQType<Q>) by.encode<Q>(row, cols, scale, codes->data() + r * cols);
            });
        else
            std::fill_n(codes->data() + r * cols, cols, std::uint8_t{0});
    }
    return Activation(type, std::move(*codes), std::move(*scales), x.where_pointer()).at(x.node());  // none is clamped
}

}  // namespace quanto::inline v0::nn
