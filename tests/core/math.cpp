#include <quanto/core/math.hpp>

#include <cmath>
#include <limits>

#include "catch.hpp"

using namespace quanto;

static_assert(round_half_even(2.5f) == 2.0f && round_half_even(3.5f) == 4.0f);
static_assert(ceil_div(0, 3) == 0 && ceil_div(1, 3) == 1 && ceil_div(3, 3) == 1 && ceil_div(4, 3) == 2);

TEST_CASE("round_half_even: ties go to the even neighbour") {
    CHECK(round_half_even(0.5f) == 0.0f);
    CHECK(round_half_even(1.5f) == 2.0f);
    CHECK(round_half_even(2.5f) == 2.0f);
    CHECK(round_half_even(-0.5f) == 0.0f);
    CHECK(round_half_even(-1.5f) == -2.0f);
    CHECK(round_half_even(-2.5f) == -2.0f);
    CHECK(round_half_even(8388607.5f) == 8388608.0f);
    CHECK(round_half_even(-8388606.5f) == -8388606.0f);
}

TEST_CASE("round_half_even equals nearbyint, under the default rounding mode") {
    // Every exponent, and mantissas around each half.
    for (std::uint32_t exponent = 0; exponent < 255; ++exponent)
        for (std::uint32_t step = 0; step < 4096; ++step)
            for (std::uint32_t sign : {0u, 0x8000'0000u}) {
                float const x = bit_cast<float>(sign | exponent << 23 | step * 2048 | (step & 1));
                if (round_half_even(x) != std::nearbyint(x)) {
                    INFO(x);
                    REQUIRE(round_half_even(x) == std::nearbyint(x));
                }
            }
}

TEST_CASE("round_half_even: the neighbours of a half") {
    for (float half : {0.5f, 1.5f, 2.5f, 1023.5f, 4194303.5f}) {
        float const below = std::nextafter(half, 0.0f), above = std::nextafter(half, 1e9f);
        CHECK(round_half_even(below) == std::floor(half));
        CHECK(round_half_even(above) == std::ceil(half));
        CHECK(round_half_even(-below) == -std::floor(half));
        CHECK(round_half_even(-above) == -std::ceil(half));
    }
}

TEST_CASE("round_half_even leaves what has no fraction, and what is no number") {
    float const infinity = std::numeric_limits<float>::infinity();
    CHECK(round_half_even(8388609.0f) == 8388609.0f);
    CHECK(round_half_even(-3e38f) == -3e38f);
    CHECK(round_half_even(infinity) == infinity);
    CHECK(round_half_even(-infinity) == -infinity);
    CHECK(is_nan(round_half_even(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("is_finite and is_nan go by the bits") {
    float const infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(is_finite(0.0f));
    CHECK(is_finite(std::numeric_limits<float>::max()));
    CHECK(is_finite(std::numeric_limits<float>::denorm_min()));
    CHECK_FALSE(is_finite(infinity));
    CHECK_FALSE(is_finite(-infinity));
    CHECK_FALSE(is_finite(nan));
    CHECK(is_nan(nan));
    CHECK(is_nan(-nan));
    CHECK_FALSE(is_nan(infinity));
    CHECK(absolute(-infinity) == infinity);
    CHECK_FALSE(std::signbit(absolute(-0.0f)));
}

TEST_CASE("checked_multiply tells where a product does not fit") {
    constexpr std::size_t max = std::numeric_limits<std::size_t>::max();
    constexpr std::size_t half = std::size_t{1} << (std::numeric_limits<std::size_t>::digits / 2);
    std::size_t product = 1;
    CHECK((checked_multiply(0, max, product) && product == 0));
    CHECK((checked_multiply(max, 0, product) && product == 0));
    CHECK((checked_multiply(max, 1, product) && product == max));
    CHECK((checked_multiply(half, half - 1, product) && product == half * (half - 1)));
    CHECK_FALSE(checked_multiply(half, half, product));
    CHECK_FALSE(checked_multiply(max, 2, product));
    CHECK_FALSE(checked_multiply(2, max, product));
}

TEST_CASE("rounded keeps a product and a sum two operations") {
    // 1 + 2^-12 squared needs 25 bits: fused, the difference to its rounding is 2^-24; rounded first, it is 0.
    float volatile factor = 1.0f + 0x1p-12f;
    float const a = factor, square = 1.0f + 0x1p-11f;
    CHECK(rounded(a * a) - square == 0.0f);
}
