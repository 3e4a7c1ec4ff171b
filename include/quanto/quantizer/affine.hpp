// Affine quantization, the 2- and 4-bit types, levels L = 2^bits - 1:
//     scale = (max - min) / L    shift = -min    code = clamp(round((x + shift) / scale), 0, L)
//     x ~ code * scale - shift
// With an integer zero point:
//     zero = clamp(round(shift / scale), 0, L)   code = clamp(round(x / scale) + zero, 0, L)
//     x ~ (code - zero) * scale
// A constant group has scale 1, shift -value, code 0: it comes back exactly.
#pragma once

#include <cstdint>

#include <quanto/quantizer/symmetric.hpp>

namespace quanto::inline v0 {

struct affine_parameters {
    float scale, shift;
};

template <SubByteQType Q>
constexpr affine_parameters affine_range(float min, float max, dtype stored = dtype::f32) noexcept {
    float const shift = stored_as(-min, stored);
    if (min == max) return {1.0f, shift};
    float const most = static_cast<float>(levels<Q>);
    return {detail::storable_scale((max - min) / most, most, stored), shift};
}

// Precondition of all: scale > 0, finite values.
template <SubByteQType Q>
constexpr std::uint8_t affine_code(float x, float scale, float shift) noexcept {
    float const code = round_half_even((x + shift) / scale);
    return static_cast<std::uint8_t>(detail::clamp(code, 0.0f, static_cast<float>(levels<Q>)));
}

template <SubByteQType Q>
constexpr std::uint8_t affine_zero_point(float scale, float shift) noexcept {
    return static_cast<std::uint8_t>(
        detail::clamp(round_half_even(shift / scale), 0.0f, static_cast<float>(levels<Q>)));
}

template <SubByteQType Q>
constexpr std::uint8_t affine_code(float x, float scale, std::uint8_t zero_point) noexcept {
    float const code = round_half_even(x / scale) + static_cast<float>(zero_point);
    return static_cast<std::uint8_t>(detail::clamp(code, 0.0f, static_cast<float>(levels<Q>)));
}

}  // namespace quanto::inline v0
