// Linear and LayerNorm, and the scales of a calibration, against Python quanto: products and calibration of
// shared/golden.
#include "golden_models.hpp"

#if defined(QUANTO_TEST_JSON)
namespace {
using namespace golden;
}  // namespace

TEST_CASE("Linear computes the products that Python quanto computes") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    auto const file = open("products.safetensors");
    std::size_t count = 0;
    for (auto const& c : json("products.json")) {
        if (c["kind"] != "linear") continue;
        std::string const key = c["case"], base = key.substr(0, key.find('.'));
        INFO(key);
        auto const get = [&](std::string const& name) -> any_tensor const& { return tensor_of(file, name); };
        std::optional<any_tensor> bias;
        if (c["bias"]) bias = get(base + ".bias");
        nn::Linear m(get(base + ".weight"), bias);
        auto const activations = c["activations"].is_null() ? std::nullopt : qtype(c["activations"].get<std::string>());
        std::optional<any_qtype> const weights = qtype(c["weights"]);
        REQUIRE(quantize(m, {.weights = weights, .activations = activations}));
        if (activations) {
            m.activation.input_scale = get(key + ".quantized_input.scale")[0];
            m.activation.output_scale = get(key + ".quantized_output.scale")[0];
            m.activation.quantize_output = false;
        }
        auto const x = floats(get(base + ".input"));
        auto const y = m(x);
        if (!y) FAIL(y.error().c_str());
        any_tensor const& exact = get(key + ".output_f64");
        any_tensor const &magnitude = get(key + ".magnitude"), &output = get(key + ".output");
        bool const bit_exact = c["bit_exact"];
        float const bound = (c["k"].get<float>() + 4.0f) * 0x1p-24f;
        for (std::size_t i = 0; i != y.size(); ++i) {
            double want = 0;
            std::memcpy(&want, exact.bytes().data() + 8 * i, 8);
            if (bit_exact) CHECK(y[i] == output[i]);
            CHECK(std::abs(static_cast<double>(y[i]) - want) <= static_cast<double>(bound * magnitude[i]));
        }
        if (activations) {
            m.activation.quantize_output = true;
            auto const q = m(x);
            REQUIRE(q.is_quantized());
            auto const* const codes = get(key + ".quantized_output.codes").bytes().data();
            for (std::size_t i = 0; i != q.size(); ++i)
                CHECK(steps(*activations, std::to_integer<std::uint8_t>(codes[i]), q.codes()[i]) <=
                      (bit_exact ? 0 : 1));
        }
        ++count;
    }
    CHECK(count == 105);
}

TEST_CASE("a calibration finds the scales that Python quanto finds") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    auto const file = open("calibration.safetensors");
    for (auto const& c : json("calibration.json")) {
        if (!c.contains("momentum")) continue;
        std::string const key = c["case"], sequence = key.substr(0, key.find('.'));
        if (sequence == "unit_scale") continue;  // Python takes a scale of 1 for none: numerics.md
        auto const activations = qtype(c["activations"]);
        nn::Linear m(*file.find("weight"), *file.find("bias"));
        REQUIRE(quantize(m, {.weights = qint8{}, .activations = activations}));
        // Python takes 0.9 for inputs, whatever is asked for.
        Calibration calibrate{m, {.momentum = c["momentum"], .input_momentum = 0.9, .streamline = false}};
        any_tensor const& scales = *file.find(key + ".scales");
        for (std::size_t i = 0; i != c["batches"].get<std::size_t>(); ++i) {
            INFO(key << " batch " << i);
            REQUIRE(m(floats(*file.find(sequence + ".batch" + std::to_string(i)))));
            auto const& r = *m.activation.recorder.get();
            CHECK(*r.input_scale == scales[2 * i]);
            if (activations->is<qint8>())
                CHECK(*r.output_scale == scales[2 * i + 1]);
            else
                CHECK(*r.output_scale == Catch::Approx(scales[2 * i + 1]).epsilon(1e-6));
        }
        CHECK(calibrate.finish());
    }
}
#endif
