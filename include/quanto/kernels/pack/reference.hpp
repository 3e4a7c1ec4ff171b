// The definition of packing: planar_packing<Bits>, code by code.
//     pack_reference(codes, packing, packed)     codes: rows * cols bytes, each below 2^Bits
//     unpack_reference(packed, packing, codes)
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/tensor/packing.hpp>

namespace quanto::inline v0 {

template <int Bits>
constexpr void pack_reference(std::uint8_t const* codes, planar_packing<Bits> const& packing,
                              std::uint8_t* packed) noexcept {
    for (std::size_t i = 0; i != packing.bytes(); ++i) packed[i] = 0;
    for (std::size_t i = 0; i != packing.rows * packing.cols; ++i) packing.set(packed, i, codes[i]);
}

template <int Bits>
constexpr void unpack_reference(std::uint8_t const* packed, planar_packing<Bits> const& packing,
                                std::uint8_t* codes) noexcept {
    for (std::size_t i = 0; i != packing.rows * packing.cols; ++i) codes[i] = packing.get(packed, i);
}

}  // namespace quanto::inline v0
