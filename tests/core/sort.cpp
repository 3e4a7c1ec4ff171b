#include <quanto/core/sort.hpp>

#include <algorithm>
#include <vector>

#include <quanto/core/random.hpp>

#include "catch.hpp"

using namespace quanto;

TEST_CASE("sort orders as std::sort does, and position finds as std::lower_bound does") {
    random_numbers random(1);
    auto const less = [](std::size_t a, std::size_t b) { return a < b; };
    for (std::size_t n = 0; n != 70; ++n) {
        std::vector<std::size_t> v(n);
        for (auto& x : v) x = random.below(40);
        auto expected = v;
        std::sort(expected.begin(), expected.end());
        sort(v.data(), n, less);
        REQUIRE(v == expected);
        for (std::size_t x = 0; x != 42; ++x) {
            auto const at = std::lower_bound(v.begin(), v.end(), x) - v.begin();
            REQUIRE(position(v.data(), n, [&](std::size_t y) { return y < x; }) == static_cast<std::size_t>(at));
        }
    }
}

TEST_CASE("an element that occurs twice is found, wherever it stands") {
    int v[] = {5, 1, 4, 1, 3}, w[] = {3, 1, 2};
    auto const* const twice = sort_and_find_repeated(v, 5);
    REQUIRE(twice != nullptr);
    CHECK(*twice == 1);
    CHECK(sort_and_find_repeated(w, 3) == nullptr);
    CHECK(sort_and_find_repeated(w, 0) == nullptr);
}
