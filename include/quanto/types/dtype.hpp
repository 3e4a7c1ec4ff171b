// dtype = the element type of a stored tensor, with the names that safetensors gives them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <quanto/core/text_view.hpp>
#include <quanto/types/float16.hpp>
#include <quanto/types/float8.hpp>

namespace quanto::inline v0 {

enum class dtype : std::uint8_t {
    f64,
    f32,
    f16,
    bf16,
    i64,
    u64,
    i32,
    u32,
    i16,
    u16,
    i8,
    u8,
    boolean,
    e4m3fn,
    e4m3fnuz,
    e5m2
};

inline constexpr std::size_t dtype_count = 16;

constexpr text_view name(dtype t) noexcept {
    constexpr text_view names[dtype_count] = {"F64",  "F32",     "F16",         "BF16",   "I64", "U64",
                                                     "I32",  "U32",     "I16",         "U16",    "I8",  "U8",
                                                     "BOOL", "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2"};
    return names[static_cast<std::size_t>(t)];
}

// Bytes per element.
constexpr std::size_t size_of(dtype t) noexcept {
    constexpr std::uint8_t sizes[dtype_count] = {8, 4, 2, 2, 8, 8, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1};
    return sizes[static_cast<std::size_t>(t)];
}

constexpr std::optional<dtype> dtype_from_name(text_view text) noexcept {
    if (text == "F8_E4M3FN") return dtype::e4m3fn;
    for (std::size_t i = 0; i != dtype_count; ++i)
        if (name(static_cast<dtype>(i)) == text) return static_cast<dtype>(i);
    return std::nullopt;
}

// The types in which weights, scales and activations come: f32, f16, bf16.
template <class T>
concept FloatStorage = std::same_as<T, float> || std::same_as<T, float16> || std::same_as<T, bfloat16>;

constexpr bool is_float_storage(dtype t) noexcept { return t == dtype::f32 || t == dtype::f16 || t == dtype::bf16; }

namespace detail {
template <class T>
struct dtype_of_impl;
template <dtype D>
struct dtype_constant {
    static constexpr dtype value = D;
};
template <>
struct dtype_of_impl<double> : dtype_constant<dtype::f64> {};
template <>
struct dtype_of_impl<float> : dtype_constant<dtype::f32> {};
template <>
struct dtype_of_impl<float16> : dtype_constant<dtype::f16> {};
template <>
struct dtype_of_impl<bfloat16> : dtype_constant<dtype::bf16> {};
template <>
struct dtype_of_impl<std::int64_t> : dtype_constant<dtype::i64> {};
template <>
struct dtype_of_impl<std::uint64_t> : dtype_constant<dtype::u64> {};
template <>
struct dtype_of_impl<std::int32_t> : dtype_constant<dtype::i32> {};
template <>
struct dtype_of_impl<std::uint32_t> : dtype_constant<dtype::u32> {};
template <>
struct dtype_of_impl<std::int16_t> : dtype_constant<dtype::i16> {};
template <>
struct dtype_of_impl<std::uint16_t> : dtype_constant<dtype::u16> {};
template <>
struct dtype_of_impl<std::int8_t> : dtype_constant<dtype::i8> {};
template <>
struct dtype_of_impl<std::uint8_t> : dtype_constant<dtype::u8> {};
template <>
struct dtype_of_impl<bool> : dtype_constant<dtype::boolean> {};
template <>
struct dtype_of_impl<float8_e4m3fn> : dtype_constant<dtype::e4m3fn> {};
template <>
struct dtype_of_impl<float8_e4m3fnuz> : dtype_constant<dtype::e4m3fnuz> {};
template <>
struct dtype_of_impl<float8_e5m2> : dtype_constant<dtype::e5m2> {};
}  // namespace detail

template <class T>
inline constexpr dtype dtype_of = detail::dtype_of_impl<T>::value;

// x as it is after being stored as t, read back: the one rounding of a scale. Precondition: is_float_storage(t).
constexpr float stored_as(float x, dtype t) noexcept {
    if (t == dtype::f16) return float(float16(x));
    if (t == dtype::bf16) return float(bfloat16(x));
    return x;
}

// The smallest positive normal number of that type: no scale is smaller.
constexpr float smallest_normal(dtype t) noexcept {
    return t == dtype::f16 ? float16::smallest_normal : bfloat16::smallest_normal;
}

}  // namespace quanto::inline v0
