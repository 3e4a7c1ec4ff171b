#include <quanto/tensor/storage.hpp>

#include <cstdint>
#include <utility>

#include "catch.hpp"

using namespace quanto;

namespace {

// Gives `left` blocks, then none; counts what is out.
struct limited_memory {
    std::size_t left = 0, blocks = 0, bytes = 0;
    void* allocate(std::size_t size, std::size_t alignment) {
        if (left == 0) return nullptr;
        --left, ++blocks, bytes += size;
        return ::operator new (size, std::align_val_t{alignment});
    }
    void deallocate(void* p, std::size_t size, std::size_t alignment) {
        --blocks, bytes -= size;
        ::operator delete (p, std::align_val_t{alignment});
    }
};

struct counted_owner : shared_owner {
    int* destroyed;
    explicit counted_owner(int& counter) : shared_owner{destroy_this}, destroyed(&counter) {}
    static void destroy_this(shared_owner* self) noexcept { ++*static_cast<counted_owner*>(self)->destroyed; }
};

}  // namespace

TEST_CASE("owned storage is zero, aligned to 64, and goes back where it came from") {
    limited_memory memory{.left = 10};
    {
        auto s = storage::allocate(100, &memory);
        REQUIRE(s);
        CHECK(s->is_owned());
        CHECK(s->size() == 100);
        CHECK(reinterpret_cast<std::uintptr_t>(s->data()) % storage::alignment == 0);
        for (std::size_t i = 0; i != 100; ++i) CHECK(s->data()[i] == std::byte{0});
        CHECK(memory.blocks == 1);
        CHECK(s->memory() == memory_ref(&memory));
    }
    CHECK(memory.blocks == 0);
    CHECK(memory.bytes == 0);
}

TEST_CASE("copies of owned storage are copies of the bytes, moves are not") {
    limited_memory memory{.left = 10};
    {
        auto a = storage::allocate(3, &memory);
        REQUIRE(a);
        a->mutable_data()[1] = std::byte{7};
        storage b = *a;
        CHECK(b.data() != a->data());
        CHECK(b.data()[1] == std::byte{7});
        b.mutable_data()[1] = std::byte{8};
        CHECK(a->data()[1] == std::byte{7});
        auto const* const p = b.data();
        storage c = std::move(b);
        CHECK(c.data() == p);
        CHECK(memory.blocks == 2);
        c = *a;  // gives its own block back
        CHECK(memory.blocks == 2);
        storage const& itself = c;
        c = itself;
        CHECK(c.data()[1] == std::byte{7});
    }
    CHECK(memory.blocks == 0);
}

TEST_CASE("no memory is an error for a new storage, and an empty copy") {
    limited_memory memory{.left = 1};
    auto const a = storage::allocate(8, &memory);
    REQUIRE(a);
    auto const b = storage::allocate(8, &memory);
    REQUIRE_FALSE(b);
    CHECK(b.error().code() == errc::out_of_memory);
    CHECK(b.error().message() == "no memory for 8 bytes");
    storage const copy = *a;
    CHECK(copy.size() == 0);
    CHECK(copy.data() == nullptr);
    CHECK(memory.blocks == 1);
    // No bytes need no memory.
    auto const none = storage::allocate(0, &memory);
    REQUIRE(none);
    CHECK(none->size() == 0);
}

TEST_CASE("shared storage lives as long as its last copy or slice") {
    int destroyed = 0;
    unsigned char const bytes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    counted_owner owner(destroyed);
    {
        storage a = storage::share(owner, bytes, sizeof bytes);
        owner.release();  // the creator's own count
        CHECK(a.is_shared());
        CHECK_FALSE(a.is_owned());
        storage b = a;
        CHECK(b.data() == a.data());
        storage slice = b.slice(2, 3);
        CHECK(slice.is_shared());
        CHECK(slice.data() == a.data() + 2);
        CHECK(slice.size() == 3);
        a = storage{};
        b = std::move(slice);
        CHECK(destroyed == 0);
        CHECK(b.data()[0] == std::byte{2});
        CHECK(b.slice(3, 0).size() == 0);
    }
    CHECK(destroyed == 1);
}

TEST_CASE("borrowed storage and slices of owned storage own nothing") {
    unsigned char const bytes[4] = {9, 8, 7, 6};
    storage const a = storage::borrow(bytes, 4), b = a;
    CHECK_FALSE(a.is_owned());
    CHECK_FALSE(a.is_shared());
    CHECK(static_cast<void const*>(b.data()) == bytes);
    limited_memory memory{.left = 1};
    {
        auto const owned = storage::allocate(4, &memory);
        REQUIRE(owned);
        storage const part = owned->slice(1, 2);
        CHECK_FALSE(part.is_owned());
        CHECK(part.data() == owned->data() + 1);
        CHECK(memory.blocks == 1);
    }
    CHECK(memory.blocks == 0);
}

TEST_CASE("owned storage that becomes shared is kept by its copies and goes back where it came from") {
    limited_memory memory{.left = 2};
    {
        auto s = storage::allocate(3, &memory);
        REQUIRE(s);
        s->mutable_data()[1] = std::byte{7};
        auto const* const data = s->data();
        auto shared = into_shared(std::move(*s));
        REQUIRE(shared);
        CHECK(shared->is_shared());
        storage copy = *shared;
        *shared = storage();
        CHECK(copy.data() == data);
        CHECK(copy.data()[1] == std::byte{7});
        CHECK(into_shared(copy)->data() == data);
    }
    CHECK(memory.blocks == 0);
    CHECK(memory.bytes == 0);
    memory.left = 1;
    auto s = storage::allocate(3, &memory);
    CHECK(into_shared(std::move(*s)).error().code() == errc::out_of_memory);
    std::byte const b{1};
    CHECK_FALSE(into_shared(storage::borrow(&b, 1))->is_shared());
}
