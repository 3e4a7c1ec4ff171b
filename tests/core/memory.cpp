#include <quanto/core/memory.hpp>

#include <cstdint>
#include <memory_resource>

#include "catch.hpp"

using namespace quanto;

static_assert(MemoryResource<std::pmr::memory_resource>);
static_assert(MemoryResource<std::pmr::monotonic_buffer_resource>);
static_assert(!MemoryResource<int>);

TEST_CASE("memory_ref allocates from a std::pmr resource") {
    alignas(64) std::byte buffer[1024];
    std::pmr::monotonic_buffer_resource resource(buffer, sizeof buffer, std::pmr::null_memory_resource());
    memory_ref const memory = &resource;
    auto* p = static_cast<std::byte*>(memory.allocate(100, 64));
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
    CHECK(p >= buffer);
    CHECK(p + 100 <= buffer + sizeof buffer);
    memory.deallocate(p, 100, 64);
}

TEST_CASE("memory_ref takes any resource with the two verbs, and passes its answer on") {
    struct empty {
        std::size_t asked = 0, returned = 0;
        void* allocate(std::size_t bytes, std::size_t) { return asked += bytes, nullptr; }
        void deallocate(void*, std::size_t bytes, std::size_t) { returned += bytes; }
    } resource;
    memory_ref const memory = &resource;
    CHECK(memory.allocate(7, 1) == nullptr);
    memory.deallocate(nullptr, 5, 1);
    CHECK(resource.asked == 7);
    CHECK(resource.returned == 5);
}

TEST_CASE("memory_ref is the heap by default, with any alignment") {
    memory_ref const memory;
    for (std::size_t alignment : {std::size_t{1}, std::size_t{16}, std::size_t{4096}}) {
        void* p = memory.allocate(10, alignment);
        REQUIRE(p != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(p) % alignment == 0);
        memory.deallocate(p, 10, alignment);
    }
}

TEST_CASE("memory_refs are equal where they refer to the same resource") {
    std::pmr::monotonic_buffer_resource a, b;
    CHECK(memory_ref(&a) == memory_ref(&a));
    CHECK_FALSE(memory_ref(&a) == memory_ref(&b));
    CHECK_FALSE(memory_ref(&a) == memory_ref());
    CHECK(memory_ref() == memory_ref());
}

#if defined(__cpp_exceptions)
TEST_CASE("a resource that throws has no memory") {
    std::pmr::monotonic_buffer_resource nothing(std::pmr::null_memory_resource());
    CHECK(memory_ref(&nothing).allocate(64, 64) == nullptr);
}
#endif
