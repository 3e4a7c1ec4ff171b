#include "small_model.hpp"

#include <quanto/backend/thread_executor.hpp>

#include <limits>
#include <vector>

#include "catch.hpp"

namespace {
using namespace small;

std::vector<std::uint8_t> const labels = {0, 1, 0, 1, 0};  // rows of values() repeat every other time
Tensor<float> batch() { return values({5, 160}, 9); }

// An executor that does everything backwards, for what must not depend on the order.
struct backwards_executor {
    static std::size_t concurrency() { return 3; }
    static void run(std::size_t n, function_ref<void(std::size_t)> task) {
        while (n != 0) task(--n);
    }
};

// A method of one's own.
struct sign_descent {
    float rate = 0.01f;
    static constexpr std::size_t states = 0;
    void operator()(descent_step const& s) const noexcept {
        for (std::size_t i = 0; i != s.size; ++i) s.values[i] -= s.gradient[i] > 0 ? rate : -rate;
    }
};
static_assert(Descent<sign_descent>);
}  // namespace

TEST_CASE("tuning lowers the loss of a quantized model, whose weights follow their masters") {
    for (any_qtype type : {any_qtype(qint8{}), any_qtype(qint4{}), any_qtype(qint2{}), any_qtype(qfloat8{})}) {
        auto m = Model::with_values();
        REQUIRE(quantize(m, {.weights = type, .activations = qint8{}}));
        {
            Calibration calibrate{m};
            REQUIRE(m(batch()));
        }
        auto const before = m.fc1.weight.master()->bytes();
        Tuner tune{m, adam{.learning_rate = 0.003f}};
        auto const first = tune.step(batch(), labels);
        if (!first) FAIL(first.error().c_str());
        result<float> last = first;
        for (int i = 0; i != 60; ++i) last = tune.step(batch(), labels);
        REQUIRE(last);
        INFO(type.name() << ": " << *first << " to " << *last);
        CHECK(*last < 0.6f * *first);
        CHECK(tune.steps() == 61);
        CHECK(std::memcmp(before.data(), m.fc1.weight.master()->bytes().data(), before.size()) != 0);
        auto const again = nn::quantize_weight(*m.fc1.weight.master(), *m.fc1.weight.scheme());
        REQUIRE(again);
        CHECK(std::memcmp(again->parts().codes.data(), m.fc1.weight.quantized()->parts().codes.data(),
                          again->parts().codes.size()) == 0);
    }
}

TEST_CASE("a model is trained in float from its first values") {
    Model m;
    REQUIRE(initialize(m, 3));
    Tuner tune{m,
               sgd{.learning_rate = 0.1f, .momentum = 0.9f},
               cross_entropy{},
               {.schedule = schedule::cosine(100).after_warm_up(5), .clip_norm = 1.0f}};
    auto const first = tune.step(batch(), labels);
    result<float> last = first;
    for (int i = 0; i != 100; ++i) last = tune.step(batch(), labels);
    REQUIRE((first && last));
    CHECK(*last < 0.2f * *first);
}

TEST_CASE("steps do not depend on who runs the parts, and hardly on how many there are") {
    auto const run = [](tuner_options const& options) {
        auto m = Model::with_values();
        if (!quantize(m, {.weights = qint8{}})) FAIL();
        Tuner tune{m, sgd{.learning_rate = 0.01f, .momentum = 0.9f}, options};
        for (int i = 0; i != 3; ++i) REQUIRE(tune.step(batch(), labels));
        return m;
    };
    backwards_executor backwards;
    thread_executor threads(2);
    auto const alone = run({.shards = 3});
    CHECK(fingerprint(alone) == fingerprint(run({.shards = 3, .executor = backwards})));
    CHECK(fingerprint(alone) == fingerprint(run({.shards = 3, .executor = threads})));
    auto const whole = run({.shards = 1});
    for (std::size_t i = 0; i != 3 * 5; ++i)
        CHECK((*whole.fc3.weight.master())[i] == Catch::Approx((*alone.fc3.weight.master())[i]).epsilon(1e-5));
}

TEST_CASE("after tuning, a calibration that starts anew finds the scales of the model as it is now") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint4{}, .activations = qint8{}}));
    auto const calibrate = [](Model& model, bool restart) {
        Calibration scope{model, {.restart = restart}};
        REQUIRE(model(batch()));
        REQUIRE(scope.finish());
    };
    calibrate(m, false);
    Tuner tune{m, adam{.learning_rate = 0.01f}};
    for (int i = 0; i != 20; ++i) REQUIRE(tune.step(batch(), labels));
    Model fresh = m;
    for (auto* state : {&fresh.fc1.activation, &fresh.fc2.activation, &fresh.norm.activation, &fresh.fc3.activation})
        *state = {.type = qint8{}};
    calibrate(fresh, false);
    Model went_on = m;
    calibrate(went_on, false);
    calibrate(m, true);
    CHECK(fingerprint(m) == fingerprint(fresh));
    CHECK(fingerprint(m) != fingerprint(went_on));
}

TEST_CASE("only the chosen modules move, and a frozen one lets gradients through") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint4{}, .include = {"fc2"}}));
    freeze(m);
    auto const norm = m.norm.weight.bytes();
    float const kept = (*m.fc1.weight.master())[0];
    Tuner tune{m, sign_descent{}, {.include = {"fc*"}, .exclude = {"fc2"}}};
    REQUIRE(tune.step(batch(), labels));
    CHECK((*m.fc1.weight.master())[0] != kept);
    CHECK(std::memcmp(norm.data(), m.norm.weight.bytes().data(), norm.size()) == 0);
}

TEST_CASE("a copy of a model that is being tuned stays as it is") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint8{}}));
    Tuner tune{m, sgd{.learning_rate = 0.1f}};
    REQUIRE(tune.step(batch(), labels));
    Model const copy = m;
    auto const before = fingerprint(copy);
    REQUIRE(tune.step(batch(), labels));
    CHECK(fingerprint(copy) == before);
    CHECK(fingerprint(m) != before);
}

TEST_CASE("half precision parameters are tuned from float copies") {
    auto const half = [](extents const& shape, std::size_t seed) {
        auto made = nn::converted(values(shape, seed), dtype::f16);
        REQUIRE(made);
        return *made;
    };
    nn::Linear m(half({3, 160}, 1), half({3}, 2));
    REQUIRE(quantize(m, {.weights = qint8{}}));
    Tuner tune{m, sgd{.learning_rate = 1e-5f}};
    float const start = (*m.bias)[0];
    for (int i = 0; i != 300; ++i) REQUIRE(tune.step(batch(), labels));  // each step is below f16's resolution
    CHECK(m.weight.type() == dtype::f16);
    CHECK(m.bias->type() == dtype::f16);
    CHECK((*m.bias)[0] != start);
}

TEST_CASE("what cannot be tuned is an error, and the model is as it was") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint4{}}));
    auto const before = fingerprint(m);
    {
        Tuner tune{m};
        CHECK(tune.step(Tensor<float>(extents{0, 160}), labels).error().message() == "an empty batch");
        CHECK(tune.step(values({5, 8}, 9), labels).error().code() == errc::shape_mismatch);
        CHECK(tune.step(values({4, 160}, 9), labels).error().code() == errc::shape_mismatch);
        CHECK(tune.step(batch(), std::vector<int>{0, 1, 2, 3, 0}).error().code() == errc::invalid_argument);
        auto x = batch();
        x[200] = std::numeric_limits<float>::quiet_NaN();
        CHECK(tune.step(x, labels).error().message() == "the batch at index 200 is NaN");
        x = batch();
        for (std::size_t i = 0; i != x.size(); ++i) x[i] = 3e38f;
        CHECK(tune.step(x, labels).error().code() == errc::not_finite);
        CHECK(tune.steps() == 0);
    }
    CHECK(fingerprint(m) == before);

    CHECK(Tuner{m, sgd{}, {.include = {"nobody"}}}.step(batch(), labels).error().message() == "no parameter to tune");
    auto frozen = m;
    freeze(frozen);
    CHECK(Tuner{frozen}.step(batch(), labels).error().message() == "fc1.weight: is frozen: tune before freeze");
    Model empty;
    CHECK(Tuner{empty}.step(batch(), labels).error().code() == errc::missing);
    CHECK(initialize(frozen).error().message() == "fc1.weight: is frozen: it has its values");

    Tuner wild{m, sgd{.learning_rate = std::numeric_limits<float>::infinity()}};
    auto const thrown = wild.step(batch(), labels);
    REQUIRE_FALSE(thrown);
    CHECK(thrown.error().code() == errc::not_finite);
    CHECK(wild.step(batch(), labels).error().message() == thrown.error().message());
}

TEST_CASE("first values depend on the seed and on the place, within their bounds") {
    Model a, b, c;
    REQUIRE((initialize(a, 1) && initialize(b, 1) && initialize(c, 2)));
    CHECK(fingerprint(a) == fingerprint(b));
    CHECK(fingerprint(a) != fingerprint(c));
    CHECK((*a.fc1.bias)[0] != (*a.fc1.weight.master())[0]);
    for (std::size_t i = 0; i != 6 * 160; ++i) CHECK(std::abs((*a.fc1.weight.master())[i]) <= 1.0f / std::sqrt(160.0f));
    for (std::size_t i = 0; i != 5; ++i) {
        CHECK(a.norm.weight[i] == 1.0f);
        CHECK((*a.norm.bias)[i] == 0.0f);
    }
}

TEST_CASE("tables start from normally distributed values") {
    nn::Embedding table(64, 64);
    REQUIRE(initialize(table, 7));
    double sum = 0, squares = 0;
    int near = 0;
    auto const& w = *table.weight.master();
    for (std::size_t i = 0; i != 4096; ++i) {
        double const v = static_cast<double>(w[i]);
        sum += v, squares += v * v, near += std::abs(v) < 1 ? 1 : 0;
    }
    // Five standard deviations of the mean, the variance and the share within one, of 4096 values.
    CHECK(std::abs(sum / 4096) < 5 / 64.0);
    CHECK(std::abs(squares / 4096 - 1) < 5 * std::sqrt(2.0) / 64);
    CHECK(std::abs(near / 4096.0 - 0.6827) < 5 * 0.4654 / 64);
}
