#include <quanto/kernels/dequantize/kernel_list.hpp>

#include <quanto/kernels/dequantize/reference.hpp>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

TEST_CASE("dequantizing kernels give the bits of the definition for all bytes and any length") {
    for_each_dequantize_kernel([]<class K>(K) {
        if (K::target > detect_isa()) return;
        using Q = typename K::qtype;
        std::vector<affine_map> maps;
        for (float const scale : {1.0f, 0.1f, 0x1p-126f, 0x1.234568p-7f, 0x1.fffffep120f, 1e-40f, 0.0f}) {
            maps.push_back({scale});
            if constexpr (SubByteQType<Q>)
                for (affine_map const& m : {affine_map{scale, 0.7f}, {scale, -0.0f}, {scale, -1e30f}, {scale, 0.0f, 3}})
                    maps.push_back(m);
        }
        for (affine_map const& map : maps)
            for (int position = 0; position != 8; position += Q::bits)
                for (std::size_t const n : test::sizes) {
                    std::vector<std::uint8_t> codes(n);
                    for (std::size_t i = 0; i != n; ++i) codes[i] = static_cast<std::uint8_t>(i + (n < 255 ? n : 0));
                    std::vector<float> y(n), expected(n);
                    dequantize_reference<Q>(codes.data(), n, position, map, expected.data());
                    K::run(codes.data(), n, 1, &map, position, y.data());
                    for (std::size_t i = 0; i != n; ++i)
                        if (!test::same(y[i], expected[i]))
                            FAIL(K::name << ", scale " << map.scale << ", byte " << unsigned{codes[i]} << ", bit "
                                         << position << ": " << y[i] << " instead of " << expected[i]);
                }
        SUCCEED();
    });
}
