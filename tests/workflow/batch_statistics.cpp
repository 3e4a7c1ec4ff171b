#include "small_model.hpp"

#include <quanto/backend/thread_executor.hpp>

#include <string>
#include <vector>

#include "catch.hpp"

namespace {
using namespace small;

struct ConvolutionalNet {
    nn::Conv2d conv{1, 4, 3};
    nn::BatchNorm norm{4};
    nn::Linear fc{4 * 6 * 6, 3};
    nn::Activation operator()(nn::Activation const& x) const { return fc(nn::flatten(nn::relu(norm(conv(x))))); }
    static void children(auto& self, auto&& each) {
        each("conv", self.conv);
        each("norm", self.norm);
        each("fc", self.fc);
    }
};

struct NormalizedNet {
    nn::Linear fc{6, 4};
    nn::BatchNorm norm{4};
    nn::Activation operator()(nn::Activation const& x) const { return norm(fc(x)); }
    static void children(auto& self, auto&& each) {
        each("fc", self.fc);
        each("norm", self.norm);
    }
};
}  // namespace

TEST_CASE("a convolutional network is tuned to the same bits by any number of threads") {
    auto const x = values({11, 1, 8, 8}, 5);
    std::vector<int> classes(11);
    for (std::size_t i = 0; i != 11; ++i) classes[i] = static_cast<int>(i % 3);
    auto const run = [&](auto&... executor) {
        ConvolutionalNet m;
        REQUIRE(initialize(m, 5));
        REQUIRE(quantize(m, {.weights = qint4{}, .activations = qint8{}}));
        {
            Calibration calibrate{m};
            REQUIRE(m(x));
        }
        tuner_options options{.learn_scales = true, .clip_norm = 1.0f, .shards = 5};
        ((options.executor = executor), ...);
        Tuner tune{m, adam{.learning_rate = 0.01f}, options};
        for (int i = 0; i != 4; ++i) REQUIRE(tune.step(x, classes));
        CHECK(m.norm.batches() == 4);
        freeze(m);
        auto const state = state_dict(m);
        REQUIRE(state);
        std::string all;
        for (auto const& [key, t] : *state)
            (all += key).append(reinterpret_cast<char const*>(t.bytes().data()), t.bytes().size());
        return all;
    };
    auto const alone = run();
    for (std::size_t const n : {1u, 2u, 3u, 4u, 7u}) {
        thread_executor threads(n);
        CHECK(run(threads) == alone);
    }
}

TEST_CASE("running statistics follow the batches of a tuned model, unless they are left alone") {
    Tensor<float> const x = values({8, 6}, 1);
    std::vector<int> const classes = {0, 1, 2, 3, 0, 1, 2, 3};
    NormalizedNet start;
    REQUIRE(initialize(start, 1));
    auto const run = [&](tuner_options const& options) {
        NormalizedNet m = start;
        Tuner tune{m, sgd{.learning_rate = 0.0f}, options};
        REQUIRE(tune.step(x, classes));
        return m;
    };
    auto const whole = run({.shards = 1}), parts = run({.shards = 2});
    auto const y = start.fc(x);
    for (std::size_t c = 0; c != 4; ++c) {
        double sum = 0, squares = 0;
        for (std::size_t r = 0; r != 8; ++r) sum += static_cast<double>(y[r * 4 + c]);
        for (std::size_t r = 0; r != 8; ++r) squares += std::pow(static_cast<double>(y[r * 4 + c]) - sum / 8, 2);
        CHECK(whole.norm.running_mean[c] == Catch::Approx(0.1 * sum / 8).epsilon(1e-6).margin(1e-8));
        CHECK(whole.norm.running_var[c] == Catch::Approx(0.9 + 0.1 * squares / 7).epsilon(1e-6));
        CHECK(parts.norm.running_mean[c] == Catch::Approx(whole.norm.running_mean[c]).epsilon(1e-5).margin(1e-7));
        CHECK(parts.norm.batches() == 1);
    }
    for (auto const& options : {tuner_options{.batch_statistics = false}, tuner_options{.exclude = {"norm"}}}) {
        auto const m = run(options);
        CHECK(m.norm.running_mean[0] == 0.0f);
        CHECK(m.norm.batches() == 0);
    }
    NormalizedNet m = start;
    Tuner tune{m, sgd{}, {.shards = 8}};  // one sample each
    CHECK(tune.step(x, classes).error().message() == "BatchNorm: a batch of one value per channel has no variance");
    CHECK(m.norm.batches() == 0);
}
