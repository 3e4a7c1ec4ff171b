#include <quanto/kernels/pack/kernel_list.hpp>

#include <quanto/kernels/pack/reference.hpp>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

TEST_CASE("packing kernels give the bytes of the definition, and the codes back") {
    for_each_pack_kernel([]<class K>(K) {
        if (K::target > detect_isa()) return;
        for (std::size_t const rows : {1u, 2u, 3u, 4u, 5u, 8u, 13u})
            for (std::size_t const cols : test::sizes) {
                planar_packing<K::bits> const packing{rows, cols};
                std::vector<std::uint8_t> codes(rows * cols), back(codes.size(), 0xaa);
                for (std::size_t i = 0; i != codes.size(); ++i)
                    codes[i] = static_cast<std::uint8_t>((i * 7 + i / 5) & ((1u << K::bits) - 1u));
                std::vector<std::uint8_t> packed(packing.bytes(), 0xaa), expected(packing.bytes());
                pack_reference(codes.data(), packing, expected.data());
                K::pack(codes.data(), packing, packed.data());
                INFO(K::name << ", " << rows << " x " << cols);
                CHECK(packed == expected);
                K::unpack(packed.data(), packing, back.data());
                CHECK(back == codes);
                unpack_reference(packed.data(), packing, back.data());
                CHECK(back == codes);
            }
    });
}
