#include <quanto/workflow/descent.hpp>
#include <quanto/workflow/schedule.hpp>

#include <vector>

#include "catch.hpp"

namespace {
using namespace quanto;

// One value under `method`, whose gradient is the value itself (the loss w^2 / 2), from 1.
template <class D>
float after(D const& method, std::size_t steps, float factor = 1.0f) {
    float w = 1.0f, g = 0.0f, a = 0.0f, b = 0.0f;
    for (std::size_t t = 1; t <= steps; ++t) {
        g = w;
        method(descent_step{&w, &g, {&a, &b}, 1, t, factor});
    }
    return w;
}
}  // namespace

TEST_CASE("sgd follows PyTorch's definition") {
    CHECK(after(sgd{.learning_rate = 0.5f}, 2) == 0.25f);
    CHECK(after(sgd{.learning_rate = 0.5f}, 1, 0.5f) == 0.75f);
    // v = 1, w = 0.5; v = 0.5 * 1 + 0.5 = 1, w = 0.
    CHECK(after(sgd{.learning_rate = 0.5f, .momentum = 0.5f}, 2) == 0.0f);
    // v = 1 (no dampening at first), w = 0.5; v = 0.5 + 0.5 * 0.5 = 0.75, w = 0.125.
    CHECK(after(sgd{.learning_rate = 0.5f, .momentum = 0.5f, .dampening = 0.5f}, 2) == 0.125f);
    // g + 0.5 v = 1.5, w = 0.25.
    CHECK(after(sgd{.learning_rate = 0.5f, .momentum = 0.5f, .nesterov = true}, 1) == 0.25f);
    CHECK(after(sgd{.learning_rate = 0.5f, .weight_decay = 1.0f}, 1) == 0.0f);
}

TEST_CASE("adam steps by the learning rate at first, whatever the gradient") {
    // m / (1 - beta1) = g, s / (1 - beta2) = g^2: w - rate g / (|g| + epsilon), in at most 8 roundings of values
    // near 1.
    CHECK(after(adam{.learning_rate = 0.25f}, 1) == Catch::Approx(0.75).epsilon(8 * 0x1p-24));
    CHECK(after(adam{.learning_rate = 0.25f, .weight_decay = 3.0f}, 1) == Catch::Approx(0.75).epsilon(8 * 0x1p-24));
    CHECK(after(adamw{.learning_rate = 0.25f, .weight_decay = 0.5f}, 1) ==
          Catch::Approx(0.875 - 0.25).epsilon(8 * 0x1p-24));
}

TEST_CASE("schedules") {
    CHECK(schedule{}(1000) == 1.0f);
    auto const steps = schedule::steps(10, 0.5f);
    CHECK(steps(9) == 1.0f);
    CHECK(steps(10) == 0.5f);
    CHECK(steps(29) == 0.25f);
    auto const cosine = schedule::cosine(100, 0.5f);
    CHECK(cosine(0) == 1.0f);
    CHECK(cosine(50) == Catch::Approx(0.75).epsilon(1e-7));
    CHECK(cosine(100) == 0.5f);
    CHECK(cosine(1000) == 0.5f);
    auto const warm = cosine.after_warm_up(4);
    CHECK(warm(0) == 0.25f);
    CHECK(warm(3) == 1.0f);
    CHECK(warm(4) == 1.0f);
    CHECK(warm(54) == cosine(50));
}

TEST_CASE("adam moves many values as it moves each of them alone") {
    constexpr std::size_t n = 300;
    std::vector<float> w(n), g(n), m(n), v(n);
    adam const method{.learning_rate = 0.125f};
    for (std::size_t i = 0; i != n; ++i) w[i] = static_cast<float>(i % 17) - 8.0f;
    auto alone = w;
    for (std::size_t i = 0; i != n; ++i) {
        float a = 0.0f, b = 0.0f;
        for (std::size_t t = 1; t != 4; ++t) {
            float slope = alone[i] - static_cast<float>(i);
            method(descent_step{&alone[i], &slope, {&a, &b}, 1, t, 1.0f});
        }
    }
    for (std::size_t t = 1; t != 4; ++t) {
        for (std::size_t i = 0; i != n; ++i) g[i] = w[i] - static_cast<float>(i);
        method(descent_step{w.data(), g.data(), {m.data(), v.data()}, n, t, 1.0f});
    }
    CHECK(w == alone);
}
