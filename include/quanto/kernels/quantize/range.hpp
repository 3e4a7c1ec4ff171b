// What the scale of a group is chosen from: the smallest and the largest of its values (of zeros the first); for 8 bits
// the largest magnitude, as `high`. Infinite where a value is infinite, or, for 8 bits, NaN.
#pragma once

#include <cstdint>

#include <quanto/kernels/affine_map.hpp>
#include <quanto/quantizer/quantize.hpp>

namespace quanto::inline v0 {

struct value_range {
    float low = 0.0f, high = 0.0f;

    constexpr void add(value_range const& later) noexcept {
        low = later.low < low ? later.low : low;
        high = later.high > high ? later.high : high;
    }
};

// How max_range and absmax make scales of ranges.
struct range_rule {
    dtype stored = dtype::f32;
    bool with_zero = false, integer_zero_point = false;
};

// The map of a group whose scale and shift were chosen; a zero point replaces the shift.
// False where they are not finite, or the scale is not positive.
template <QType Q>
constexpr bool complete_map(bool integer_zero_point, float scale, float& shift, affine_map& map) noexcept {
    if (!detail::is_usable(scale, shift)) return false;
    map = {scale, shift};
    if constexpr (SubByteQType<Q>)
        if (integer_zero_point) {
            map = {scale, 0.0f, affine_zero_point<Q>(scale, shift)};
            shift = static_cast<float>(map.zero_point);
        }
    return true;
}

// The same with the scale and the shift that max_range and absmax choose.
template <QType Q>
constexpr bool map_of_range(value_range r, range_rule const& rule, float& scale, float& shift,
                            affine_map& map) noexcept {
    if constexpr (SubByteQType<Q>) {
        if (rule.with_zero) r = {r.low < 0.0f ? r.low : 0.0f, r.high > 0.0f ? r.high : 0.0f};
        auto const p = affine_range<Q>(r.low, r.high, rule.stored);
        scale = p.scale;
        shift = p.shift;
    } else {
        scale = symmetric_scale<Q>(r.high, rule.stored);
        shift = 0.0f;
    }
    return complete_map<Q>(rule.integer_zero_point, scale, shift, map);
}

}  // namespace quanto::inline v0
