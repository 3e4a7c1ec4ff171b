// vectorized = what is done to runs of values, by the kernels of an instruction set: quantizing and dequantizing, with
// the bytes of the definition, activation functions and softmax. For the former, it is the last argument of
// the functions that have a definition:
//     auto w = quantize<qint4>(x, max_range{}, {.group = 128}, vectorized{});
//     dequantize(w.view(), out, vectorized{});
// Along axis::last the codes of a group are not consecutive, and errors are rare: both are left to the definition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <quanto/kernels/activation_functions.hpp>
#include <quanto/kernels/isa.hpp>
#include <quanto/kernels/quantize/range.hpp>
#include <quanto/quantizer/activation.hpp>

namespace quanto::inline v0 {

namespace detail {

// Their bodies are in vectorized.inl. Precondition of all: target <= detect_isa(), not along axis::last.
// Scales by the rule, shifts (or zero points) and codes of all groups; or codes under scales and shifts, which zero
// points replace. False where a value is not finite (in the first) or a scale is not finite and positive.
template <QType Q, FloatStorage S>
bool quantize_by_range(isa target, grouped_values<S> x, range_rule const& rule, float* scale, float* shift,
                       std::uint8_t* codes) noexcept;
template <QType Q, FloatStorage S>
bool quantize_by_scale(isa target, grouped_values<S> x, bool integer_zero_point, float const* scale, float* shift,
                       std::uint8_t* codes) noexcept;
template <QType Q>
void dequantize_groups(isa target, qtensor_view<Q> const& w, float* out) noexcept;
// max|x|, infinite where a value is not finite. Precondition: n > 0.
template <FloatStorage S>
float largest_magnitude(isa target, S const* x, std::size_t n) noexcept;
// One scale for all; quantize_values returns whether no value was NaN. Precondition: scale > 0.
template <ActivationQType Q>
bool quantize_values(isa target, float const* x, std::size_t n, float scale, std::uint8_t* codes) noexcept;
template <ActivationQType Q>
void dequantize_values(isa target, std::uint8_t const* codes, std::size_t n, float scale, float* out) noexcept;
void activate_values(isa target, fused_activation f, float* v, std::size_t n) noexcept;
void softmax_of_values(isa target, float* v, std::size_t n) noexcept;

}  // namespace detail

class vectorized {
public:
    // Precondition: target <= detect_isa().
    explicit vectorized(isa target = choose_isa().target) noexcept : target_(target) {}

    template <QType Q, FloatStorage S, class O>
    result<success> encode(grouped_values<S> x, O const& optimizer, bool integer_zero_point, float* scale, float* shift,
                           std::uint8_t* codes) const {
        if (x.layout.numel() != 0 && x.layout.along() != axis::last &&
            try_encode<Q>(x, optimizer, integer_zero_point, scale, shift, codes))
            return success{};
        return quantizer_definition::encode<Q>(x, optimizer, integer_zero_point, scale, shift, codes);
    }

    template <QType Q>
    void decode(qtensor_view<Q> const& w, float* out) const noexcept {
        if (w.layout.along() == axis::last) return quantizer_definition::decode(w, out);
        detail::dequantize_groups(target_, w, out);
    }

    // max|x| of n values, infinite where one is not finite; 0 where n is 0.
    float absmax(float const* x, std::size_t n) const noexcept {
        return n == 0 ? 0.0f : detail::largest_magnitude(target_, x, n);
    }
    bool all_finite(float const* x, std::size_t n) const noexcept { return is_finite(absmax(x, n)); }

    // Codes of one scale, as activations have them; encode returns whether no value was NaN. Precondition: scale > 0.
    template <ActivationQType Q>
    bool encode(float const* x, std::size_t n, float scale, std::uint8_t* codes) const noexcept {
        return detail::quantize_values<Q>(target_, x, n, scale, codes);
    }
    template <ActivationQType Q>
    void decode(std::uint8_t const* codes, std::size_t n, float scale, float* out) const noexcept {
        detail::dequantize_values<Q>(target_, codes, n, scale, out);
    }

    // v[i] = f(v[i])
    void activate(fused_activation f, float* v, std::size_t n) const noexcept {
        detail::activate_values(target_, f, v, n);
    }
    // v[i] = e^(v[i] - max v) / sum
    void softmax(float* v, std::size_t n) const noexcept { detail::softmax_of_values(target_, v, n); }

private:
    // False where the definition has an error to report.
    template <QType Q, FloatStorage S, class O>
    bool try_encode(grouped_values<S> x, O const& optimizer, bool integer_zero_point, float* scale, float* shift,
                    std::uint8_t* codes) const {
        range_rule rule{.stored = x.type(), .integer_zero_point = integer_zero_point};
        if constexpr (std::is_same_v<O, max_range>) rule.with_zero = optimizer.include_zero;
        if constexpr (std::is_same_v<O, max_range> || std::is_same_v<O, quanto::absmax>) {
            return detail::quantize_by_range<Q>(target_, x, rule, scale, shift, codes);
        } else {
            if (!is_finite(detail::largest_magnitude(target_, x.data, x.layout.numel()))) return false;
            if constexpr (SubByteQType<Q>)
                optimizer.template operator()<Q>(x, scale, shift);
            else
                optimizer.template operator()<Q>(x, scale);
            return detail::quantize_by_scale<Q>(target_, x, integer_zero_point, scale, shift, codes);
        }
    }

    isa target_;
};

}  // namespace quanto::inline v0

#if QUANTO_HAS_BODIES
#include <quanto/kernels/vectorized.inl>
#endif
