// Memory resources of tests: one that counts what is asked of it, one that has nothing.
#pragma once

#include <cstddef>

#include <quanto/core/memory.hpp>

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
