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
struct Twice {
    nn::Linear shared{5, 5}, reader{5, 3};
    nn::Activation operator()(nn::Activation const& x) const { return reader(shared(nn::gelu(shared(x)))); }
    static void children(auto& self, auto&& each) {
        each("shared", self.shared);
        each("reader", self.reader);
    }
};
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

TEST_CASE("scopes nest: the inner one takes over, the outer one goes on from its scales") {
    auto m = quantized(qint8{});
    auto const a = values({4, 160}, 9), b = values({2, 160}, 20);
    float const sa = absmax_scale<qint8>(a.data(), a.size()), sb = absmax_scale<qint8>(b.data(), b.size());
    std::optional<Calibration<Model>> outer(std::in_place, m, calibration_options{.momentum = 0.5});
    m(a);
    {
        Calibration inner{m.fc1, {.momentum = 0.0}};
        m(b);
        CHECK(m.fc1.activation.recorder.get()->input_scale == sb);
        REQUIRE(inner.finish());
    }
    CHECK(m.fc1.activation.input_scale == sb);
    m(a);
    REQUIRE(outer->finish());
    CHECK(m.fc1.activation.input_scale == 0.5f * sb + 0.5f * sa);
    CHECK(m.fc1.activation.recorder.get() == nullptr);

    // In any order of their ends.
    outer.emplace(m, calibration_options{});
    std::optional<Calibration<Model>> inner(std::in_place, m, calibration_options{});
    m(a);
    (void)outer->finish();
    outer.reset();
    m(a);
    REQUIRE(inner->finish());
    CHECK(m.fc1.activation.recorder.get() == nullptr);
}

TEST_CASE("copies of a model in a calibration are not calibrated, and do not disturb it") {
    auto m = quantized(qint8{});
    Calibration calibrate{m};
    m(values({4, 160}, 9));
    {
        Model const copy = m;
        CHECK(copy.fc1.activation.recorder.get() == nullptr);
        CHECK_FALSE(copy(values({2, 160}, 40)).is_quantized());
    }
    Model other = quantized(qint8{});
    other = m;
    CHECK(other.fc1.activation.recorder.get() == nullptr);
    m = Model(m);  // assigned to: goes on
    CHECK(m.fc1.activation.recorder.get() != nullptr);
    REQUIRE(calibrate.finish());
}

TEST_CASE("a calibration without batches is an error that changes nothing") {
    auto m = quantized(qint8{});
    {
        Calibration calibrate{m};
        m(values({4, 160}, 9));
    }
    auto const before = fingerprint(m);
    Calibration empty{m};
    auto const report = empty.finish();
    REQUIRE_FALSE(report);
    CHECK(report.error().code() == errc::missing);
    CHECK(report.error().message() == "nothing passed through the model while it was calibrated");
    CHECK(fingerprint(m) == before);
    auto plain = Model::with_values();
    Calibration nothing_to_learn{plain};
    CHECK(nothing_to_learn.finish());
}

TEST_CASE("the report says what was seen, what is clipped, and why an output is quantized") {
    auto m = quantized(qint8{});
    Calibration calibrate{m, {.momentum = 0.0}};
    auto wide = values({1, 160}, 9);
    for (std::size_t i = 0; i != 160; ++i) wide[i] = 1.0f;
    wide[3] = -100.0f;
    wide[5] = 50.0f;
    auto narrow = values({1, 160}, 9);
    for (std::size_t i = 0; i != 160; ++i) narrow[i] = 1.0f;
    m.fc1(wide);
    m.fc2(nn::relu(m.fc1(narrow)));
    auto const report = calibrate.finish();
    REQUIRE(report);
    auto const& fc1 = report->rows[0];
    CHECK(fc1.name == "fc1");
    CHECK(fc1.type == any_qtype(qint8{}));
    CHECK(fc1.input.lowest == -100.0f);
    CHECK(fc1.input.highest == 50.0f);
    CHECK(fc1.input.count == 320);
    CHECK(fc1.input.scale == 1.0f / 127.0f);
    CHECK(fc1.input.clipped == 2.0 / 320.0);
    CHECK(fc1.output_quantized);
    CHECK(fc1.why == "fc2 reads its codes");
    CHECK(report->rows[1].why == "nothing reads its codes");
    CHECK(report->rows[2].why == "nothing passed through it");
    CHECK_FALSE(report->rows[2].output.scale);

    Calibration zeros{m, {.momentum = 0.0, .streamline = false}};
    m.fc3(Tensor<float>(extents{1, 5}));
    m.norm(values({1, 5}, 1));
    auto const second = zeros.finish();
    REQUIRE(second);
    CHECK(second->rows[2].why == "streamlining is off");
    CHECK_FALSE(m.fc3.activation.input_scale);  // zeros alone say nothing
    CHECK(m.fc3.activation.output_scale);       // the bias
}

TEST_CASE("zeros alone give no scale: the module goes on in float") {
    nn::Linear m(any_tensor(values({4, 8}, 1)));
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    Calibration calibrate{m, {.streamline = false}};
    m(Tensor<float>(extents{2, 8}));
    auto const report = calibrate.finish();
    REQUIRE(report);
    CHECK(report->rows[0].why == "only zeros were seen");
    CHECK_FALSE(report->rows[0].output_quantized);
    auto const y = m(values({2, 8}, 3));
    REQUIRE(y);
    CHECK_FALSE(y.is_quantized());
    CHECK(y[0] != 0.0f);
}

TEST_CASE("a module that runs twice is seen twice, and stays quantized for one reader") {
    Twice m;
    m.shared = nn::Linear(any_tensor(values({5, 5}, 1)));
    m.reader = nn::Linear(any_tensor(values({3, 5}, 2)));
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    Calibration calibrate{m};
    REQUIRE(m(values({2, 5}, 3)));
    auto const report = calibrate.finish();
    REQUIRE(report);
    CHECK(report->rows[0].input.count == 20);
    CHECK(report->rows[0].output_quantized);  // gelu dequantizes, the reader does not
    CHECK(report->rows[0].why == "reader reads its codes");
    CHECK(m(values({2, 5}, 3)));
}

TEST_CASE("observers other than the average") {
    auto x = values({4, 160}, 9);
    for (std::size_t i = 0; i != x.size(); ++i) x[i] = static_cast<float>(i) / 640.0f;
    auto small = values({4, 160}, 9);
    for (std::size_t i = 0; i != small.size(); ++i) small[i] = 0.25f * x[i];
    float const s = absmax_scale<qint8>(x.data(), x.size());
    auto const scale_by = [&](calibration_options const& options) {
        auto m = quantized(qint8{});
        Calibration calibrate{m, options};
        m(x);
        m(small);
        REQUIRE(calibrate.finish());
        return *m.fc1.activation.input_scale;
    };
    CHECK(scale_by({.observer = observer::absolute_max}) == s);
    // Of 1280 values 640 t + min(640, 2560 t) are below t: 3/4 of them below 1/2. Values are 1/640 apart, a bin is
    // 1/2048 wide.
    float const at = scale_by({.observer = observer::percentile, .percentile = 0.75}) * 127.0f;
    CHECK(absolute(at - 0.5f) <= 1.0f / 640.0f + 1.0f / 2048.0f);
    CHECK(scale_by({.observer = observer::percentile, .percentile = 1.0}) == s);
    // Values without outliers want almost their whole range.
    float const squares = scale_by({.observer = observer::mean_squared_error});
    CHECK(squares <= s);
    CHECK(squares >= 0.9f * s);
}

TEST_CASE("the scale of least squares clips outliers that are worth it") {
    magnitude_histogram h;
    std::vector<float> x(20000);
    for (std::size_t i = 0; i != x.size(); ++i) x[i] = static_cast<float>(i) / 20000.0f;
    h.add(x.data(), x.size());
    float const outlier = -8.0f;
    h.add(&outlier, 1);
    // One value clipped from 8 to c costs (8 - c)^2; a step of c / 127 costs 20000 / 12 (c / 127)^2 = 0.1 c^2, and is
    // least at c = 8 / 1.1. What is finer than the grid of 128 scales is not looked for.
    CHECK(absolute(h.least_squares_scale<qint8>() * 127.0f - 7.25f) <= 0.25f);
    h.add(x.data(), x.size());
    CHECK(h.total() == 40001);
    CHECK(h.largest() == 8.0f);
    CHECK(h.share_beyond(8.0f) == 0.0);
    CHECK(h.share_beyond(2.0f) == 1.0 / 40001.0);
    CHECK(h.percentile(1.0) == 8.0f);
    CHECK(magnitude_histogram().percentile(0.5) == 0.0f);
}

TEST_CASE("histograms do not depend on the order of the batches") {
    std::vector<float> const a{0.0f, 1e-30f, 0.3f, -0.7f}, b{5.0f, -1e20f, 3e38f};
    magnitude_histogram x, y;
    x.add(a.data(), a.size());
    x.add(b.data(), b.size());
    y.add(b.data(), b.size());
    y.add(a.data(), a.size());
    CHECK(x.width() == y.width());
    for (float const limit : {0.0f, 0.5f, 1e10f, 1e37f, 2e38f}) CHECK(x.share_beyond(limit) == y.share_beyond(limit));
}

TEST_CASE("a model that is quantized otherwise meanwhile keeps nothing of the scope") {
    auto m = quantized(qint8{});
    {
        Calibration calibrate{m};
        m(values({4, 160}, 9));
        m.fc1.activation.type.reset();
        m.fc2.activation.type = qfloat8_e5m2{};
        auto const report = calibrate.finish();
        REQUIRE(report);
        CHECK(report->rows[0].why == "it was quantized otherwise meanwhile");
        CHECK(report->rows[1].why == "it was quantized otherwise meanwhile");
    }
    CHECK(m.fc1.activation.recorder.get() == nullptr);
    CHECK(m.fc2.activation.recorder.get() == nullptr);
    CHECK_FALSE(m.fc1.activation.input_scale);
    CHECK_FALSE(m.fc2.activation.input_scale);
    CHECK(m.fc3.activation.input_scale);
}

TEST_CASE("modules that are quantized during a scope are not of it") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}, .include = {"fc2"}}));
    Calibration calibrate{m};
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    m(values({4, 160}, 9));
    auto const report = calibrate.finish();
    REQUIRE(report);
    CHECK(report->rows.size() == 1);
    CHECK_FALSE(m.fc1.activation.input_scale);
    CHECK(m.fc2.activation.input_scale);
}
