// main() of every test program. Catch2 3 brings it in its library Catch2WithMain; version 2 compiles it here, once per
// configuration.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <cstring>
#include <new>

#include "memory.hpp"

// What new memory of the library holds (memory.hpp): no test passes because it happens to be zero.
std::uint32_t new_memory_pattern = 0x7fa0'5a5a;

void* operator new(std::size_t n, std::align_val_t alignment, std::nothrow_t const&) noexcept {
    void* p = nullptr;
    auto const least = static_cast<std::size_t>(alignment);
    if (::posix_memalign(&p, least < sizeof(void*) ? sizeof(void*) : least, n) != 0) return nullptr;
    for (std::size_t i = 0; i < n; i += sizeof new_memory_pattern)
        std::memcpy(static_cast<char*>(p) + i, &new_memory_pattern,
                    n - i < sizeof new_memory_pattern ? n - i : sizeof new_memory_pattern);
    return p;
}
void* operator new(std::size_t n, std::align_val_t alignment) {
    void* const p = operator new(n, alignment, std::nothrow);
    if (p == nullptr) std::abort();
    return p;
}
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, std::nothrow_t const&) noexcept { std::free(p); }
