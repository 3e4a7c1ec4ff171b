#include <quanto/quantizer/activation.hpp>

#include <cstdint>
#include <vector>

#include "golden/golden.hpp"

#include "catch.hpp"

using namespace golden;

namespace {

template <QType Q>
void check_case(io::SafetensorsFile const& file, std::string const& name, any_tensor const& input, bool exact) {
    auto const x = floats(input);
    float const scale = (*file.find(name + ".scale"))[0];
    auto const want = raw(*file.find(name + ".codes"));
    std::vector<std::uint8_t> codes(x.size());
    quantize_activation<Q>(x.data(), x.size(), scale, codes.data());
    if (exact) {
        auto const d = compare(codes, want);
        INFO(d.first);
        CHECK(d.count == 0);
        std::vector<float> values;
        for (auto c : codes) values.push_back(dequantize_code<Q>(c, scale));
        auto const v = compare(values, floats(*file.find(name + ".values")));
        INFO(v.first);
        CHECK(v.count == 0);
    } else {
        // Python rounds x / scale to 16 bits first, which moves it by less than a step.
        int worst = 0;
        REQUIRE(want.size() == codes.size());
        for (std::size_t i = 0; i != want.size(); ++i)
            worst = std::max(worst, std::abs(order_of<Q>(want[i]) - order_of<Q>(codes[i])));
        CHECK(worst <= 1);
    }
}

std::size_t check_file(std::string const& path, bool rounds_like_python) {
    auto const file = golden::open(path);
    auto const names = cases(file, ".codes");
    for (auto const& name : names) {
        INFO(path << ": " << name);
        auto const parts = split(name);  // <i>.<dtype>.<qtype>.<kind>
        REQUIRE(parts.size() == 4);
        auto const* input = file.find(parts[0] + "." + parts[1] + ".input");
        auto const qtype = any_qtype::from_name(parts[2]);
        REQUIRE((input != nullptr && qtype && qtype->bits() == 8));
        qtype->visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                check_case<Q>(file, name, *input, input->type() == dtype::f32 || !rounds_like_python);
        });
    }
    return names.size();
}

}  // namespace

TEST_CASE("activations of Python quanto come out bit for bit in f32, within a code in f16 and bf16") {
    if (!exists(shared() + "/activations.safetensors")) QUANTO_SKIP("no shared golden vectors");
    CHECK(check_file(shared() + "/activations.safetensors", true) == 72);
}

TEST_CASE("activations of the fixtures come out bit for bit") {
    CHECK(check_file(fixtures() + "/activations.safetensors", false) == 24);
}
