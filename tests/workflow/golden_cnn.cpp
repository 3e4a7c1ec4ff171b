// The CNN of shared/golden/models, and the convolutions of its products.
#include "golden_models.hpp"

#if defined(QUANTO_TEST_JSON)
namespace {
using namespace golden;

// Python quanto has no quantized pooling: what comes in is dequantized.
struct FloatMaxPool {
    nn::Activation operator()(nn::Activation const& x) const {
        auto values = x.value();
        if (!values) return values.error();
        return nn::max_pool2d(nn::like(x, std::move(*values)), 2);
    }
};
struct Cnn {
    static constexpr char const* name = "cnn";
    nn::Sequential<nn::Conv2d, nn::ReLU, FloatMaxPool, nn::Conv2d, nn::ReLU, FloatMaxPool> features{
        nn::Conv2d{3, 8, 3, {.padding = 1}},
        nn::ReLU{},
        FloatMaxPool{},
        nn::Conv2d{8, 12, 3, {.padding = 1, .groups = 2}},
        nn::ReLU{},
        FloatMaxPool{}};
    nn::Linear fc{192, 24};
    nn::LayerNorm norm{24};
    nn::Linear head{24, 10};

    nn::Activation operator()(nn::Activation const& x) const { return head(norm(fc(nn::flatten(features(x))))); }
    static void children(auto& self, auto&& each) {
        each("features", self.features);
        each("fc", self.fc);
        each("norm", self.norm);
        each("head", self.head);
    }
};

double as_double(any_tensor const& t, std::size_t i) {
    double v = 0;
    std::memcpy(&v, t.bytes().data() + 8 * i, 8);
    return v;
}
}  // namespace

TEST_CASE("a CNN that is quantized here is what Python quanto makes of it") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_quantized_here<Cnn>();
}
TEST_CASE("CNNs that Python quanto saved give its outputs here") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_loaded_here<Cnn>();
}
TEST_CASE("CNNs that Python quanto saved are the same after saving and loading them here") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_round_trip<Cnn>();
}

TEST_CASE("Conv2d computes the products that Python quanto computes") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    auto const file = open("products.safetensors");
    std::size_t count = 0, integer = 0;
    for (auto const& c : json("products.json")) {
        if (c["kind"] != "conv2d") continue;
        std::string const key = c["case"], base = key.substr(0, key.find('.'));
        INFO(key);
        auto const get = [&](std::string const& name) -> any_tensor const& { return tensor_of(file, name); };
        std::optional<any_tensor> bias;
        if (c["bias"]) bias = get(base + ".bias");
        auto const size = [&](char const* name) { return size_2d(c[name].get<std::size_t>()); };
        nn::Conv2d m(get(base + ".weight"), bias,
                     {.stride = size("stride"),
                      .padding = size("padding"),
                      .dilation = size("dilation"),
                      .groups = c["groups"].get<std::size_t>()});
        auto const activations = c["activations"].is_null() ? std::nullopt : qtype(c["activations"].get<std::string>());
        REQUIRE(quantize(m, {.weights = qtype(c["weights"]), .activations = activations}));
        double const bound = (c["cin"].get<double>() / c["groups"].get<double>() * c["kernel"][0].get<double>() *
                                  c["kernel"][1].get<double>() +
                              4) *
                             0x1p-24;
        auto const check = [&](nn::Activation const& x, std::string const& which) {
            std::string const prefix = key + "." + which + "_input.";
            m.activation.quantize_output = false;
            auto y = m(x);
            if (!y) FAIL(y.error().c_str());
            any_tensor const &exact = get(prefix + "output_f64"), &magnitude = get(prefix + "magnitude");
            REQUIRE(y.shape() == exact.shape());
            for (std::size_t i = 0; i != y.size(); ++i)
                CHECK(std::abs(static_cast<double>(y[i]) - as_double(exact, i)) <=
                      bound * static_cast<double>(magnitude[i]));
            if (!activations) return y;
            m.activation.quantize_output = true;
            m.activation.output_scale = get(prefix + "quantized_output.scale")[0];
            auto const q = m(x);
            REQUIRE(q.is_quantized());
            auto const* const codes = get(prefix + "quantized_output.codes").bytes().data();
            for (std::size_t i = 0; i != q.size(); ++i)
                CHECK(steps(*activations, std::to_integer<std::uint8_t>(codes[i]), q.codes()[i]) <= 1);
            return y;
        };
        ++count;
        if (!activations) {
            check(floats(get(base + ".input")), "float");
            continue;
        }
        check(floats(get(base + ".input")), "float");
        auto const x = [&] {
            any_tensor const& codes = get(key + ".quantized_input.codes");
            Tensor<std::uint8_t> t(codes.shape());
            std::memcpy(t.data(), codes.bytes().data(), t.size());
            return nn::Activation(*activations, std::move(t), get(key + ".quantized_input.scale")[0]);
        }();
        auto const y = check(x, "quantized");
        // Exact sums, then one rounding for each of * scale and + bias.
        if (auto const* const sums = file.find(key + ".quantized_input.accumulators")) {
            auto const w = m.weight.quantized()->as<qint8>();
            std::size_t const area = y.shape()[2] * y.shape()[3];
            for (std::size_t i = 0; i != y.size(); ++i) {
                std::int32_t sum = 0;
                std::memcpy(&sum, sums->bytes().data() + 4 * i, 4);
                std::size_t const o = i / area % m.out_channels();
                float const product = rounded(static_cast<float>(sum) * (x.scale() * w.scale(o)));
                CHECK(y[i] == (bias ? product + (*bias)[o] : product));
            }
            ++integer;
        }
    }
    CHECK(count == 36);
    CHECK(integer == 4);
}
#endif
