#include <quanto/core/list.hpp>

#include <memory>
#include <vector>

#include "catch.hpp"

using namespace quanto;

TEST_CASE("a list holds what was pushed, moved elements included, and gives each back once") {
    auto const shared = std::make_shared<int>(7);
    list<std::shared_ptr<int>> a;
    for (int i = 0; i != 100; ++i) a.push_back(shared);
    CHECK(shared.use_count() == 101);
    auto b = a;
    CHECK(shared.use_count() == 201);
    list<std::shared_ptr<int>> const c = std::move(a);
    CHECK(shared.use_count() == 201);
    b.erase(b.begin() + 3);
    b.pop_back();
    CHECK(b.size() == 98);
    b = {};
    CHECK(c.size() == 100);
    CHECK(c.back() == shared);
    CHECK(shared.use_count() == 101);

    list<std::unique_ptr<int>> moved;
    for (int i = 0; i != 20; ++i) moved.push_back(std::make_unique<int>(i));
    moved.erase(moved.begin());
    CHECK(*moved.front() == 1);
    CHECK(*moved.back() == 19);
}

TEST_CASE("a list_view is of a list, a vector or braces") {
    auto const sum = [](list_view<int> v) {
        int s = 0;
        for (int x : v) s += x;
        return s;
    };
    CHECK(sum({}) == 0);
    CHECK(sum({1, 2, 3}) == 6);
    CHECK(sum(list<int>{1, 2}) == 3);
    CHECK(sum(std::vector<int>{4, 5}) == 9);
}
