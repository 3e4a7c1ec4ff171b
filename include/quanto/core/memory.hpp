// memory_ref = where bytes come from: a reference to anything with the two verbs of std::pmr::memory_resource, which is
// the usual choice; its header (0.3 s) is then the caller's, not ours. The default is the global heap.
// A resource may answer nullptr, or throw: then the library reports errc::out_of_memory.
#pragma once

#include <concepts>
#include <cstddef>
#include <new>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

template <class R>
concept MemoryResource = requires(R& resource, std::size_t bytes, std::size_t alignment, void* p) {
    { resource.allocate(bytes, alignment) } -> std::convertible_to<void*>;
    resource.deallocate(p, bytes, alignment);
};

class memory_ref {
public:
    constexpr memory_ref() noexcept = default;

    // Precondition: the resource outlives everything that is allocated from it.
    template <MemoryResource R>
    constexpr memory_ref(R* resource) noexcept
        : resource_(resource),
          allocate_(allocate_from<R>),
          deallocate_([](void* r, void* p, std::size_t bytes, std::size_t alignment) {
              static_cast<R*>(r)->deallocate(p, bytes, alignment);
          }) {}

    // More than half of the address space is nobody's: some heaps round such a size up, to 0.
    void* allocate(std::size_t bytes, std::size_t alignment) const noexcept {
        if (bytes > static_cast<std::size_t>(-1) / 2) return nullptr;
        if (allocate_ != nullptr) return allocate_(resource_, bytes, alignment);
        return ::operator new (bytes, std::align_val_t{alignment}, std::nothrow);
    }

    void deallocate(void* p, std::size_t bytes, std::size_t alignment) const noexcept {
        if (deallocate_ != nullptr)
            deallocate_(resource_, p, bytes, alignment);
        else
            ::operator delete (p, std::align_val_t{alignment});
    }

    friend constexpr bool operator==(memory_ref const&, memory_ref const&) noexcept = default;

private:
    template <class R>
    static void* allocate_from(void* r, std::size_t bytes, std::size_t alignment) noexcept {
#if defined(__cpp_exceptions)
        try {
            return static_cast<R*>(r)->allocate(bytes, alignment);
        } catch (...) {
            return nullptr;
        }
#else
        return static_cast<R*>(r)->allocate(bytes, alignment);
#endif
    }

    void* resource_ = nullptr;
    void* (*allocate_)(void*, std::size_t, std::size_t) noexcept = nullptr;
    void (*deallocate_)(void*, void*, std::size_t, std::size_t) = nullptr;
};

}  // namespace quanto::inline v0
