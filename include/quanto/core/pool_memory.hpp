// pool_memory = a resource that keeps what it is given back and hands it out again: what allocates the same sizes over
// and over, like a forward pass, asks upstream for nothing after the first time.
// A request is rounded up to 64 bytes, or to (4, 5, 6 or 7) * 2^k, at most a quarter more than asked. Each size has a
// list of free blocks, aligned to 64, and works at its head.
// For one thread at a time. Larger alignments are passed on to upstream.
#pragma once

#include <bit>
#include <limits>

#include <quanto/core/assert.hpp>
#include <quanto/core/memory.hpp>

namespace quanto::inline v0 {

namespace detail {
// With q = max(bytes, 64) - 1 of w bits, its three leading bits 4 .. 7 and k = w - 3: (leading bits + 1) * 2^k.
struct pool_size {
    constexpr explicit pool_size(std::size_t n) noexcept {
        std::size_t const q = (n < 64 ? 64 : n) - 1;
        auto const k = static_cast<std::size_t>(std::bit_width(q)) - 3;
        index = (k - 3) * 4 + (q >> k) - 4;
        bytes = ((q >> k) + 1) << k;
    }
    std::size_t index = 0, bytes = 0;
};
static_assert(pool_size(1).bytes == 64 && pool_size(1).index == 3 && pool_size(64).index == 3);
static_assert(pool_size(65).bytes == 80 && pool_size(65).index == 4 && pool_size(1000).bytes == 1024);
}  // namespace detail

class pool_memory {
public:
    static constexpr std::size_t alignment = 64;

    // Precondition: upstream outlives the pool.
    explicit pool_memory(memory_ref upstream = {}) noexcept : upstream_(upstream) {}
    pool_memory(pool_memory const&) = delete;
    pool_memory& operator=(pool_memory const&) = delete;
    // Precondition: all that was allocated from it was given back.
    ~pool_memory() {
        QUANTO_ASSERT(in_use_ == 0, "pool_memory: something allocated from it is still alive");
        release();
    }

    // nullptr where upstream has nothing either.
    void* allocate(std::size_t bytes, std::size_t align) {
        if (bytes > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
        detail::pool_size const c(bytes);
        void* p = nullptr;
        if (align > alignment)
            p = upstream_.allocate(bytes, align);
        else if (block* const b = free_[c.index]; b != nullptr)
            free_[c.index] = b->next, p = b;
        else
            p = upstream_.allocate(c.bytes, alignment);
        in_use_ += p != nullptr;
        return p;
    }
    void deallocate(void* p, std::size_t bytes, std::size_t align) noexcept {
        if (p == nullptr) return;
        --in_use_;
        if (align > alignment) return upstream_.deallocate(p, bytes, align);
        detail::pool_size const c(bytes);
        free_[c.index] = ::new (p) block{free_[c.index], c.bytes};
    }

    // Gives the free blocks back to upstream.
    void release() noexcept {
        for (block*& list : free_)
            while (list != nullptr) {
                block* const b = list;
                list = b->next;
                upstream_.deallocate(b, b->bytes, alignment);
            }
    }

private:
    struct block {
        block* next;
        std::size_t bytes;
    };
    static_assert(sizeof(block) <= detail::pool_size(1).bytes);
    static constexpr std::size_t sizes = detail::pool_size(std::numeric_limits<std::size_t>::max() / 2).index + 1;

    memory_ref upstream_;
    block* free_[sizes]{};
    std::size_t in_use_ = 0;
};

static_assert(MemoryResource<pool_memory>);

}  // namespace quanto::inline v0
