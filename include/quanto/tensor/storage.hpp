// storage = a run of bytes and who answers for them.
//     owned      allocated from a memory_ref; copying copies the bytes
//     shared     kept alive by a counted handle (a mapped file); copying shares
//     borrowed   somebody else's, for as long as the caller promises (flash, a caller's buffer); copying borrows
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include <quanto/core/memory.hpp>
#include <quanto/core/reference_count.hpp>
#include <quanto/core/result.hpp>

namespace quanto::inline v0 {

// What a shared storage keeps alive; the creator owns the first count, `destroy` runs after the last release.
struct shared_owner {
    void (*destroy)(shared_owner*) noexcept;
    reference_count count{};

    void retain() noexcept { count.retain(); }
    void release() noexcept {
        if (count.release()) destroy(this);
    }
};

class storage {
public:
    static constexpr std::size_t alignment = 64;

    storage() noexcept = default;

    // `size` zero bytes, aligned to 64.
    static result<storage> allocate(std::size_t size, memory_ref memory = {}) {
        auto s = allocate_for_overwrite(size, memory);
        if (s && size != 0) std::memset(s->data_, 0, size);
        return s;
    }
    // The same without the zeros, for those who write every byte before one is read.
    static result<storage> allocate_for_overwrite(std::size_t size, memory_ref memory = {}) {
        storage s;
        s.memory_ = memory;
        s.kind_ = kind::owned;
        if (size == 0) return s;
        auto* p = static_cast<std::byte*>(memory.allocate(size, alignment));
        if (p == nullptr) return error(errc::out_of_memory, "no memory for ", size, " bytes");
        s.data_ = p;
        s.size_ = size;
        return s;
    }
    static storage borrow(void const* data, std::size_t size) noexcept {
        storage s;
        s.data_ = const_cast<std::byte*>(static_cast<std::byte const*>(data));
        s.size_ = size;
        s.kind_ = kind::borrowed;
        return s;
    }
    static storage share(shared_owner& owner, void const* data, std::size_t size) noexcept {
        storage s = borrow(data, size);
        s.owner_ = &owner;
        s.kind_ = kind::shared;
        owner.retain();
        return s;
    }

    // A copy of owned bytes for which there is no memory is empty: compare size() where that matters.
    storage(storage const& other) : memory_(other.memory_), owner_(other.owner_), kind_(other.kind_) {
        if (kind_ == kind::shared) owner_->retain();
        if (kind_ == kind::owned && other.size_ != 0) {
            auto* p = static_cast<std::byte*>(memory_.allocate(other.size_, alignment));
            if (p == nullptr) return;
            std::memcpy(p, other.data_, other.size_);
            data_ = p;
        } else {
            data_ = other.data_;
        }
        size_ = other.size_;
    }
    storage(storage&& other) noexcept { swap(other); }
    storage& operator=(storage other) noexcept {
        swap(other);
        return *this;
    }
    ~storage() {
        if (kind_ == kind::owned && data_ != nullptr) memory_.deallocate(data_, size_, alignment);
        if (kind_ == kind::shared) owner_->release();
    }

    // `size` of these bytes from `offset` on: shared as this is, borrowed where this is owned or borrowed.
    // Precondition: offset + size <= this->size().
    storage slice(std::size_t offset, std::size_t size) const noexcept {
        QUANTO_ASSERT(offset <= size_ && size <= size_ - offset, "storage: a slice beyond the end");
        return kind_ == kind::shared ? share(*owner_, data_ + offset, size) : borrow(data_ + offset, size);
    }

    std::byte const* data() const noexcept { return data_; }
    // Precondition: is_owned().
    std::byte* mutable_data() noexcept {
        return QUANTO_ASSERT(is_owned(), "storage: borrowed or shared bytes are read-only"), data_;
    }
    std::size_t size() const noexcept { return size_; }
    bool is_owned() const noexcept { return kind_ == kind::owned; }
    bool is_shared() const noexcept { return kind_ == kind::shared; }
    memory_ref memory() const noexcept { return memory_; }

private:
    enum class kind : unsigned char { owned, shared, borrowed };

    void swap(storage& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(memory_, other.memory_);
        std::swap(owner_, other.owner_);
        std::swap(kind_, other.kind_);
    }

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    memory_ref memory_{};
    shared_owner* owner_ = nullptr;
    kind kind_ = kind::owned;
};

namespace detail {
struct shared_bytes : shared_owner {
    storage bytes;

    explicit shared_bytes(storage&& owned) noexcept : shared_owner{destroy_this}, bytes(std::move(owned)) {}
    static void destroy_this(shared_owner* owner) noexcept {
        auto* const self = static_cast<shared_bytes*>(owner);
        memory_ref const memory = self->bytes.memory();
        self->~shared_bytes();
        memory.deallocate(self, sizeof(shared_bytes), alignof(shared_bytes));
    }
};
}  // namespace detail

// The same bytes, shared by all copies and read-only from now on. Borrowed and shared ones come back as they are.
inline result<storage> into_shared(storage s) {
    if (!s.is_owned() || s.size() == 0) return s;
    memory_ref const memory = s.memory();
    void* const p = memory.allocate(sizeof(detail::shared_bytes), alignof(detail::shared_bytes));
    if (p == nullptr) return error(errc::out_of_memory, "no memory to share a tensor");
    auto* const owner = ::new (p) detail::shared_bytes(std::move(s));
    storage shared = storage::share(*owner, owner->bytes.data(), owner->bytes.size());
    owner->release();
    return shared;
}

}  // namespace quanto::inline v0
