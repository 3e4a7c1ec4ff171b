// Symmetric quantization, the 8-bit types:
//     scale = max|x| / qmax            code = clamp(round(x / scale), qmin, qmax)            x ~ code * scale
// round is to nearest, ties to even; float8 types clamp and then convert. A group of zeros has scale 1, and no scale is
// below the smallest normal number of the type in which it is stored.
#pragma once

#include <cstdint>

#include <quanto/tensor/code.hpp>
#include <quanto/types/dtype.hpp>

namespace quanto::inline v0 {

namespace detail {
constexpr float clamp(float x, float low, float high) noexcept { return x < low ? low : x > high ? high : x; }

// A scale as it will be read back from its storage type: rounded once, and never zero or subnormal. Where rounding up
// would bring the largest floats back as infinity (the largest code is worth `most` scales), it is rounded down.
constexpr float storable_scale(float scale, float most, dtype type) noexcept {
    float const stored = stored_as(scale, type);
    if (stored < smallest_normal(type)) return smallest_normal(type);
    if (is_finite(stored * most) || !is_finite(stored)) return stored;
    std::uint32_t const last_place = type == dtype::f32 ? 1u : type == dtype::f16 ? 0x2000u : 0x1'0000u;
    return bit_cast<float>(bit_cast<std::uint32_t>(stored) - last_place);
}
}  // namespace detail

template <QType Q>
constexpr float symmetric_scale(float absmax, dtype stored = dtype::f32) noexcept {
    return absmax == 0.0f ? 1.0f : detail::storable_scale(absmax / Q::qmax, Q::qmax, stored);
}

// Precondition: scale > 0. NaN gives 0 (integers) or NaN (float8); quantize() reports it before it comes here.
template <QType Q>
requires(Q::bits == 8) constexpr std::uint8_t symmetric_code(float x, float scale) noexcept {
    float const y = x / scale;
    if constexpr (Q::is_floating_point)
        return Q::format::encode(y, overflow::saturate);
    else  // clamping first is the same, for the bounds are integers
        return static_cast<std::uint8_t>(nearest_integer(detail::clamp(is_nan(y) ? 0.0f : y, Q::qmin, Q::qmax)));
}

}  // namespace quanto::inline v0
