#include <quanto/quantizer/activation.hpp>

#include <cstdint>
#include <limits>

#include "catch.hpp"

using namespace quanto;

namespace {
constexpr float values[5] = {0.0f, -2.54f, 1.0f, 0.01f, -0.0f};
constexpr std::uint8_t minus(int n) { return static_cast<std::uint8_t>(static_cast<std::int8_t>(-n)); }
}  // namespace

static_assert(absmax_scale<qint8>(values, 5) == 2.54f / 127);
static_assert(absmax_scale<qfloat8_e5m2>(values, 5) == 2.54f / 57344);
static_assert(absmax_scale<qint8>(values, 1) == 0.0f && absmax_scale<qint8>(values, 0) == 0.0f);

TEST_CASE("an activation rounds half to even and saturates") {
    float const x[8] = {0.25f, 0.75f, -0.25f, -1.25f, 1000.0f, -1000.0f, 63.5f, -64.0f};
    std::uint8_t codes[8];
    quantize_activation<qint8>(x, 8, 0.5f, codes);
    std::uint8_t const want[8] = {0, 2, 0, minus(2), 127, 0x80, 127, 0x80};
    for (std::size_t i = 0; i != 8; ++i) CHECK(codes[i] == want[i]);
}

TEST_CASE("activations beyond the range, infinities and NaN have the codes that their type gives") {
    float const infinity = std::numeric_limits<float>::infinity();
    float const x[3] = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()};
    any_qtype::for_each([&]<class Q>(Q) {
        if constexpr (ActivationQType<Q>) {
            INFO(Q::name);
            std::uint8_t codes[3];
            quantize_activation<Q>(x, 3, 0.25f, codes);
            CHECK(dequantize_code<Q>(codes[0], 0.25f) == Q::qmax / 4);
            CHECK(dequantize_code<Q>(codes[1], 0.25f) == Q::qmin / 4);
            if (Q::is_floating_point)
                CHECK(is_nan(code_value<Q>(codes[2])));
            else
                CHECK(codes[2] == 0);
        }
    });
}
