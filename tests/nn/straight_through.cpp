#include <quanto/nn/straight_through.hpp>

#include <quanto/quanto.hpp>

#include <vector>

#include "catch.hpp"

namespace {
using namespace quanto;

template <QType Q>
float value_of(float x, float scale) {
    return dequantize_code<Q>(symmetric_code<Q>(x, scale), scale);
}
}  // namespace

TEST_CASE("what rounds to a code beyond the last one was clamped") {
    CHECK(nn::detail::unclamped<qint8>(0.5f).most == 63.75f);
    CHECK(nn::detail::unclamped<qint8>(0.5f).least == -64.25f);
    CHECK(nn::detail::unclamped<qfloat8_e4m3fn>(1.0f).most == 464.0f);
    CHECK(nn::detail::unclamped<qfloat8_e4m3fnuz>(1.0f).most == 248.0f);
    CHECK(nn::detail::unclamped<qfloat8_e5m2>(1.0f).least == -61440.0f);
    auto const four = nn::detail::unclamped<qint4>(0.25f, 2.0f);  // -2 .. 1.75
    CHECK(four.least == -2.125f);
    CHECK(four.most == 1.875f);
    CHECK(four.holds(1.8f));
    CHECK_FALSE(four.holds(2.0f));
}

// Codes stay what they are while the scale moves by h: then L(s) = sum of c[i] * s * code[i] is linear, and straight
// through it differs from the derivative by sum of c[i] * x[i] over what was not clamped.
TEST_CASE("the gradient of an activation's scale agrees with finite differences") {
    auto const check = []<class Q>(Q) {
        float const s = 0.03125f, h = s * 0x1p-10f;
        std::vector<float> list;
        for (float v : {0.0f, 1.0f, -3.0f, 17.0f, -64.0f, 100.0f})
            list.push_back(Q::is_floating_point ? value_of<Q>(v * s, s) * 1.015625f : (v + 0.2f) * s);
        std::size_t const rounded = list.size();
        for (float v : {1.25f, -1.5f}) list.push_back(v * Q::qmax * s);
        std::optional<float> scale = s;
        nn::Tape tape({}, true);
        tape.watch(&scale);
        nn::context where;
        where.tape = &tape;
        Tensor<float> x(extents{list.size()}), c(extents{list.size()});
        for (std::size_t i = 0; i != list.size(); ++i)
            x[i] = list[i], c[i] = 0.25f + static_cast<float>(i % 3) - static_cast<float>(i % 2);
        auto const input = nn::tracked(nn::Activation(x, where));
        auto const q = nn::quantize_activation(input, Q{}, s, &scale);
        REQUIRE(tape.backward(q.node(), c));
        double above = 0, below = 0, magnitude = 0, straight = 0;
        for (std::size_t i = 0; i != list.size(); ++i) {
            auto const weight = static_cast<double>(c[i]);
            above += weight * static_cast<double>(value_of<Q>(list[i], s + h));
            below += weight * static_cast<double>(value_of<Q>(list[i], s - h));
            magnitude += std::abs(weight * static_cast<double>(q[i]));
            if (i < rounded) straight += weight * static_cast<double>(list[i]);
            CHECK(std::as_const(input.node()->gradient)[i] == (i < rounded ? c[i] : 0.0f));
        }
        double const slope = (above - below) / (2 * static_cast<double>(h)) * static_cast<double>(s);
        INFO(Q::name);
        auto const got = static_cast<double>((*tape.gradient(&scale))[0]);
        CHECK(std::abs(got - (slope - straight)) <= magnitude * 0x1p-24 * 1024 * 2);  // one rounding on each side
    };
    check(qint8{});
    check(qfloat8_e4m3fn{});
    check(qfloat8_e4m3fnuz{});
    check(qfloat8_e5m2{});
}

TEST_CASE("a scale is learned although nothing before it has a gradient") {
    std::optional<float> scale = 0.5f;
    nn::Tape tape;
    tape.watch(&scale);
    nn::context where;
    where.tape = &tape;
    Tensor<float> x(extents{2}), dy(extents{2});
    x[0] = 0.6f, x[1] = 200.0f, dy[0] = dy[1] = 1.0f;
    auto const q = nn::quantize_activation(nn::Activation(x, where), qint8{}, 0.5f, &scale);
    REQUIRE(q.node() != nullptr);
    REQUIRE(tape.backward(q.node(), dy));
    CHECK((*tape.gradient(&scale))[0] == (0.5f - 0.6f) + 63.5f);
    // A scale that nobody watches, and a constant: nothing is recorded.
    CHECK(nn::quantize_activation(nn::Activation(x, where), qint8{}, 0.5f, &x).node() == nullptr);
}
