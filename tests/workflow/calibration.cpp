#include "small_model.hpp"

#include <limits>

#include "catch.hpp"

namespace {
using namespace small;

Model quantized(any_qtype activations) {
    auto m = Model::with_values();
    if (!quantize(m, {.weights = qint8{}, .activations = activations})) m = Model();
    return m;
}
}  // namespace

TEST_CASE("scales follow max over qmax with momentum, rounded after each operation") {
    auto m = quantized(qint8{});
    auto const a = values({4, 160}, 9), b = values({2, 160}, 20);
    float const sa = absmax_scale<qint8>(a.data(), a.size()), sb = absmax_scale<qint8>(b.data(), b.size());
    {
        Calibration calibrate{m, {.momentum = 0.5}};
        m(a);
        m(b);
        CHECK_FALSE(m.fc1.activation.input_scale);
    }
    CHECK(m.fc1.activation.input_scale == 0.5f * sa + 0.5f * sb);
    CHECK(m.fc1.activation.recorder.get() == nullptr);
    {
        Calibration more{m, {.momentum = 0.0}};  // goes on from what was seen
        m(a);
    }
    CHECK(m.fc1.activation.input_scale == sa);
    CHECK(m.fc2.activation.input_scale == m.fc1.activation.output_scale);  // a quantized input brings its own
}

TEST_CASE("streamlining leaves codes where a module reads them, and float elsewhere") {
    auto m = quantized(qint8{});
    auto const x = values({4, 160}, 9);
    Calibration calibrate{m};
    CHECK(m(x).is_quantized());
    auto const report = calibrate.finish();
    REQUIRE(report);
    REQUIRE(report->rows.size() == 4);
    CHECK(report->rows[0].output_quantized);        // fc1, relu, fc2
    CHECK_FALSE(report->rows[1].output_quantized);  // fc2, norm: computed in float
    CHECK(report->rows[2].output_quantized);        // norm, relu, fc3
    CHECK_FALSE(report->rows[3].output_quantized);  // fc3: the result
    CHECK(report->rows[3].name == "fc3");
    CHECK_FALSE(m(x).is_quantized());
    CHECK(calibrate.finish()->rows.empty());

    Calibration again{m, {.streamline = false}};
    m(x);
    REQUIRE(again.finish());
    CHECK(m(x).is_quantized());
}

TEST_CASE("batches with NaN or infinity change nothing and are reported") {
    auto m = quantized(qint8{});
    auto x = values({4, 160}, 9);
    Calibration calibrate{m};
    m(x);
    float const scale = *m.fc1.activation.recorder.get()->input_scale;
    x[3] = std::numeric_limits<float>::quiet_NaN();
    m(x);
    x[3] = std::numeric_limits<float>::infinity();
    m(x);
    auto const report = calibrate.finish();
    REQUIRE_FALSE(report);
    CHECK(report.error().code() == errc::not_finite);
    CHECK(report.error().message() == "fc1: the input at index 3 is NaN");
    CHECK(m.fc1.activation.input_scale == scale);
}

TEST_CASE("a batch of zeros enters the average, and zeros come out of it") {
    for (any_qtype type : {any_qtype(qint8{}), any_qtype(qfloat8{})}) {
        auto m = quantized(type);
        Calibration calibrate{m, {.streamline = false}};
        auto const y = m(Tensor<float>(extents{2, 160}));
        REQUIRE(y);
        for (std::size_t i = 0; i != y.size(); ++i) CHECK(is_finite(y[i]));
        CHECK(m.fc1.activation.recorder.get()->input_scale == 0.0f);
        REQUIRE(calibrate.finish());
    }
}

TEST_CASE("activations that a calibration left behind do not reach into the next") {
    auto m = quantized(qint8{});
    std::optional<nn::Activation> left;
    {
        Calibration first{m};
        left = m.fc1(values({4, 160}, 9));
    }
    Calibration second{m};
    CHECK(m.fc2(nn::relu(*left)));
    CHECK(second.finish());
}

TEST_CASE("without a calibration activations stay float") {
    auto const m = quantized(qint8{});
    auto const y = m(values({4, 160}, 9));
    REQUIRE(y);
    CHECK_FALSE(y.is_quantized());
}
