// What one stored code stands for. 8 bits: value = code * scale, the code read as i8 or as a float8. 2 and 4 bits, the
// code read as unsigned: value = code * scale - shift, or (code - zero_point) * scale. Each operation rounds once.
#pragma once

#include <cstdint>

#include <quanto/core/math.hpp>
#include <quanto/types/qtype.hpp>

namespace quanto::inline v0 {

// The number that a stored code is, before scaling.
template <QType Q>
QUANTO_HOST_DEVICE constexpr float code_value(std::uint8_t code) noexcept {
    if constexpr (Q::is_floating_point)
        return Q::format::decode(code);
    else if constexpr (SubByteQType<Q>)
        return static_cast<float>(code);
    else
        return static_cast<float>(static_cast<std::int8_t>(code));
}

template <QType Q>
requires(Q::bits == 8) QUANTO_HOST_DEVICE constexpr float dequantize_code(std::uint8_t code, float scale) noexcept {
    // A file from Python may hold scale 0 with NaN codes: a row of zeros.
    return Q::is_floating_point && scale == 0.0f ? 0.0f : code_value<Q>(code) * scale;
}

template <SubByteQType Q>
QUANTO_HOST_DEVICE constexpr float dequantize_code(std::uint8_t code, float scale, float shift) noexcept {
    return rounded(code_value<Q>(code) * scale) - shift;
}

template <SubByteQType Q>
QUANTO_HOST_DEVICE constexpr float dequantize_code(std::uint8_t code, float scale, std::uint8_t zero_point) noexcept {
    return static_cast<float>(static_cast<int>(code) - static_cast<int>(zero_point)) * scale;
}

}  // namespace quanto::inline v0
