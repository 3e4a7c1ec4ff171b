#include <quanto/tensor/packing.hpp>

#include <cstdint>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace quanto;

namespace {

// The definition, byte by byte: bits [p * b, p * b + b) of byte (r, c) are code (r + p * packed rows, c), or zero.
template <int Bits>
std::vector<std::uint8_t> direct(std::vector<std::uint8_t> const& codes, std::size_t rows, std::size_t cols) {
    std::size_t const per_byte = 8 / Bits, packed_rows = (rows + per_byte - 1) / per_byte;
    std::vector<std::uint8_t> out(packed_rows * cols);
    for (std::size_t r = 0; r != packed_rows; ++r)
        for (std::size_t c = 0; c != cols; ++c) {
            unsigned byte = 0;
            for (std::size_t p = 0; p != per_byte; ++p)
                if (std::size_t const row = r + p * packed_rows; row < rows)
                    byte |= static_cast<unsigned>(codes[row * cols + c]) << (p * Bits);
            out[r * cols + c] = static_cast<std::uint8_t>(byte);
        }
    return out;
}

template <int Bits>
void check() {
    std::mt19937 random(3);
    for (std::size_t rows = 1; rows != 18; ++rows)
        for (std::size_t cols : {1u, 2u, 7u}) {
            INFO(Bits << " bits, " << rows << " x " << cols);
            std::vector<std::uint8_t> codes(rows * cols);
            for (auto& c : codes) c = static_cast<std::uint8_t>(random() & ((1u << Bits) - 1u));
            planar_packing<Bits> const packing{rows, cols};
            std::vector<std::uint8_t> packed(packing.bytes());
            for (std::size_t i = 0; i != codes.size(); ++i) packing.set(packed.data(), i, codes[i]);
            CHECK(packed == direct<Bits>(codes, rows, cols));
            std::vector<std::uint8_t> back;
            for (std::size_t i = 0; i != codes.size(); ++i) back.push_back(packing.get(packed.data(), i));
            CHECK(back == codes);
        }
}

}  // namespace

static_assert(planar_packing<4>{5, 3}.packed_rows() == 3 && planar_packing<4>{5, 3}.bytes() == 9);
static_assert(planar_packing<2>{5, 3}.packed_rows() == 2 && planar_packing<8>{5, 3}.bytes() == 15);
static_assert(planar_packing<2>{0, 3}.bytes() == 0);

TEST_CASE("planar packing is its formula, for any number of rows") {
    check<2>();
    check<4>();
    check<8>();
}
