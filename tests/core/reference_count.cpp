#include <quanto/core/reference_count.hpp>

#include <atomic>
#include <thread>
#include <vector>

#include "catch.hpp"

using namespace quanto;

TEST_CASE("reference_count starts with one owner") {
    reference_count count;
    count.retain();
    CHECK_FALSE(count.release());
    CHECK(count.release());
}

TEST_CASE("reference_count: of many threads exactly one is last") {
    constexpr int threads = 4, rounds = 10000;
    reference_count count;
    std::atomic<int> last{0};
    for (int i = 1; i < threads; ++i) count.retain();
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; ++i)
        pool.emplace_back([&] {
            for (int r = 0; r < rounds; ++r) {
                count.retain();
                if (count.release()) ++last;
            }
            if (count.release()) ++last;
        });
    for (auto& t : pool) t.join();
    CHECK(last == 1);
}
