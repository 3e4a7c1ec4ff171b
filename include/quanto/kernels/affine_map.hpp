// affine_map = what the codes of one group stand for: value ~ (code - zero_point) * scale - shift, of which 8-bit types
// use the scale alone, and others the shift or the zero point.
#pragma once

#include <cstdint>

#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

struct affine_map {
    float scale = 1.0f, shift = 0.0f;
    std::int32_t zero_point = 0;
};

template <QType Q>
affine_map map_of_group(qtensor_view<Q> const& w, std::size_t g) noexcept {
    if constexpr (SubByteQType<Q>) {
        if (w.integer_zero_point) return {w.scale(g), 0.0f, w.zero_point(g)};
        return {w.scale(g), any_tensor::load(w.scale_type, w.shifts, g), 0};
    } else {
        return {w.scale(g)};
    }
}

}  // namespace quanto::inline v0
