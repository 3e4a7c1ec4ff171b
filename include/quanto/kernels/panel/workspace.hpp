// workspace = bytes for one call, aligned to a line and not initialized: few of them on the stack. data() is null where
// there is no memory.
#pragma once

#include <cstddef>

#include <quanto/core/memory.hpp>
#include <quanto/tensor/storage.hpp>

namespace quanto::inline v0::detail {

class workspace {
public:
    workspace(std::size_t size, memory_ref memory) noexcept
        : memory_(memory),
          size_(size),
          data_(size <= sizeof small_ ? small_ : static_cast<std::byte*>(memory.allocate(size, storage::alignment))) {}
    workspace(workspace const&) = delete;
    workspace& operator=(workspace const&) = delete;
    ~workspace() {
        if (data_ != small_ && data_ != nullptr) memory_.deallocate(data_, size_, storage::alignment);
    }
    std::byte* data() noexcept { return data_; }

private:
    memory_ref memory_;
    std::size_t size_;
    alignas(storage::alignment) std::byte small_[8192];
    std::byte* data_;
};

}  // namespace quanto::inline v0::detail
