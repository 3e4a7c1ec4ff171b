// list<T> = a row of elements that grows at its end, like std::vector, whose header costs each includer 0.1 s.
#pragma once

#include <initializer_list>
#include <new>
#include <utility>

#include <quanto/core/assert.hpp>
#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

template <class T>
class list {
public:
    using value_type = T;

    list() noexcept = default;
    list(std::initializer_list<T> elements) { assign(elements.begin(), elements.size()); }
    list(list const& other) { assign(other.data_, other.size_); }
    list(list&& other) noexcept { swap(other); }
    list& operator=(list other) noexcept {
        swap(other);
        return *this;
    }
    ~list() {
        clear();
        ::operator delete (data_, std::align_val_t{alignof(T)});
    }

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    T const* data() const noexcept { return data_; }
    T* data() noexcept { return data_; }
    T const* begin() const noexcept { return data_; }
    T const* end() const noexcept { return data_ + size_; }
    T* begin() noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    // Precondition: i < size().
    T const& operator[](std::size_t i) const noexcept {
        return QUANTO_ASSERT(i < size_, "list: no such element"), data_[i];
    }
    T& operator[](std::size_t i) noexcept { return QUANTO_ASSERT(i < size_, "list: no such element"), data_[i]; }
    T const& front() const noexcept { return (*this)[0]; }
    T& front() noexcept { return (*this)[0]; }
    T const& back() const noexcept { return (*this)[size_ - 1]; }
    T& back() noexcept { return (*this)[size_ - 1]; }

    // Cost: one move of the element, and of all others where memory must grow.
    T& push_back(T element) {
        if (size_ == capacity_) reserve(capacity_ == 0 ? 8 : 2 * capacity_);
        return *::new (static_cast<void*>(data_ + size_++)) T(std::move(element));
    }
    // As T{a ...}, with braces.
    template <class... A>
    T& emplace_back(A&&... a) {
        return push_back(T{std::forward<A>(a)...});
    }
    void reserve(std::size_t n) {
        if (n <= capacity_) return;
        auto* const p = static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{alignof(T)}));
        for (std::size_t i = 0; i != size_; ++i) {
            ::new (static_cast<void*>(p + i)) T(std::move(data_[i]));
            data_[i].~T();
        }
        ::operator delete (data_, std::align_val_t{alignof(T)});
        data_ = p;
        capacity_ = n;
    }
    // Precondition: at is one of the elements.
    void erase(T* at) noexcept {
        for (; at + 1 != end(); ++at) *at = std::move(at[1]);
        pop_back();
    }
    void pop_back() noexcept { data_[--size_].~T(); }
    void clear() noexcept {
        while (size_ != 0) pop_back();
    }

private:
    void assign(T const* elements, std::size_t n) {
        reserve(n);
        for (; size_ != n; ++size_) ::new (static_cast<void*>(data_ + size_)) T(elements[size_]);
    }
    void swap(list& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

    T* data_ = nullptr;
    std::size_t size_ = 0, capacity_ = 0;
};

// Elements that somebody else owns: of a list, a std::vector, braces.
template <class T>
class list_view {
public:
    constexpr list_view() noexcept = default;
    // For arguments: the elements live until the call has returned.
    constexpr list_view(std::initializer_list<T> elements) noexcept {
        data_ = elements.begin();
        size_ = elements.size();
    }
    template <class L>
    requires requires(L const& l, T const*& data) { data = l.data(), l.size(); }
    constexpr list_view(L const& l) noexcept : data_(l.data()), size_(l.size()) {}

    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T const* begin() const noexcept { return data_; }
    constexpr T const* end() const noexcept { return data_ + size_; }

private:
    T const* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace quanto::inline v0
