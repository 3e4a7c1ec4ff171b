// A qtype says what a code means. Integer codes c stand for c * scale (8 bits) or c * scale - shift (2 and 4 bits, c
// unsigned); float8 codes stand for value(c) * scale.
//
//     qtype               bits  stored as           qmin .. qmax      used for
//     qint2               2     packed u8, 0..3     -2 .. 1           weights
//     qint4               4     packed u8, 0..15    -8 .. 7           weights
//     qint8               8     i8                  -128 .. 127       weights, activations
//     qfloat8_e4m3fn      8     e4m3fn              -448 .. 448       weights, activations
//     qfloat8_e4m3fnuz    8     e4m3fnuz            -240 .. 240       weights, activations
//     qfloat8_e5m2        8     e5m2                -57344 .. 57344   weights, activations
#pragma once

#include <concepts>
#include <cstdint>

#include <quanto/core/text_view.hpp>
#include <quanto/types/float8.hpp>

namespace quanto::inline v0 {

namespace detail {
template <int Bits>
struct integer_qtype {
    static constexpr int bits = Bits;
    static constexpr bool is_floating_point = false;
    static constexpr float qmin = -static_cast<float>(1 << (Bits - 1));
    static constexpr float qmax = static_cast<float>((1 << (Bits - 1)) - 1);
};
template <class Format>
struct float8_qtype {
    using format = Format;
    static constexpr int bits = 8;
    static constexpr bool is_floating_point = true;
    static constexpr float qmin = -Format::max;
    static constexpr float qmax = Format::max;
};
}  // namespace detail

struct qint2 : detail::integer_qtype<2> {
    static constexpr text_view name = "qint2";
};
struct qint4 : detail::integer_qtype<4> {
    static constexpr text_view name = "qint4";
};
struct qint8 : detail::integer_qtype<8> {
    static constexpr text_view name = "qint8";
};
struct qfloat8_e4m3fn : detail::float8_qtype<float8_e4m3fn> {
    static constexpr text_view name = "qfloat8_e4m3fn";
};
struct qfloat8_e4m3fnuz : detail::float8_qtype<float8_e4m3fnuz> {
    static constexpr text_view name = "qfloat8_e4m3fnuz";
};
struct qfloat8_e5m2 : detail::float8_qtype<float8_e5m2> {
    static constexpr text_view name = "qfloat8_e5m2";
};
using qfloat8 = qfloat8_e4m3fn;

template <class Q, class... Qs>
concept one_of = (std::same_as<Q, Qs> || ...);

// The set of qtypes is closed: files, variants and kernels know all of them.
template <class Q>
concept QType = one_of<Q, qint2, qint4, qint8, qfloat8_e4m3fn, qfloat8_e4m3fnuz, qfloat8_e5m2>;
template <class Q>
concept IntegerQType = QType<Q> && !Q::is_floating_point;
template <class Q>
concept FloatQType = QType<Q> && Q::is_floating_point;
template <class Q>
concept SubByteQType = QType<Q> &&(Q::bits < 8);
template <class Q>
concept ActivationQType = QType<Q> &&(Q::bits == 8);

// Codes per stored byte, and the largest stored code of a sub-byte type (codes 0 .. levels).
template <QType Q>
inline constexpr std::size_t codes_per_byte = 8 / Q::bits;
template <SubByteQType Q>
inline constexpr unsigned levels = (1u << Q::bits) - 1u;

}  // namespace quanto::inline v0
