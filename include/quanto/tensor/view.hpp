// Views: somebody else's elements, with a shape. Copying a view copies the pointer.
//     tensor_view<T>   any rank, contiguous, row-major
//     matrix_view<T>   element (r, c) is data[r * stride + c]; stride >= cols
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <quanto/tensor/extents.hpp>

namespace quanto::inline v0 {

template <class T>
class tensor_view {
public:
    constexpr tensor_view() noexcept = default;
    constexpr tensor_view(T* data, extents const& shape) noexcept
        : data_(data), shape_(shape), size_(data == nullptr ? 0 : shape.numel()) {}
    template <class U>
    requires std::same_as<T, U const>
    constexpr tensor_view(tensor_view<U> const& v) noexcept : data_(v.data()), shape_(v.shape()), size_(v.size()) {}

    constexpr T* data() const noexcept { return data_; }
    constexpr extents const& shape() const noexcept { return shape_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr T& operator[](std::size_t i) const noexcept { return data_[i]; }
    constexpr T* begin() const noexcept { return data_; }
    constexpr T* end() const noexcept { return data_ + size(); }

private:
    T* data_ = nullptr;
    extents shape_;
    std::size_t size_ = 0;
};

template <class T>
struct matrix_view {
    T* data = nullptr;
    std::size_t rows = 0, cols = 0, stride = 0;

    constexpr matrix_view() noexcept = default;
    constexpr matrix_view(T* p, std::size_t r, std::size_t c) noexcept : matrix_view(p, r, c, c) {}
    constexpr matrix_view(T* p, std::size_t r, std::size_t c, std::size_t s) noexcept
        : data(p), rows(r), cols(c), stride(s) {}
    template <class U>
    requires std::same_as<T, U const>
    constexpr matrix_view(matrix_view<U> v) noexcept : data(v.data), rows(v.rows), cols(v.cols), stride(v.stride) {}
    // The last dimension gives the columns, all others together the rows.
    template <class U>
    requires std::same_as<std::remove_const_t<T>, std::remove_const_t<U>> && std::convertible_to<U*, T*>
    constexpr matrix_view(tensor_view<U> const& v) noexcept
        : matrix_view(v.data(), v.shape().back() == 0 ? 0 : v.size() / v.shape().back(), v.shape().back()) {}

    constexpr T* row(std::size_t r) const noexcept { return data + r * stride; }
    constexpr T& operator()(std::size_t r, std::size_t c) const noexcept { return data[r * stride + c]; }
};

}  // namespace quanto::inline v0
