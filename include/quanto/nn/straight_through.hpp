// Straight-through: the way back through quantizing, q = s * clamp(round(x / s)), as if rounding were the identity:
//     dq/dx        1, or 0 where the code was clamped and the tape masks that
//     dq/d(log s)  q - x, and q where the code was clamped
// That is the derivative of s * clamp(x / s + e) for a fixed rounding error e (learned step size, LSQ), in the
// logarithm of the scale, so that a scale stays positive and moves by factors. With a shift z * s: the same formulas.
#pragma once

#include <cstddef>

#include <quanto/quantizer/affine.hpp>

namespace quanto::inline v0::nn::detail {

// The values that become codes without clamping, which is half a step beyond those of the first and the last code.
struct unclamped_range {
    float least, most;
    bool holds(float x) const noexcept { return x >= least && x <= most; }
};

template <QType Q>
constexpr unclamped_range unclamped(float scale, float shift = 0.0f) noexcept {
    if constexpr (SubByteQType<Q>) {
        return {-0.5f * scale - shift, (static_cast<float>(levels<Q>) + 0.5f) * scale - shift};
    } else {
        float half = 0.5f;
        if constexpr (Q::is_floating_point) {
            constexpr auto last = Q::format::encode(Q::qmax, overflow::saturate);
            half = (Q::qmax - Q::format::decode(static_cast<std::uint8_t>(last - 1))) / 2;
        }
        return {(Q::qmin - half) * scale, (Q::qmax + half) * scale};
    }
}

// Through the rounding of n values x to q(i): g, the gradient of q, becomes that of x. Returns the gradient of log s.
template <class F>
double through_rounding(unclamped_range range, bool mask, float const* x, F const& q, std::size_t n,
                        float* g) noexcept {
    double sum = 0;
    for (std::size_t i = 0; i != n; ++i) {
        bool const inside = range.holds(x[i]);
        sum += static_cast<double>(g[i]) * static_cast<double>(inside ? q(i) - x[i] : q(i));
        if (mask && !inside) g[i] = 0.0f;
    }
    return sum;
}

}  // namespace quanto::inline v0::nn::detail
