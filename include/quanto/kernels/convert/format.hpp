// small_format<T> = what a conversion between float and a smaller float T must know: value(s, e, m) as in
// types/float8.hpp, finite codes 0 .. finite_codes - 1, then infinity (if any), then NaN.
#pragma once

#include <cstdint>

#include <quanto/types/float16.hpp>
#include <quanto/types/float8.hpp>

namespace quanto::inline v0::detail {

template <class T>
struct small_format {
    static constexpr int bits = 8, mantissa_bits = T::mantissa_bits, bias = T::bias;
    static constexpr std::int32_t finite_codes = T::finite_codes;
    static constexpr bool has_infinity = T::has_infinity;
    static constexpr bool has_negative_zero = T::from_bits(0x80).bits == T(-0.0f).bits;
    static constexpr bool keeps_nan = false;  // NaN has one code, without the sign and payload of the float
    static constexpr std::int32_t nan = T(bit_cast<float>(0x7fc0'0000u)).bits;
};
template <>
struct small_format<float16> {
    static constexpr int bits = 16, mantissa_bits = 10, bias = 15;
    static constexpr std::int32_t finite_codes = 0x7c00;
    static constexpr bool has_infinity = true, has_negative_zero = true, keeps_nan = false;
    static constexpr std::int32_t nan = 0x7e00;  // with the sign
};
template <>
struct small_format<bfloat16> {
    static constexpr int bits = 16, mantissa_bits = 7, bias = 127;
    static constexpr std::int32_t finite_codes = 0x7f80;
    static constexpr bool has_infinity = true, has_negative_zero = true, keeps_nan = true;
    static constexpr std::int32_t nan = 0x7fc0;
};

}  // namespace quanto::inline v0::detail
