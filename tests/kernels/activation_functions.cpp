#include <quanto/kernels/activation_functions.hpp>

#include <cmath>
#include <limits>

#include <quanto/kernels/activate/kernel_list.hpp>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

TEST_CASE("gelu and silu stay within their bounds over all exponents") {
    for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 9973) {
        float const value = bit_cast<float>(static_cast<std::uint32_t>(bits));
        if (!is_finite(value) || absolute(value) > 1e30f) continue;
        double const v = static_cast<double>(value);
        double const gelu = 0.5 * v * std::erfc(-v * 0.70710678118654752440), silu = v / (1.0 + std::exp(-v));
        double const off_gelu = static_cast<double>(detail::gelu(value)) - gelu,
                     off_silu = static_cast<double>(detail::silu(value)) - silu;
        CAPTURE(value);
        if (!(std::abs(off_gelu) <= 3.1 * 0x1p-24 * std::abs(gelu) + 0x1p-149)) REQUIRE(off_gelu == 0.0);
        if (!(std::abs(off_silu) <= 1.1 * 0x1p-24 * std::abs(silu) + 0x1p-149)) REQUIRE(off_silu == 0.0);
    }
}

TEST_CASE("gelu and silu of what is no number or infinite") {
    float const inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(detail::gelu(inf) == inf);
    CHECK(detail::silu(inf) == inf);
    CHECK(is_nan(detail::gelu(-inf)));
    CHECK(is_nan(detail::silu(-inf)));
    CHECK(is_nan(detail::gelu(nan)));
    CHECK(is_nan(detail::silu(nan)));
    CHECK(detail::gelu(-1e30f) == 0.0f);
    CHECK(detail::silu(-1e30f) == 0.0f);
}

TEST_CASE("the kernels of activation functions compute what the functions do") {
    auto const hostile = test::hostile_floats();
    for_each_activate_kernel([&]<class K>(K) {
        if (K::target > detect_isa()) return;
        for (std::size_t const n : test::sizes) {
            std::vector<float> v(n + 1, -7.0f);
            for (std::size_t i = 0; i != n; ++i)
                v[i] = i % 3 == 0 ? hostile[i % hostile.size()] : static_cast<float>(i) * 0.37f - 20.0f;
            auto const x = v;
            K::run(v.data(), n);
            INFO(K::name << ", n = " << n);
            CHECK(v[n] == -7.0f);
            for (std::size_t i = 0; i != n; ++i) {
                float expected[1] = {x[i]};
                detail::activate<1>(K::function, expected);
                // Products and sums in double may be contracted; and no bound holds for what the formula rounds away.
                double const off = static_cast<double>(v[i]) - static_cast<double>(expected[0]);
                if (!(std::abs(off) <= 0x1p-24 * static_cast<double>(absolute(expected[0])) + 0x1p-149))
                    REQUIRE(test::same(v[i], expected[0]));
            }
        }
    });
}
