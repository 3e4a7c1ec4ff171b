#include <quanto/core/pool_memory.hpp>

#include <cstdint>
#include <cstring>
#include <vector>

#include "memory.hpp"

#include "catch.hpp"

using namespace quanto;

TEST_CASE("pool_memory asks upstream once per size, and gives all back at its end") {
    counted_memory upstream;
    {
        pool_memory pool(&upstream);
        memory_ref const memory = &pool;
        for (int round = 0; round != 3; ++round) {
            std::vector<std::pair<void*, std::size_t>> blocks;
            for (std::size_t n = 0; n < 5000; n = n * 5 / 4 + 1) {
                void* const p = memory.allocate(n, 64);
                REQUIRE(p != nullptr);
                CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
                std::memset(p, round, n);
                blocks.emplace_back(p, n);
            }
            CHECK(upstream.calls == blocks.size());
            for (auto const& [p, n] : blocks) memory.deallocate(p, n, 64);
        }
        CHECK(upstream.live == upstream.calls);
        pool.release();
        CHECK(upstream.live == 0);
        memory.deallocate(memory.allocate(100, 8), 100, 8);
        CHECK(upstream.live == 1);
    }
    CHECK(upstream.live == 0);
    CHECK(upstream.bytes == 0);
}

TEST_CASE("a block of pool_memory is at most a quarter larger than asked, from 64 bytes on") {
    for (std::size_t n = 64; n < 1u << 20; n = n * 17 / 16 + 1) {
        counted_memory upstream;
        pool_memory pool(&upstream);
        void* const p = pool.allocate(n, 1);
        CHECK(upstream.bytes >= n);
        CHECK(upstream.bytes <= n + n / 4);
        pool.deallocate(p, n, 1);
    }
}

TEST_CASE("pool_memory passes larger alignments, and the end of memory, on") {
    no_memory none;
    pool_memory empty(&none);
    CHECK(empty.allocate(10, 8) == nullptr);
    counted_memory upstream;
    pool_memory pool(&upstream);
    CHECK(pool.allocate(static_cast<std::size_t>(-1), 8) == nullptr);
    void* const p = pool.allocate(10, 4096);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 4096 == 0);
    pool.deallocate(p, 10, 4096);
    CHECK(upstream.live == 0);
}
