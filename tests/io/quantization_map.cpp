#include <quanto/io/quantization_map.hpp>

#include <string>

#include "catch.hpp"

using namespace quanto;

namespace {
std::string problem(std::string_view text) {
    auto const map = io::parse_quantization_map(text, "q.json");
    return map ? std::string() : std::string(map.error().message());
}
}  // namespace

TEST_CASE("a quantization map goes to text and back") {
    io::quantization_map map;
    map.entries = {{"fc1", qint4{}, qint8{}}, {"norm", std::nullopt, qfloat8_e5m2{}}};
    auto const text = io::to_json(map);
    CHECK(text.find("\n    \"fc1\": {\n        \"weights\": \"qint4\",\n        \"activations\": \"qint8\"\n    },") ==
          1);
    auto const back = io::parse_quantization_map(text, "q.json");
    REQUIRE(back);
    REQUIRE(back->entries.size() == 2);
    CHECK(back->find("fc1")->weights == any_qtype(qint4{}));
    CHECK(!back->find("norm")->weights);
    CHECK(back->find("other") == nullptr);
    CHECK(io::to_json({}) == "{}");
}

TEST_CASE("a wrong quantization map names the module") {
    CHECK(problem(R"({"fc1": {"weights": "qint5", "activations": "none"}})") ==
          "q.json: fc1: weights: unknown qtype qint5");
    CHECK(problem(R"({"fc1": {"weights": "qint4"}})") == "q.json: fc1: activations is missing");
    CHECK(problem(R"({"fc1": {"weights": "qint4", "weights": "qint4"}})") == "q.json: fc1: weights occurs twice");
    CHECK(problem(R"({"fc1": {"weights": "qint4", "activations": "none", "x": "y"}})") ==
          "q.json: fc1: unknown field x");
    CHECK(
        problem(
            R"({"a": {"weights": "none", "activations": "none"}, "a": {"weights": "none", "activations": "none"}})") ==
        "q.json: a: occurs twice");
    CHECK(problem(R"({"fc1": {"weights": 4, "activations": "none"}})").find("q.json: fc1: byte") == 0);
    CHECK(problem("").find("q.json: byte 0") == 0);
    CHECK(problem("[]").find("q.json: byte 0") == 0);
}

TEST_CASE("a map with a module twice is not written") {
    io::quantization_map map;
    map.entries = {{"a", qint4{}, {}}, {"b", qint4{}, {}}, {"a", qint8{}, {}}};
    auto const done = io::write_quantization_map("/tmp/quanto-never-written.json", map);
    REQUIRE(!done);
    CHECK(std::string(done.error().c_str()) == "/tmp/quanto-never-written.json: a: occurs twice");
}
