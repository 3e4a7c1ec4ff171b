// affine_map = what the codes of one group stand for: value ~ (code - zero_point) * scale - shift, of which 8-bit types
// use the scale alone, and others the shift or the zero point.
#pragma once

#include <cstdint>
#include <cstring>

#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

struct affine_map {
    float scale = 1.0f, shift = 0.0f;
    std::int32_t zero_point = 0;
};

// maps[i] of group first + i.
template <QType Q>
void load_maps(qtensor_view<Q> const& w, std::size_t first, std::size_t count, affine_map* maps) noexcept {
    auto const load = [&]<class S>(S) {
        for (std::size_t i = 0; i != count; ++i) {
            S scale, shift{};
            std::memcpy(&scale, w.scales + (first + i) * sizeof(S), sizeof(S));
            if (SubByteQType<Q> && !w.integer_zero_point)
                std::memcpy(&shift, w.shifts + (first + i) * sizeof(S), sizeof(S));
            maps[i] = {static_cast<float>(scale), static_cast<float>(shift)};
        }
    };
    if (w.scale_type == dtype::f32)
        load(float{});
    else if (w.scale_type == dtype::f16)
        load(float16{});
    else
        load(bfloat16{});
    for (std::size_t i = 0; SubByteQType<Q> && w.integer_zero_point && i != count; ++i)
        maps[i].zero_point = w.zero_point(first + i);
}

}  // namespace quanto::inline v0
