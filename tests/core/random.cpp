#include <quanto/core/random.hpp>

#include <algorithm>
#include <vector>

#include "catch.hpp"

using namespace quanto;

TEST_CASE("a seed determines the numbers, on every machine") {
    random_numbers a(0);
    CHECK(a.next() == 0xe220'a839'7b1d'cdafu);  // the published first output of splitmix64 from 0
    static_assert(random_numbers(7).next() == random_numbers(7).next());
    CHECK(random_numbers(7).next() != random_numbers(8).next());
}

TEST_CASE("numbers are in their range and spread over it") {
    random_numbers r(3);
    double sum = 0, squares = 0;
    std::vector<std::size_t> counts(10);
    constexpr int n = 10'000;
    for (int i = 0; i != n; ++i) {
        float const x = r.uniform();
        REQUIRE(x >= -1.0f);
        REQUIRE(x < 1.0f);
        sum += static_cast<double>(x);
        squares += static_cast<double>(x) * static_cast<double>(x);
        ++counts[r.below(10)];
    }
    // Five standard deviations: of the mean 1 / sqrt(3 n), of the squares' mean sqrt(4 / 45 n), of a count sqrt(0.09
    // n).
    CHECK(sum / n == Catch::Approx(0).margin(5 / 173.2));
    CHECK(squares / n == Catch::Approx(1.0 / 3).margin(5 * 0.298 / 100));
    for (std::size_t c : counts) CHECK(static_cast<double>(c) == Catch::Approx(1000).margin(5 * 30));
}

TEST_CASE("a shuffle keeps all elements and moves most") {
    std::vector<int> v(100);
    for (int i = 0; i != 100; ++i) v[static_cast<std::size_t>(i)] = i;
    random_numbers(1).shuffle(v.data(), v.size());
    CHECK_FALSE(std::is_sorted(v.begin(), v.end()));
    std::sort(v.begin(), v.end());
    for (int i = 0; i != 100; ++i) CHECK(v[static_cast<std::size_t>(i)] == i);
    random_numbers(1).shuffle(v.data(), 0);
}
