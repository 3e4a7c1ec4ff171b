#include <quanto/types/float8.hpp>

#include <cstdint>
#include <vector>

#include "golden/golden.hpp"

#include "catch.hpp"

using namespace golden;

namespace {

template <class Format>
void check_format(io::SafetensorsFile const& file, std::string const& name) {
    INFO(name);
    auto const* decode = file.find(name + ".decode");
    REQUIRE(decode != nullptr);
    std::vector<float> values;
    for (unsigned c = 0; c != 256; ++c) values.push_back(Format::decode(static_cast<std::uint8_t>(c)));
    auto const d = compare(values, floats(*decode));
    INFO(d.first);
    CHECK(d.count == 0);

    auto const input = floats(*file.find("input"));
    for (auto const policy : {overflow::saturate, overflow::ieee}) {
        auto const want = raw(*file.find(name + (policy == overflow::saturate ? ".saturating" : ".plain")));
        REQUIRE(want.size() == input.size());
        std::vector<std::uint8_t> got;
        for (std::size_t i = 0; i != input.size(); ++i) {
            std::uint8_t const code = Format::encode(input[i], policy);
            // NaN codes need not match in sign or payload.
            bool const both_nan = is_nan(Format::decode(code)) && is_nan(Format::decode(want[i]));
            got.push_back(both_nan ? want[i] : code);
        }
        auto const difference = compare(got, want);
        INFO(difference.first);
        CHECK(difference.count == 0);
    }
}

void check_file(std::string const& path) {
    auto const file = golden::open(path);
    REQUIRE(file.find("input") != nullptr);
    check_format<float8_e4m3fn>(file, "e4m3fn");
    check_format<float8_e4m3fnuz>(file, "e4m3fnuz");
    check_format<float8_e5m2>(file, "e5m2");
}

}  // namespace

TEST_CASE("float8 codes and values are those of Python, under both overflow policies") {
    if (!exists(shared() + "/float8.safetensors")) QUANTO_SKIP("no shared golden vectors");
    check_file(shared() + "/float8.safetensors");
}

TEST_CASE("float8 codes and values are those of the fixtures, under both overflow policies") {
    check_file(fixtures() + "/float8.safetensors");
}
