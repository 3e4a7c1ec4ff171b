#include <quanto/core/text.hpp>

#include <sstream>
#include <string>
#include <string_view>

#include "catch.hpp"

using namespace quanto;

static_assert(text_view("abc") == "abc" && text_view("abc") != std::string_view("abd") && text_view().empty());
static_assert(text_view("abc") < "abd" && text_view("ab") < "abc" && !(text_view("abc") < "abc"));
static_assert(text_view("a") < "\xff", "bytes are unsigned");
static_assert(text_view("key=value").find('=') == 3 && text_view("abc").find("bd") == text_view::npos);
static_assert(text_view("abc").substr(1) == "bc" && text_view("abc").substr(3).empty());
static_assert(text_view("abc").starts_with("ab") && !text_view("ab").starts_with("abc"));
static_assert(text_view("abc").ends_with("bc") && !text_view("bc").ends_with("abc"));
static_assert(text_view(digits_of(0)) == "0" && text_view(digits_of(12345678901234567890u)) == "12345678901234567890");

TEST_CASE("a text_view is a std::string_view to who wants one") {
    text_view const view = "fc1.weight";
    std::string_view const standard = view;
    CHECK(standard == view);
    CHECK(view == standard);
    CHECK(text_view(standard).data() == view.data());
    CHECK(std::string(view) == "fc1.weight");
    std::string sum = "the ";
    sum += view;
    CHECK(sum == "the fc1.weight");
    std::ostringstream out;
    out << view << ' ' << text("x");
    CHECK(out.str() == "fc1.weight x");
}

TEST_CASE("texts of every kind compare") {
    text const a = "a";
    text_view const b = "b";
    CHECK((a < b && !(b < a) && a < std::string("b") && b < std::string_view("c") && a < text("b") && a < "b"));
    CHECK((a != b && b != a && a == std::string("a") && a == "a"));
}

TEST_CASE("a text owns its characters, whatever they are") {
    text const none;
    CHECK(none.empty());
    CHECK(std::string(none.c_str()).empty());
    text a = std::string("x\0y", 3);
    CHECK(a.size() == 3);
    CHECK(a == std::string_view("x\0y", 3));
    CHECK(a != "x");
    text const b = a;
    (a += "abc") += 'd';
    CHECK(a == text(std::string("x\0yabcd", 7)));
    CHECK(a.c_str()[a.size()] == '\0');
    CHECK(b.size() == 3);
    a.clear();
    CHECK(a == none);
    CHECK(std::string(text(std::string(1000, 'z'))) == std::string(1000, 'z'));
}
