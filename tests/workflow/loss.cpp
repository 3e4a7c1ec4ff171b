#include <quanto/workflow/loss.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"

namespace {
using namespace quanto;

Tensor<float> of(extents const& shape, std::vector<float> const& v) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = v[i];
    return t;
}
std::vector<float> const scores = {0.5f, -1.0f, 2.0f, 0.0f, 3.0f, -0.25f, 1.0f, 1.0f, 1.5f, -2.0f, 0.75f, 0.125f};
std::vector<float> const others = {1.0f, 0.5f, 0.25f, -1.0f, 2.0f, 0.0f, -0.5f, 1.5f, 0.0f, 1.0f, -1.0f, 0.5f};

// The gradient is that of the loss, and two parts of a batch add up to the whole. The losses are sums of at most 12
// terms in double whose gradients are rounded to float: central differences with h = 2^-10 are off by h^2 f''' / 6 <
// 1e-6.
template <class L, class Target>
void check(L const& loss, Target const& target) {
    auto y = of({4, 3}, scores);
    Tensor<float> dy(extents{4, 3}), parts(extents{4, 3}), unused(extents{4, 3});
    auto const whole = loss(y.view(), target, batch_part{0, 2, 2}, matrix_view<float>(dy));
    REQUIRE(whole);
    auto const first = loss(matrix_view<float const>(y.data(), 2, 3), target, batch_part{0, 1, 2},
                            matrix_view<float>(parts.data(), 2, 3));
    auto const second = loss(matrix_view<float const>(y.data() + 6, 2, 3), target, batch_part{1, 1, 2},
                             matrix_view<float>(parts.data() + 6, 2, 3));
    REQUIRE((first && second));
    CHECK(*first + *second == Catch::Approx(*whole).epsilon(1e-14));
    for (std::size_t i = 0; i != 12; ++i) {
        CHECK(parts[i] == dy[i]);
        constexpr float h = 0x1p-10f;
        float const kept = y[i];
        y[i] = kept + h;
        double const above = *loss(y.view(), target, batch_part{0, 2, 2}, matrix_view<float>(unused));
        y[i] = kept - h;
        double const below = *loss(y.view(), target, batch_part{0, 2, 2}, matrix_view<float>(unused));
        y[i] = kept;
        CHECK(static_cast<double>(dy[i]) == Catch::Approx((above - below) / (2.0 * 0x1p-10)).margin(1e-6));
    }
}
}  // namespace

TEST_CASE("gradients of the losses are those of the losses, in parts as in one piece") {
    std::vector<std::uint8_t> const labels = {2, 0, 1, 2};
    auto const t = of({4, 3}, others);
    check(cross_entropy{}, labels);
    check(cross_entropy{.label_smoothing = 0.2f}, labels);
    check(mean_squared_error{}, t);
    check(distillation{.temperature = 3.0f}, t);
    check(distillation{.temperature = 2.0f, .label_share = 0.3f}, taught{t, labels});
}

TEST_CASE("losses are the formulas") {
    auto const y = of({1, 2}, {0.0f, 0.0f});
    Tensor<float> dy(extents{1, 2});
    batch_part const all{0, 1, 1};
    std::vector<int> const label = {1};
    CHECK(*cross_entropy{}(y, label, all, matrix_view<float>(dy)) == Catch::Approx(std::log(2.0)).epsilon(1e-15));
    CHECK(dy[0] == 0.5f);
    CHECK(dy[1] == -0.5f);
    CHECK(*mean_squared_error{}(y, of({1, 2}, {1.0f, 3.0f}), all, matrix_view<float>(dy)) == 5.0);
    CHECK(dy[1] == -3.0f);
    CHECK(*distillation{}(y, y, all, matrix_view<float>(dy)) == 0.0);
    CHECK(dy[0] == 0.0f);
}

TEST_CASE("cross entropy does not overflow, and is infinite where it is") {
    Tensor<float> dy(extents{1, 2});
    batch_part const all{0, 1, 1};
    std::vector<int> const label = {1};
    CHECK(*cross_entropy{}(of({1, 2}, {1000.0f, -1000.0f}), label, all, matrix_view<float>(dy)) == 2000.0);
    CHECK(dy[0] == 1.0f);
    CHECK(dy[1] == -1.0f);
    float const nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(*cross_entropy{}(of({1, 2}, {nan, 0.0f}), label, all, matrix_view<float>(dy))));
    CHECK(std::isnan(*cross_entropy{}(of({1, 2}, {0.0f, nan}), label, all, matrix_view<float>(dy))));
}

TEST_CASE("targets that do not fit are errors") {
    auto const y = of({2, 3}, scores);
    Tensor<float> dy(extents{2, 3});
    batch_part const all{0, 2, 2};
    std::vector<int> const wrong = {0, 3}, negative = {0, -1}, few = {0};
    CHECK(cross_entropy{}(y, wrong, all, matrix_view<float>(dy)).error().message() ==
          "label 1 is 3, there are 3 classes");
    CHECK(cross_entropy{}(y, negative, all, matrix_view<float>(dy)).error().message() ==
          "label 1 is -1, there are 3 classes");
    CHECK(cross_entropy{}(y, few, all, matrix_view<float>(dy)).error().message() ==
          "the target has 1 labels, the batch needs 2");
    CHECK(mean_squared_error{}(y, of({2, 2}, others), all, matrix_view<float>(dy)).error().code() ==
          errc::shape_mismatch);
    CHECK(distillation{}(y, of({2, 2}, others), all, matrix_view<float>(dy)).error().code() == errc::shape_mismatch);
}
