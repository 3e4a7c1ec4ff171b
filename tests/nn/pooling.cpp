#include <quanto/nn/pooling.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <quanto/nn/quantize_activation.hpp>

#include "catch.hpp"

namespace {
using namespace quanto;

Tensor<float> values(extents const& shape) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = static_cast<float>(i * 7 % 13) * 0.25f - 1.5f;
    return t;
}
// f(values inside of the window) for every output.
template <class F>
std::vector<float> direct(Tensor<float> const& x, size_2d in, window const& w, size_2d out, F const& f) {
    std::vector<float> y;
    for (std::size_t plane = 0; plane != x.size() / in.area(); ++plane)
        for (std::size_t oy = 0; oy != out.height; ++oy)
            for (std::size_t ox = 0; ox != out.width; ++ox) {
                std::vector<float> seen;
                for (std::size_t i = 0; i != w.kernel.height; ++i)
                    for (std::size_t j = 0; j != w.kernel.width; ++j) {
                        std::size_t const iy = oy * w.stride.height + i * w.dilation.height;
                        std::size_t const ix = ox * w.stride.width + j * w.dilation.width;
                        if (iy < w.padding.height || ix < w.padding.width || iy - w.padding.height >= in.height ||
                            ix - w.padding.width >= in.width)
                            continue;
                        seen.push_back(
                            x[(plane * in.height + iy - w.padding.height) * in.width + ix - w.padding.width]);
                    }
                y.push_back(f(seen));
            }
    return y;
}
window const windows[] = {{{2}, {2}}, {{3, 2}, {2, 1}, {1}, {1}}, {{3}, {1}, {1}, {2}}, {{1}, {3}}, {{7, 9}, {1}}};
constexpr size_2d in{7, 9};
}  // namespace

TEST_CASE("max pooling is the maximum of each window, of floats and of codes") {
    auto const x = values({2, 3, 7, 9});
    auto const codes = nn::quantize_activation(x, qint8{}, 0.25f);
    for (auto const& w : windows) {
        auto const out = *w.outputs(in);
        auto const want =
            direct(x, in, w, out, [](auto const& seen) { return *std::max_element(seen.begin(), seen.end()); });
        nn::MaxPool2d const pool{w.kernel, {.stride = w.stride, .padding = w.padding, .dilation = w.dilation}};
        auto const y = pool(x), q = pool(codes);
        if (!y) FAIL(y.error().c_str());
        REQUIRE(y.shape() == extents{2, 3, out.height, out.width});
        REQUIRE(q.is_quantized());
        CHECK(q.scale() == 0.25f);
        for (std::size_t i = 0; i != want.size(); ++i) {
            CHECK(y[i] == want[i]);
            CHECK(q[i] == want[i]);
        }
    }
    auto const f = nn::max_pool2d(nn::quantize_activation(x, qfloat8{}, 0.25f), 2);
    CHECK_FALSE(f.is_quantized());
    CHECK(f[0] == nn::max_pool2d(x, 2)[0]);
}

TEST_CASE("NaN wins a maximum, wherever it stands") {
    for (std::size_t at = 0; at != 4; ++at) {
        Tensor<float> x(extents{1, 2, 2});
        x[at] = std::numeric_limits<float>::quiet_NaN();
        CHECK(is_nan(nn::max_pool2d(x, 2)[0]));
    }
}

TEST_CASE("average pooling counts the padding, or does not") {
    auto const x = values({2, 3, 7, 9});
    for (auto const& w : windows) {
        if (w.dilation != size_2d(1)) continue;
        auto const out = *w.outputs(in);
        for (bool counted : {true, false}) {
            auto const want = direct(x, in, w, out, [&](auto const& seen) {
                float sum = 0;
                for (float v : seen) sum += v;
                return sum / static_cast<float>(counted ? w.kernel.area() : seen.size());
            });
            nn::AvgPool2d const pool{w.kernel, {.stride = w.stride, .padding = w.padding, .count_padding = counted}};
            auto const y = pool(x);
            if (!y) FAIL(y.error().c_str());
            REQUIRE(y.size() == want.size());
            for (std::size_t i = 0; i != want.size(); ++i) CHECK(y[i] == want[i]);
            auto const q = pool(nn::quantize_activation(x, qint8{}, 0.25f));
            CHECK_FALSE(q.is_quantized());
            CHECK(q[0] == y[0]);
        }
    }
}

TEST_CASE("adaptive average pooling has PyTorch's windows") {
    Tensor<float> x(extents{1, 1, 5});
    for (std::size_t i = 0; i != 5; ++i) x[i] = static_cast<float>(i);
    auto const y = nn::adaptive_avg_pool2d(x, {1, 3});  // 0..2, 1..4, 3..5
    REQUIRE(y.shape() == extents{1, 1, 3});
    CHECK(y[0] == 0.5f);
    CHECK(y[1] == 2.0f);
    CHECK(y[2] == 3.5f);
    auto const mean = nn::AdaptiveAvgPool2d{}(values({2, 3, 4, 4}));
    REQUIRE(mean.shape() == extents{2, 3, 1, 1});
    float sum = 0;
    for (std::size_t i = 0; i != 16; ++i) sum += values({2, 3, 4, 4})[16 + i];
    CHECK(mean[1] == sum / 16.0f);
    CHECK(nn::adaptive_avg_pool2d(x, {2, 7}).shape() == extents{1, 2, 7});
}

TEST_CASE("a pool that does not fit is an error that says why") {
    auto const message = [](nn::Activation const& y) { return std::string(y.error().message()); };
    auto const x = values({2, 3, 7, 9});
    CHECK(message(nn::max_pool2d(values({5}), 2)) == "max_pool2d: the input has shape (5)");
    auto const nothing = values({2, 0, 3});
    CHECK(message(nn::max_pool2d(nothing, 2, {.padding = 1})) == "max_pool2d: the input has shape (2, 0, 3)");
    CHECK(message(nn::adaptive_avg_pool2d(nothing, 1)) == "adaptive_avg_pool2d: the input has shape (2, 0, 3)");
    CHECK(message(nn::max_pool2d(x, 8)).starts_with("max_pool2d: a window of 8 x 8"));
    CHECK(message(nn::max_pool2d(x, 2, {.padding = 2})) == "max_pool2d: the padding is more than half of the kernel");
    CHECK(nn::max_pool2d(x, 0).error().code() == errc::invalid_argument);
    CHECK(nn::avg_pool2d(x, 2, {.stride = 0}).error().code() == errc::invalid_argument);
    CHECK(message(nn::adaptive_avg_pool2d(x, 0)) == "adaptive_avg_pool2d: from 7 x 9 to 0 x 0");
    CHECK(nn::max_pool2d(Tensor<float>(extents{0, 3, 7, 9}), 2).shape() == extents{0, 3, 3, 4});
    nn::Activation const bad = error(errc::io, "first");
    for (auto const& y : {nn::max_pool2d(bad, 2), nn::avg_pool2d(bad, 2), nn::adaptive_avg_pool2d(bad, 1)})
        CHECK(message(y) == "first");
}
