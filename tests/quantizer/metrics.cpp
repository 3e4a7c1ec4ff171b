#include <quanto/quantizer/metrics.hpp>

#include <quanto/quantizer/quantize.hpp>

#include "catch.hpp"

using namespace quanto;

TEST_CASE("bits per weight count all bytes of the portable form") {
    Tensor<float16> x(extents{5, 24});
    for (std::size_t i = 0; i != x.size(); ++i) x[i] = float16(static_cast<float>(i % 7) - 3.0f);
    any_qtype::for_each([&]<class Q>(Q) {
        for (std::size_t const group : {0u, 8u, 10u})
            for (bool const zero_points : {false, true}) {
                if (Q::bits == 8 && (group != 0 || zero_points)) continue;
                auto made = quantize<Q>(x, default_optimizer<Q>{}, {.group = group, .integer_zero_point = zero_points});
                REQUIRE(made);
                any_qtensor const w(std::move(*made));
                auto const& p = w.parts();
                auto const bytes = p.codes.size() + p.scale.size() + p.shift.size();
                INFO(Q::name << " group " << group);
                CHECK(bits_per_weight(w) == 8.0 * static_cast<double>(bytes) / 120.0);
            }
    });
}

TEST_CASE("errors are those of the formulas") {
    float const x[] = {3.0f, -4.0f}, y[] = {3.0f, -3.5f};
    CHECK(max_abs_error(x, y, 2) == 0.5f);
    CHECK(sqnr_db(x, y, 2) == 20.0);  // 25 to 0.25
    CHECK(sqnr_db(x, x, 2) == std::numeric_limits<double>::infinity());
}
