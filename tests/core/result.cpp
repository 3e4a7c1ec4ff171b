#include <quanto/core/result.hpp>

#include <memory>
#include <string>
#include <utility>

#include "catch.hpp"

using namespace quanto;

namespace {

result<std::unique_ptr<int>> half(int x) {
    if (x % 2 != 0) return error(errc::invalid_argument, "odd");
    return std::make_unique<int>(x / 2);
}

}  // namespace

TEST_CASE("result holds a value or an error") {
    auto four = half(8);
    REQUIRE(four);
    CHECK(**four == 4);
    auto none = half(7);
    REQUIRE_FALSE(none);
    CHECK(none.error().code() == errc::invalid_argument);
    CHECK(none.error().message() == "odd");
}

TEST_CASE("result moves its value out and changes state by assignment") {
    auto r = half(8);
    std::unique_ptr<int> const taken = *std::move(r);
    CHECK(*taken == 4);
    r = half(7);
    CHECK_FALSE(r);
    r = half(2);
    REQUIRE(r);
    CHECK(**r == 1);
}

TEST_CASE("result copies what it holds") {
    result<std::string> const text = std::string(100, 'q');
    result<std::string> copy = text;
    copy->front() = 'Q';
    CHECK(text->front() == 'q');
    CHECK(copy->size() == 100);

    result<std::string> const failure = error(errc::io, "unplugged");
    copy = failure;
    REQUIRE_FALSE(copy);
    CHECK(copy.error().message() == "unplugged");
}

TEST_CASE("error joins strings and numbers") {
    error const e(errc::shape_mismatch, "fc1: ", std::size_t{0}, " x ", std::size_t{18446744073709551615u});
    CHECK(e.message() == "fc1: 0 x 18446744073709551615");
    CHECK(std::string(e.c_str()) == e.message());
    CHECK(e.within("mlp").message() == "mlp: fc1: 0 x 18446744073709551615");
    CHECK(e.within("mlp").code() == errc::shape_mismatch);
}

TEST_CASE("error text is cut at its capacity, with an ellipsis") {
    std::string const fits(error::capacity, 'x');
    CHECK(error(errc::io, fits).message() == fits);

    error const cut(errc::io, fits, "y");
    CHECK(cut.message().size() == error::capacity);
    CHECK(cut.message() == fits.substr(3) + "...");
    CHECK(std::string(cut.c_str()).size() == error::capacity);

    error const named = error(errc::io, "what is wrong").within(std::string(1000, 'w'));
    CHECK(named.message() == std::string(120, 'w') + "...: what is wrong");
}

TEST_CASE("every error code has a name") {
    for (auto code :
         {errc::invalid_argument, errc::shape_mismatch, errc::type_mismatch, errc::not_finite, errc::missing,
          errc::unexpected, errc::malformed, errc::io, errc::out_of_memory, errc::unsupported})
        CHECK(name(code) != "unknown");
}
