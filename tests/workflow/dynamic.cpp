// Dynamic activations and quantized tables: through quantize, freeze, save and load.
#include "small_model.hpp"

#include <limits>

#include "catch.hpp"

namespace {
using namespace small;

struct Reader {
    nn::Embedding table{7, 32};
    nn::RMSNorm norm{32};
    nn::Linear head{32, 7};

    nn::Activation operator()(Tensor<std::int32_t> const& ids) const { return head(norm(table(ids))); }
    static void children(auto& self, auto&& each) {
        each("table", self.table);
        each("norm", self.norm);
        each("head", self.head);
    }
    static Reader with_values() {
        Reader m;
        m.table = nn::Embedding{any_tensor(values({7, 32}, 1))};
        m.norm = nn::RMSNorm{any_tensor(values({32}, 2))};
        m.head = nn::Linear{values({7, 32}, 3), values({7}, 4)};
        return m;
    }
};
Tensor<std::int32_t> ids() {
    Tensor<std::int32_t> t(extents{3});
    t[0] = 6;
    t[2] = 4;
    return t;
}
}  // namespace

TEST_CASE("dynamic activations are quantized by their own values, per tensor or per row") {
    for (auto const scaling : {nn::activation_scaling::per_tensor, nn::activation_scaling::per_row}) {
        nn::Linear m(values({6, 160}, 1), values({6}, 2));
        auto const report = quantize(m, {.weights = qint8{}, .activations = qint8{}, .scaling = scaling});
        REQUIRE(report);
        CHECK(report->rows.size() == 1);
        auto x = values({4, 160}, 9);
        auto const y = m(x);
        REQUIRE(y);
        CHECK_FALSE(y.is_quantized());
        auto const q = nn::quantize_dynamic(x, qint8{}, scaling);
        CHECK(q.has_row_scales() == (scaling == nn::activation_scaling::per_row));
        for (std::size_t r = 0; r != 4; ++r) {
            float const scale = q.has_row_scales() ? absmax_scale<qint8>(x.data() + r * 160, 160)
                                                   : absmax_scale<qint8>(x.data(), x.size());
            CHECK(q.scale_of_row(r) == scale);
            for (std::size_t i = r * 160; i != r * 160 + 160; ++i)
                CHECK(q.codes()[i] == symmetric_code<qint8>(x[i], scale));
        }
        // The exact integer product, in the order of its three or four roundings.
        auto const w = m.weight.quantized()->as<qint8>();
        for (std::size_t r = 0; r != 4; ++r)
            for (std::size_t n = 0; n != 6; ++n) {
                std::int32_t sum = 0;
                for (std::size_t k = 0; k != 160; ++k)
                    sum += static_cast<std::int8_t>(q.codes()[r * 160 + k]) *
                           static_cast<std::int8_t>(w.code(n * 160 + k));
                float const product = q.has_row_scales()
                                          ? rounded(static_cast<float>(sum) * w.scale(n)) * q.scale_of_row(r)
                                          : static_cast<float>(sum) * (q.scale() * w.scale(n));
                CHECK(y[r * 6 + n] == rounded(product) + (*m.bias)[n]);
            }
        x[161] = std::numeric_limits<float>::infinity();
        CHECK(m(x).error().message() == "dynamic quantization: the value at index 161 is infinite");
        x[161] = std::numeric_limits<float>::quiet_NaN();
        CHECK(m(x).error().code() == errc::not_finite);
        auto const zeros = m(Tensor<float>(extents{2, 160}));
        CHECK(zeros[7] == (*m.bias)[1]);
    }
}

TEST_CASE("under a calibrated scale infinities saturate and NaN is an error, in every type") {
    for (any_qtype type :
         {any_qtype(qint8{}), any_qtype(qfloat8_e4m3fn{}), any_qtype(qfloat8_e4m3fnuz{}), any_qtype(qfloat8_e5m2{})}) {
        INFO(type.name());
        auto x = values({2, 160}, 1);
        x[7] = std::numeric_limits<float>::infinity();
        x[8] = -std::numeric_limits<float>::infinity();
        auto const q = nn::quantize_activation(x, type, 0.5f);
        REQUIRE(q);
        auto const [least, most] = type.visit([]<class Q>(Q) { return std::pair(Q::qmin, Q::qmax); });
        CHECK(q[7] == most * 0.5f);
        CHECK(q[8] == least * 0.5f);
        x[161] = std::numeric_limits<float>::quiet_NaN();
        CHECK(nn::quantize_activation(x, type, 0.5f).error().message() ==
              "quantization: the value at index 161 is NaN");
    }
}

TEST_CASE("every 8-bit type can be dynamic") {
    for (any_qtype type :
         {any_qtype(qint8{}), any_qtype(qfloat8_e4m3fn{}), any_qtype(qfloat8_e4m3fnuz{}), any_qtype(qfloat8_e5m2{})}) {
        auto const x = values({4, 16}, 9);
        auto const q = nn::quantize_dynamic(x, type, nn::activation_scaling::per_row);
        REQUIRE(q.type() == type);
        for (std::size_t i = 0; i != x.size(); ++i) {
            // Half a step: of the grid for int8, of the mantissa (3, 3, 2 bits) or of the subnormals for float8.
            float const scale = q.scale_of_row(i / 16);
            float const step = type.is<qint8>()          ? 0.5f * scale
                               : type.is<qfloat8_e5m2>() ? absolute(x[i]) * 0x1p-3f + scale * 0x1p-17f
                                                         : absolute(x[i]) * 0x1p-4f + scale * 0x1p-10f;
            CHECK(absolute(q[i] - x[i]) <= step * (1.0f + 0x1p-20f));
        }
    }
}

TEST_CASE("a model with dynamic activations needs no calibration, and is saved as such") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}, .scaling = nn::activation_scaling::per_row}));
    CHECK_FALSE(m.norm.activation.type);
    auto const x = values({4, 160}, 9);
    {
        Calibration calibrate{m};  // has nothing to learn
        m(x);
        auto const report = calibrate.finish();
        REQUIRE(report);
        CHECK(report->rows.empty());
    }
    freeze(m);
    auto const y = m(x);
    Directory const folder("quanto_dynamic");
    REQUIRE(save(m, folder.string()));
    auto const map = io::read_quantization_map(folder / "quantization_map.json");
    REQUIRE(map);
    CHECK_FALSE(map->find("fc1")->activations);
    for (bool const with_map : {true, false}) {
        if (!with_map) std::filesystem::remove(folder / "quantization_map.json");
        Model again;
        auto const report = load(again, folder.string());
        if (!report) FAIL(report.error().c_str());
        CHECK(again.fc2.activation.scaling == nn::activation_scaling::per_row);
        CHECK(same(again(x), y));
    }
    REQUIRE(quantize(m, {.activations = qint8{}}));  // another scaling: the state starts anew
    CHECK_FALSE(m.fc1.activation.is_dynamic());
}

TEST_CASE("tables are quantized where that is asked for, saved and loaded") {
    auto const plain = Reader::with_values();
    auto untouched = plain;
    auto const report = quantize(untouched, {.weights = qint4{}});
    REQUIRE(report);
    CHECK(report->rows.size() == 1);
    CHECK_FALSE(untouched.table.weight.scheme());

    for (any_qtype type : {any_qtype(qint4{}), any_qtype(qint8{}), any_qtype(qfloat8{})}) {
        auto m = plain;
        REQUIRE(quantize(m, {.weights = qint8{}, .embeddings = type}));
        freeze(m);
        CHECK(m.table.weight.quantized()->type() == type);
        CHECK(m.table.weight.prepared() == nullptr);
        auto const y = m(ids());
        Directory const folder("quanto_table");
        REQUIRE(save(m, folder.string()));
        Reader again;
        auto const loaded = load(again, folder.string());
        if (!loaded) FAIL(loaded.error().c_str());
        CHECK(same(again(ids()), y));
    }
    io::quantization_map map{{{"table", qint8{}, qint8{}}}};
    Directory const folder("quanto_table");
    REQUIRE(save(plain, folder.string()));
    auto const file = io::open_safetensors(folder / "model.safetensors");
    auto m = plain;
    CHECK(std::string_view(requantize(m, *file, map).error().message())
              .ends_with("model.safetensors: quantization map: table: it has no activations of its own"));
}

TEST_CASE("a scale of exactly 1 survives our own files, where Python quanto takes it for none") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    m.fc1.activation.input_scale = 1.0f;
    m.fc2.activation.output_scale = 1.0f;
    Directory const folder("quanto_unit");
    REQUIRE(save(m, folder.string()));
    Model again;
    REQUIRE(load(again, folder.string()));
    CHECK(again.fc1.activation.input_scale == 1.0f);
    CHECK_FALSE(again.fc1.activation.output_scale);
    CHECK(again.fc2.activation.output_scale == 1.0f);
    CHECK_FALSE(again.fc3.activation.input_scale);
}
