// Activations: one scale for the whole tensor, known beforehand (static) or taken from the values (dynamic).
//     code = symmetric_code(x, scale)     x ~ code * scale
#pragma once

#include <quanto/quantizer/quantize.hpp>

namespace quanto::inline v0 {

// The scale that max|x| asks for. Zeros give 0 here: a calibration averages it.
template <ActivationQType Q>
constexpr float absmax_scale(float const* x, std::size_t n) noexcept {
    float largest = 0.0f;
    for (std::size_t i = 0; i != n; ++i)
        if (float const a = absolute(x[i]); a > largest) largest = a;
    return largest / Q::qmax;
}

// codes[i] of x[i] under one scale. Precondition: scale > 0, room for n codes, no NaN. Values beyond the range, infinities
// included, saturate.
template <ActivationQType Q>
constexpr void quantize_activation(float const* x, std::size_t n, float scale, std::uint8_t* codes) noexcept {
    for (std::size_t i = 0; i != n; ++i) codes[i] = symmetric_code<Q>(x[i], scale);
}

}  // namespace quanto::inline v0
