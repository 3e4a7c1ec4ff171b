// Planar packing of codes of b bits, P = 8 / b to a byte, along the rows of a matrix (R, C) of codes:
//     packed rows = ceil(R / P);  code (r, c) sits in byte (r mod packed rows, c), bits [p * b, p * b + b), p = r /
//     packed rows.
// Missing rows are zero. This is the layout of Python quanto's files.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/core/math.hpp>

namespace quanto::inline v0 {

template <int Bits>
struct planar_packing {
    static_assert(Bits == 2 || Bits == 4 || Bits == 8, "quanto: codes have 2, 4 or 8 bits");

    std::size_t rows = 0, cols = 0;

    constexpr std::size_t packed_rows() const noexcept { return ceil_div(rows, 8 / Bits); }
    constexpr std::size_t bytes() const noexcept { return packed_rows() * cols; }

    // Precondition of both: i < rows * cols; `set` also that the bits of code i are still zero and code < 2^Bits.
    constexpr std::uint8_t get(std::uint8_t const* packed, std::size_t i) const noexcept {
        if constexpr (Bits == 8) {
            return packed[i];
        } else {
            std::size_t const r = i / cols, p = r / packed_rows();
            unsigned const byte = packed[(r - p * packed_rows()) * cols + i % cols];
            return static_cast<std::uint8_t>((byte >> (p * Bits)) & ((1u << Bits) - 1u));
        }
    }
    constexpr void set(std::uint8_t* packed, std::size_t i, std::uint8_t code) const noexcept {
        if constexpr (Bits == 8) {
            packed[i] = code;
        } else {
            std::size_t const r = i / cols, p = r / packed_rows();
            std::uint8_t& byte = packed[(r - p * packed_rows()) * cols + i % cols];
            byte = static_cast<std::uint8_t>(byte | (code << (p * Bits)));
        }
    }
};

}  // namespace quanto::inline v0
