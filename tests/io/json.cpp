#include <quanto/io/json.hpp>

#include <string>

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#endif

#include "catch.hpp"

using namespace quanto;

namespace {
bool accepts(std::string const& text) {
    io::JsonReader json(text);
    json.skip();
    return json.finish();
}
// A text and whether RFC 8259, without repeated keys, allows it.
struct sample {
    char const* text;
    bool valid;
};
constexpr sample samples[] = {
    {"{}", true},
    {"[]", true},
    {" [1, 2.5e-3, -0, 0.1E+2] ", true},
    {"\"\\u00e9\\n\\\"\\\\\\/\"", true},
    {"\"\\ud83d\\ude00\"", true},
    {"true", true},
    {"false", true},
    {"null", true},
    {"{\"a\":{\"b\":[{},[],\"\"]}}", true},
    {"\"\xc3\xa9\"", true},
    {"", false},
    {" ", false},
    {"{", false},
    {"[", false},
    {"[1,]", false},
    {"{\"a\":1,}", false},
    {"{a:1}", false},
    {"{\"a\" 1}", false},
    {"01", false},
    {"+1", false},
    {".5", false},
    {"1.", false},
    {"1e", false},
    {"-", false},
    {"NaN", false},
    {"Infinity", false},
    {"'a'", false},
    {"\"a", false},
    {"\"\\x\"", false},
    {"\"\\u12g4\"", false},
    {"\"\\ud83d\"", false},
    {"\"\\ude00\"", false},
    {"\"\n\"", false},
    {"tru", false},
    {"nul", false},
    {"[] []", false},
    {"\xef\xbb\xbf[]", false},
    {"\"\xc0\x80\"", false},
    {"\"\xed\xa0\x80\"", false},
    {"\"\xf4\x90\x80\x80\"", false},
    {"\"\xff\"", false},
    {"[1 2]", false},
    {"]", false},
    {"{]", false},
};
}  // namespace

TEST_CASE("json is read to the letter of its grammar") {
    for (auto const& s : samples) {
        INFO(s.text);
        CHECK(accepts(s.text) == s.valid);
    }
    CHECK(accepts(std::string(64, '[') + std::string(64, ']')));
    CHECK(!accepts(std::string(65, '[') + std::string(65, ']')));
    CHECK(!accepts(std::string(1'000'000, '[')));
}

#if __has_include(<nlohmann/json.hpp>)
TEST_CASE("json agrees with nlohmann on what is a text") {
    for (auto const& s : samples)
        if (std::string_view(s.text).substr(0, 1) != "\xef") {  // nlohmann skips a byte order mark
            INFO(s.text);
            CHECK(accepts(s.text) == nlohmann::json::accept(std::string(s.text)));
        }
    // Every text that one changed byte makes of a good one.
    std::string const good = R"({"a": [1, -2.5e3, true, null], "b\u00e9": {"c": "x\n"}})";
    for (std::size_t i = 0; i != good.size(); ++i)
        for (char c : std::string(" \t\"\\{}[]:,09-+.eEutn\x01\x80\xc3", 22)) {
            std::string text = good;
            text[i] = c;
            INFO(text);
            CHECK(accepts(text) == nlohmann::json::accept(text));
        }
}
#endif

TEST_CASE("json strings are decoded and numbers do not wrap") {
    text value;
    io::JsonReader escaped(R"("\ud83d\ude00\u00e9\n\t\"")");
    REQUIRE(escaped.read_string(value));
    CHECK(value == "\xf0\x9f\x98\x80\xc3\xa9\n\t\"");
    std::size_t n = 0;
    io::JsonReader largest("18446744073709551615");
    CHECK(largest.read_unsigned(n));
    CHECK(n == 18446744073709551615u);
    CHECK(!io::JsonReader("18446744073709551616").read_unsigned(n));
    CHECK(!io::JsonReader("-1").read_unsigned(n));
    CHECK(!io::JsonReader("1.0").read_unsigned(n));

    text const out = io::json_string("a\"\\\n\x01");
    io::JsonReader back(out);
    REQUIRE(back.read_string(value));
    CHECK(value == "a\"\\\n\x01");
}
