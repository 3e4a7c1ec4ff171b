// Memory resources of tests: one that counts what is asked of it, one that has nothing, one at the edge of what there is.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/core/memory.hpp>

#if defined(__unix__)
#include <sys/mman.h>
#endif

// What new memory from the heap is filled with in test programs, word by word: as floats, signaling NaN.
extern std::uint32_t new_memory_pattern;

struct counted_memory {
    std::size_t calls = 0, live = 0;  // allocations in all, and those that were not given back
    std::size_t bytes = 0, peak = 0;  // of the live ones, and the most there ever were
    void* allocate(std::size_t n, std::size_t alignment) {
        ++calls, ++live, bytes += n;
        peak = bytes > peak ? bytes : peak;
        return quanto::memory_ref().allocate(n, alignment);
    }
    void deallocate(void* p, std::size_t n, std::size_t alignment) noexcept {
        --live, bytes -= n;
        quanto::memory_ref().deallocate(p, n, alignment);
    }
};

struct no_memory {
    void* allocate(std::size_t, std::size_t) { return nullptr; }
    void deallocate(void*, std::size_t, std::size_t) noexcept {}
};

// That of the heap, until it is switched off.
struct ending_memory {
    bool ended = false;
    void* allocate(std::size_t n, std::size_t alignment) {
        return ended ? nullptr : quanto::memory_ref().allocate(n, alignment);
    }
    void deallocate(void* p, std::size_t n, std::size_t alignment) noexcept {
        quanto::memory_ref().deallocate(p, n, alignment);
    }
};

#if defined(__unix__)
// Memory whose last byte is the last one before an unreadable page; aligned as its size is.
struct edge_memory {
    static constexpr std::size_t page = 65536;
    static std::size_t whole(std::size_t bytes) { return (bytes + page - 1) / page * page; }
    void* allocate(std::size_t bytes, std::size_t) {
        char* const base = static_cast<char*>(
            mmap(nullptr, whole(bytes) + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(base + whole(bytes), page, PROT_NONE);
        return base + whole(bytes) - bytes;
    }
    void deallocate(void* p, std::size_t bytes, std::size_t) {
        munmap(static_cast<char*>(p) + bytes - whole(bytes), whole(bytes) + page);
    }
};

template <class T>
class edge_values {
public:
    explicit edge_values(std::size_t n) : n_(n), p_(static_cast<T*>(edge_memory().allocate(n * sizeof(T), 64))) {}
    edge_values(edge_values const&) = delete;
    edge_values& operator=(edge_values const&) = delete;
    ~edge_values() { edge_memory().deallocate(p_, n_ * sizeof(T), 64); }
    T* data() const { return p_; }

private:
    std::size_t n_;
    T* p_;
};
#endif
