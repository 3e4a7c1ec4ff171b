#include "small_model.hpp"

#include <limits>

#include "catch.hpp"

namespace {
using namespace small;

std::string marked(Model& m, quantize_options const& options) {
    auto const report = quantize(m, options);
    if (!report) return report.error().c_str();
    std::string names;
    for (auto const& row : report->rows) names += row.name + (row.weights ? "w" : "") + (row.activations ? "a " : " ");
    return names;
}
}  // namespace

TEST_CASE("include and exclude select modules by their full name") {
    auto m = Model::with_values();
    CHECK(marked(m, {.weights = qint8{}}) == "fc1w fc2w fc3w ");
    m = Model::with_values();
    CHECK(marked(m, {.weights = qint8{}, .activations = qint8{}}) == "fc1wa fc2wa norma fc3wa ");
    m = Model::with_values();
    CHECK(marked(m, {.weights = qint4{}, .include = {"fc*"}, .exclude = {"fc[23]"}}) == "fc1w ");
    m = Model::with_values();
    CHECK(marked(m, {.activations = qint8{}, .include = {"fc1", "norm"}}) == "fc1a norma ");
    CHECK_FALSE(m.fc1.weight.quantized());
    CHECK(marked(m, {}) == "");
}

TEST_CASE("a pattern that matches no module is an error, and the model is unchanged") {
    auto m = Model::with_values();
    auto const before = fingerprint(m);
    CHECK(marked(m, {.weights = qint8{}, .include = {"fc*", "fc4"}}) == "include: no module has a name like fc4");
    CHECK(marked(m, {.weights = qint8{}, .exclude = {"fc1", "lm_haed"}}) ==
          "exclude: no module has a name like lm_haed");
    nn::Sequential<Model, nn::Linear> nested(m, nn::Linear(4, 4));
    CHECK(quantize(nested, {.weights = qint8{}, .exclude = {"0"}}).error().message() ==
          "exclude: 0 itself has nothing to quantize; what is in it: 0.*");
    CHECK(fingerprint(m) == before);
}

TEST_CASE("the group of a weight is Python's, a row, or what is asked for") {
    auto const group = [](std::optional<std::size_t> asked) {
        auto m = Model::with_values();
        REQUIRE(quantize(m, {.weights = qint4{}, .group = asked}));
        return m.fc1.weight.quantized()->layout().group_size();
    };
    CHECK(group({}) == 32);
    CHECK(group(0) == 160);
    CHECK(group(20) == 20);
}

TEST_CASE("a quantized model has its master until it is frozen, and gives the same before and after") {
    auto m = Model::with_values();
    auto const* const weight = &m.fc1.weight;
    auto const x = values({4, 160}, 9);
    REQUIRE(quantize(m, {.weights = qint4{}}));
    CHECK(weight->master() != nullptr);
    CHECK(weight->quantized()->layout().is_whole() == (module_group_size({6, 160}) == 0));
    auto const before = m(x);
    freeze(m);
    CHECK(weight->is_frozen());
    CHECK(same(before, m(x)));
    CHECK(marked(m, {.weights = qint8{}}) == "fc1.weight: frozen as qint4, cannot become qint8");
    CHECK(marked(m, {.weights = qint4{}, .group = 16}) ==
          "fc1.weight: frozen as qint4 in groups of 32, cannot have groups of 16");
    auto const again = quantize(m, {.weights = qint4{}});
    REQUIRE(again);
    REQUIRE(again->rows.size() == 3);
    for (auto const& row : again->rows) CHECK(row.frozen);
}

TEST_CASE("a copy of a model is independent of it") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    Calibration calibrate{m};
    m(values({4, 160}, 9));
    Model copy = m;
    CHECK(copy.fc1.activation.recorder.get() == nullptr);
    CHECK(m.fc1.activation.recorder.get() != nullptr);
    m = copy;
    CHECK(m.fc1.activation.recorder.get() != nullptr);
    freeze(copy);
    CHECK_FALSE(m.fc1.weight.is_frozen());
    REQUIRE(calibrate.finish());
    CHECK(m.fc1.activation.input_scale);
    CHECK_FALSE(copy.fc1.activation.input_scale);
}

TEST_CASE("what cannot be quantized is named, and the model is unchanged") {
    auto m = Model::with_values();
    CHECK(marked(m, {.activations = qint4{}}) == "activations cannot be qint4");
    auto bad = values({3, 5}, 0);
    bad[7] = std::numeric_limits<float>::quiet_NaN();
    m.fc3 = nn::Linear(any_tensor(bad));
    auto const before = fingerprint(m);
    CHECK(marked(m, {.weights = qint8{}, .activations = qint8{}}) == "fc3.weight: the value at index 7 is NaN");
    CHECK(fingerprint(m) == before);
}

TEST_CASE("scales of another activation type are forgotten") {
    auto m = Model::with_values();
    m.fc1.activation = {.type = qint8{}, .input_scale = 0.5f};
    REQUIRE(quantize(m, {.activations = qint8{}}));
    CHECK(m.fc1.activation.input_scale);
    REQUIRE(quantize(m, {.activations = qfloat8{}}));
    CHECK_FALSE(m.fc1.activation.input_scale);
}
