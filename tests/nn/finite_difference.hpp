// Gradients against central differences: for the functional L = sum over i of c[i] * y[i],
//     D(h) = (L(v + h) - L(v - h)) / 2h        |dL/dv - D(h)| <= |D(2h) - D(h)| + rounding / h
// The first term bounds the truncation, h^2 f'''/6, of which D(2h) - D(h) is three times; the second the roundings of
// y: `roundings` units in the last place of sum |c y|, which is what every forward pass here stays below.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <quanto/quanto.hpp>

#include "catch.hpp"

namespace gradient {

using namespace quanto;

// Values without structure, in -1 .. 1, none nearer than 1/16 to 0 (where a ReLU bends).
inline Tensor<float> values(extents const& shape, std::size_t seed) {
    Tensor<float> t(shape);
    std::uint32_t state = static_cast<std::uint32_t>(seed) * 2654435761u + 12345u;
    for (std::size_t i = 0; i != t.size(); ++i) {
        state = state * 1664525u + 1013904223u;
        float const v = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
        t[i] = v < 0 ? std::min(v, -0.0625f) : std::max(v, 0.0625f);
    }
    return t;
}

struct functional {
    double value = 0, magnitude = 0;
};

// L(f(x)), for any f: Activation -> Activation.
template <class F>
functional measure(F const& f, Tensor<float> const& x, Tensor<float> const& c) {
    auto const y = f(nn::Activation(x)).value();
    if (!y) FAIL(y.error().c_str());
    REQUIRE(y->size() == c.size());
    functional sum;
    for (std::size_t i = 0; i != c.size(); ++i) {
        double const term = static_cast<double>(c[i]) * static_cast<double>((*y)[i]);
        sum.value += term;
        sum.magnitude += std::abs(term);
    }
    return sum;
}

// Whether `got` is the derivative of L with respect to v; `evaluate` computes L with the present v.
template <class F>
void check_derivative(F const& evaluate, float& v, float got, std::string const& what, double roundings = 64) {
    constexpr float h = 0x1p-7f;
    float const kept = v;
    double slope[2], rounding = 0;
    for (int i = 0; i != 2; ++i) {
        float const step = h * static_cast<float>(i + 1);
        v = kept + step;
        auto const above = evaluate();
        v = kept - step;
        auto const below = evaluate();
        v = kept;
        double const width = static_cast<double>(kept + step) - static_cast<double>(kept - step);
        slope[i] = (above.value - below.value) / width;
        if (i == 0) rounding = roundings * 0x1p-24 * (above.magnitude + below.magnitude) / width;
    }
    INFO(what << ": " << got << ", finite differences give " << slope[0]);
    CHECK(std::abs(static_cast<double>(got) - slope[0]) <= std::abs(slope[1] - slope[0]) + rounding);
}

// All derivatives of f with respect to its input x.
template <class F>
void check_input(F const& f, Tensor<float> x, std::string const& what) {
    nn::Tape tape;
    nn::context where;
    where.tape = &tape;
    auto const tracked = nn::tracked(nn::Activation(x, where));
    auto const y = f(tracked);
    if (!y) FAIL(y.error().c_str());
    auto const c = values(y.shape(), 99);
    if (auto done = tape.backward(y.node(), c); !done) FAIL(done.error().c_str());
    auto const& got = std::as_const(tracked.node()->gradient);
    REQUIRE(got.size() == x.size());
    for (std::size_t i = 0; i != x.size(); ++i)
        check_derivative([&] { return measure(f, x, c); }, x[i], got[i], what + " dx[" + std::to_string(i) + "]");
}

// All derivatives of f with respect to a parameter that f reads through `set(values)`. `address` is the parameter's.
template <class F, class Set>
void check_parameter(F const& f, Tensor<float> const& x, void const* address, Tensor<float> start, Set const& set,
                     std::string const& what) {
    nn::Tape tape;
    tape.watch(address);
    nn::context where;
    where.tape = &tape;
    set(start);
    auto const y = f(nn::Activation(x, where));
    if (!y) FAIL(y.error().c_str());
    auto const c = values(y.shape(), 98);
    if (auto done = tape.backward(y.node(), c); !done) FAIL(done.error().c_str());
    auto const& got = *tape.gradient(address);
    REQUIRE(got.size() == start.size());
    for (std::size_t i = 0; i != start.size(); ++i)
        check_derivative(
            [&] {
                set(start);
                return measure(f, x, c);
            },
            start[i], got[i], what + '[' + std::to_string(i) + ']');
    set(start);
}

}  // namespace gradient
