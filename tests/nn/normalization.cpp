#include <quanto/nn/add.hpp>
#include <quanto/nn/rms_norm.hpp>

#include "finite_difference.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;
using gradient::values;
}  // namespace

TEST_CASE("RMSNorm is the formula") {
    auto const x = values({3, 7}, 1), w = values({7}, 2);
    nn::RMSNorm m(any_tensor(w), 0.25f);
    auto const y = m(x);
    REQUIRE(y);
    for (std::size_t r = 0; r != 3; ++r) {
        double squares = 0;
        for (std::size_t i = 0; i != 7; ++i) squares += std::pow(static_cast<double>(x[r * 7 + i]), 2);
        for (std::size_t i = 0; i != 7; ++i) {
            double const want =
                static_cast<double>(x[r * 7 + i]) / std::sqrt(squares / 7 + 0.25) * static_cast<double>(w[i]);
            // Two roundings: the unit value, and its product with w.
            CHECK(std::abs(static_cast<double>(y[r * 7 + i]) - want) <= 2 * 0x1p-24 * std::abs(want));
        }
    }
    m.activation = {.type = qint8{}, .output_scale = 0.5f};
    CHECK(m(x).is_quantized());
    CHECK(m(values({2, 6}, 1)).error().message() == "RMSNorm (7): the input has shape (2, 6)");
    CHECK(nn::RMSNorm(7)(x).error().code() == errc::missing);
    CHECK(m(nn::Activation(error(errc::io, "first"))).error().message() == "first");
}

TEST_CASE("gradients of RMSNorm agree with finite differences") {
    nn::RMSNorm m(any_tensor(values({6}, 4)));
    auto const x = values({3, 6}, 6);
    gradient::check_input(m, x, "RMSNorm");
    gradient::check_parameter(
        m, x, &m.weight, values({6}, 4), [&](Tensor<float> const& w) { m.weight = w; }, "RMSNorm dw");
}

TEST_CASE("Add adds, and quantizes its output where it has a scale") {
    nn::Add m;
    nn::Activation const a = values({2, 3}, 1), b = nn::quantize_activation(values({2, 3}, 2), qint8{}, 0.01f);
    auto const y = m(a, b);
    for (std::size_t i = 0; i != 6; ++i) CHECK(y[i] == a[i] + b[i]);
    m.activation = {.type = qfloat8{}, .output_scale = 0.01f};
    CHECK(m(a, b).type() == any_qtype(qfloat8{}));
    CHECK_FALSE(m(a, values({2, 2}, 1)));
}
