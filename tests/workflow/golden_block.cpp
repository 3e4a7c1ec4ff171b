// The transformer block of shared/golden/models, a module of the user's own; and LayerNorm of its products.
#include "golden_models.hpp"

#if defined(QUANTO_TEST_JSON)
namespace {
using namespace golden;

struct Block {
    static constexpr char const* name = "block";
    static constexpr std::size_t heads = 4;
    nn::LayerNorm norm1{32}, norm2{32};
    nn::Linear q{32, 32}, k{32, 32}, v{32, 32}, o{32, 32}, fc1{32, 160}, fc2{160, 32};

    nn::Activation operator()(nn::Activation const& x) const {
        auto const split = [](nn::Activation const& t) {
            return nn::transpose(nn::unflatten(t, 2, {heads, 32 / heads}), 1, 2);
        };
        auto const h = norm1(x);
        auto const queries = split(q(h)), keys = split(k(h)), values = split(v(h));
        auto const mixed = nn::attention(queries, keys, values, {.quantize_probabilities = false});
        auto const y = x + o(nn::view(nn::transpose(mixed, 1, 2), x.shape()));
        return y + fc2(nn::gelu(fc1(norm2(y))));
    }
    static void children(auto& self, auto&& each) {
        each("norm1", self.norm1);
        each("norm2", self.norm2);
        each("q", self.q);
        each("k", self.k);
        each("v", self.v);
        each("o", self.o);
        each("fc1", self.fc1);
        each("fc2", self.fc2);
    }
};
}  // namespace

TEST_CASE("a transformer block that is quantized here is what Python quanto makes of it") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_quantized_here<Block>();
}
TEST_CASE("transformer blocks that Python quanto saved give its outputs here") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_loaded_here<Block>();
}
TEST_CASE("transformer blocks that Python quanto saved are the same after saving and loading them here") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_round_trip<Block>();
}

TEST_CASE("streamlining a transformer block keeps the codes that products read") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    auto m = float_model<Block>(dtype::f32);
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    Calibration calibrate{m};
    REQUIRE(m(input<Block>("batch0", dtype::f32)));
    auto const report = calibrate.finish();
    REQUIRE(report);
    auto const row = [&](std::string_view name) {
        for (auto const& r : report->rows)
            if (r.name == name) return std::string(r.output_quantized ? "codes: " : "float: ") + r.why;
        return std::string("none");
    };
    CHECK(row("norm1") == "codes: q reads its codes");
    CHECK(row("norm2") == "codes: fc1 reads its codes");
    CHECK(row("q") == "codes: an operation reads its codes");
    CHECK(row("k") == "codes: an operation reads its codes");
    CHECK(row("v") == "float: nothing reads its codes");  // the probabilities are float, as in Python quanto
    CHECK(row("o") == "float: nothing reads its codes");
    CHECK(row("fc1") == "float: nothing reads its codes");  // gelu dequantizes
    CHECK(row("fc2") == "float: nothing reads its codes");
}

TEST_CASE("LayerNorm computes what Python quanto computes") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    auto const file = open("products.safetensors");
    std::size_t count = 0;
    for (auto const& c : json("products.json")) {
        if (c["kind"] != "layer_norm") continue;
        std::string const key = c["case"], base = key.substr(0, key.find('.'));
        auto const type = *qtype(c["activations"]);
        for (std::string const label : {"float_input", "quantized_input"}) {
            INFO(key << ' ' << label);
            nn::LayerNorm m(*file.find(base + ".weight"), *file.find(base + ".bias"), c["eps"]);
            nn::Activation x = floats(*file.find(base + ".input"));
            if (label == "quantized_input") x = nn::quantize_dynamic(x, type, nn::activation_scaling::per_tensor);
            auto const plain = m(x);
            auto const name = key + '.' + label;
            any_tensor const& output = *file.find(name + ".output");
            for (std::size_t i = 0; i != plain.size(); ++i) CHECK(absolute(plain[i] - output[i]) <= 1e-6f);
            m.activation = {.type = type, .output_scale = (*file.find(name + ".quantized_output.scale"))[0]};
            auto const y = m(x);
            REQUIRE(y.is_quantized());
            auto const* const codes = file.find(name + ".quantized_output.codes")->bytes().data();
            for (std::size_t i = 0; i != y.size(); ++i)
                CHECK(steps(type, std::to_integer<std::uint8_t>(codes[i]), y.codes()[i]) <= 1);
        }
        ++count;
    }
    CHECK(count == 8);
}
#endif
