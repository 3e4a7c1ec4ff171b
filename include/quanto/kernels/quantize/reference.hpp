// The definitions: the range of n > 0 finite values, and quantizing a run of one group (symmetric_code, affine_code)
// into bits [position, position + bits) of consecutive bytes. Position 0 overwrites a byte, others add to it.
#pragma once

#include <quanto/kernels/affine_map.hpp>
#include <quanto/kernels/quantize/range.hpp>
#include <quanto/quantizer/affine.hpp>

namespace quanto::inline v0 {

template <QType Q>
constexpr value_range range_reference(float const* x, std::size_t n) noexcept {
    value_range r;
    if constexpr (Q::bits == 8) {
        for (std::size_t i = 0; i != n; ++i) r.add({0.0f, absolute(x[i])});
    } else {
        r = {x[0], x[0]};
        for (std::size_t i = 0; i != n; ++i) r.add({x[i], x[i]});
    }
    return r;
}

// Precondition: map.scale > 0; for 2 and 4 bits finite values.
template <QType Q>
constexpr void quantize_reference(float const* x, std::size_t n, affine_map const& map, int position,
                                  std::uint8_t* codes) noexcept {
    for (std::size_t i = 0; i != n; ++i) {
        unsigned code = 0;
        if constexpr (!SubByteQType<Q>)
            code = symmetric_code<Q>(x[i], map.scale);
        else if (map.zero_point != 0)
            code = affine_code<Q>(x[i], map.scale, static_cast<std::uint8_t>(map.zero_point));
        else
            code = affine_code<Q>(x[i], map.scale, map.shift);
        codes[i] = static_cast<std::uint8_t>((position == 0 ? 0u : codes[i]) | (code << position));
    }
}

}  // namespace quanto::inline v0
