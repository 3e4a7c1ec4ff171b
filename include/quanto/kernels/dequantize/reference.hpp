// The definition of dequantizing a run of one group: dequantize_code, element by element. Codes lie in bits
// [position, position + bits) of consecutive bytes.
#pragma once

#include <quanto/kernels/affine_map.hpp>

namespace quanto::inline v0 {

template <QType Q>
constexpr void dequantize_reference(std::uint8_t const* codes, std::size_t n, int position, affine_map const& map,
                                    float* out) noexcept {
    for (std::size_t i = 0; i != n; ++i)
        if constexpr (!SubByteQType<Q>) {
            out[i] = dequantize_code<Q>(codes[i], map.scale);
        } else {
            auto const code = static_cast<std::uint8_t>((codes[i] >> position) & ((1 << Q::bits) - 1));
            out[i] = map.zero_point != 0
                         ? dequantize_code<Q>(code, map.scale, static_cast<std::uint8_t>(map.zero_point))
                         : dequantize_code<Q>(code, map.scale, map.shift);
        }
}

}  // namespace quanto::inline v0
