// Tensor<T> = a shape and the elements, contiguous and row-major. any_tensor = the same with the element type known at
// run time, as it comes from a file.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include <quanto/tensor/storage.hpp>
#include <quanto/tensor/view.hpp>
#include <quanto/types/dtype.hpp>

namespace quanto::inline v0 {

template <class T>
class Tensor {
    static_assert(std::is_trivially_copyable_v<T>, "quanto: a tensor's elements must be trivially copyable");

public:
    Tensor() noexcept = default;  // no elements: data() == nullptr

    // Zeros. Where there is no memory, or the shape has more elements than fit, the tensor is empty: operator bool
    // tells.
    explicit Tensor(extents const& shape, memory_ref memory = {}) {
        if (auto made = make(shape, memory)) *this = std::move(*made);
    }
    // Tensor<float>({96, 128}): braces are sizes.
    template <std::size_t Rank>
    requires(Rank <= extents::max_rank)
    explicit Tensor(std::size_t const (&sizes)[Rank], memory_ref memory = {}) {
        extents shape;
        for (std::size_t n : sizes) shape.push_back(n);
        *this = Tensor(shape, memory);
    }
    Tensor(std::size_t rows, std::size_t cols, memory_ref memory = {}) : Tensor(extents{rows, cols}, memory) {}

    static result<Tensor> make(extents const& shape, memory_ref memory = {}) {
        auto t = make_for_overwrite(shape, memory);
        if (t && t->size() != 0) std::memset(static_cast<void*>(t->data()), 0, t->storage_.size());
        return t;
    }
    // The same without the zeros, for those who write every element before one is read.
    static result<Tensor> make_for_overwrite(extents const& shape, memory_ref memory = {}) {
        std::size_t count = 0, bytes = 0;
        if (!shape.checked_numel(count) || !checked_multiply(count, sizeof(T), bytes))
            return error(errc::out_of_memory, "a shape with more elements than fit in memory");
        auto s = storage::allocate_for_overwrite(bytes, memory);
        if (!s) return s.error();
        return Tensor(shape, std::move(*s));
    }
    // A tensor over existing storage. Precondition: the storage holds at least shape.numel() elements, aligned for T.
    Tensor(extents const& shape, storage elements) noexcept
        : shape_(shape), size_(shape.numel()), storage_(std::move(elements)), allocated_(true) {
        QUANTO_ASSERT(storage_.size() >= size_ * sizeof(T), "Tensor: the storage is smaller than the shape");
    }
    // A view of memory that the caller keeps alive; read-only, and so to be held as const: the accessors that are not
    // const are for owned elements.
    static Tensor borrow(tensor_view<T const> v) noexcept {
        return Tensor(v.shape(), storage::borrow(v.data(), v.size() * sizeof(T)));
    }

    explicit operator bool() const noexcept { return allocated_; }
    extents const& shape() const noexcept { return shape_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t cols() const noexcept { return shape_.back(); }
    std::size_t rows() const noexcept { return cols() == 0 ? 0 : size() / cols(); }

    T const* data() const noexcept { return reinterpret_cast<T const*>(storage_.data()); }
    // Precondition of all that is not const: the elements are owned.
    T* data() noexcept {
        QUANTO_ASSERT(storage_.is_owned(), "Tensor: borrowed or shared elements are read through a const Tensor");
        return reinterpret_cast<T*>(storage_.mutable_data());
    }
    T const* begin() const noexcept { return data(); }
    T const* end() const noexcept { return data() + size(); }
    T const& operator[](std::size_t i) const noexcept { return data()[i]; }
    T& operator[](std::size_t i) noexcept { return data()[i]; }

    tensor_view<T const> view() const noexcept { return {data(), shape_}; }
    tensor_view<T> view() noexcept { return {data(), shape_}; }
    operator tensor_view<T const>() const noexcept { return view(); }
    operator matrix_view<T const>() const noexcept { return view(); }
    operator matrix_view<T>() noexcept { return view(); }

    // The same elements under another shape. Precondition: shape.numel() == size().
    Tensor reshaped(extents const& shape) && noexcept {
        QUANTO_ASSERT(shape.numel() == size(), "Tensor: a reshape keeps the number of elements");
        shape_ = shape;
        return std::move(*this);
    }

    storage const& bytes() const& noexcept { return storage_; }
    storage bytes() && noexcept { return std::move(storage_); }

private:
    extents shape_;
    std::size_t size_ = 0;
    storage storage_;
    bool allocated_ = false;
};

// x itself, if it owns its elements; else a copy.
template <class T>
result<Tensor<T>> owned(Tensor<T> x, memory_ref memory = {}) {
    if (x.bytes().size() < x.size() * sizeof(T)) return error(errc::out_of_memory, "no memory for a copy of a tensor");
    if (x.bytes().is_owned()) return x;
    auto copy = Tensor<T>::make_for_overwrite(x.shape(), memory);
    if (copy && x.size() != 0) std::memcpy(copy->data(), std::as_const(x).data(), x.size() * sizeof(T));
    return copy;
}

class any_tensor {
public:
    any_tensor() noexcept = default;
    any_tensor(dtype type, extents const& shape, storage bytes) noexcept
        : type_(type), shape_(shape), size_(shape.numel()), storage_(std::move(bytes)) {}
    template <class T>
    any_tensor(Tensor<T> const& t) : any_tensor(dtype_of<T>, t.shape(), t.bytes()) {}

    dtype type() const noexcept { return type_; }
    extents const& shape() const noexcept { return shape_; }
    std::size_t size() const noexcept { return size_; }
    storage const& bytes() const noexcept { return storage_; }

    // Element i as float, whatever the alignment. Precondition: is_float_storage(type()), i < size().
    float operator[](std::size_t i) const noexcept { return load(type_, storage_.data(), i); }

    static float load(dtype type, std::byte const* bytes, std::size_t i) noexcept {
        if (type == dtype::f32) {
            float x;
            std::memcpy(&x, bytes + 4 * i, 4);
            return x;
        }
        std::uint16_t u;
        std::memcpy(&u, bytes + 2 * i, 2);
        return type == dtype::f16 ? float(float16::from_bits(u)) : float(bfloat16::from_bits(u));
    }
    static void store(dtype type, std::byte* bytes, std::size_t i, float x) noexcept {
        if (type == dtype::f32) {
            std::memcpy(bytes + 4 * i, &x, 4);
            return;
        }
        std::uint16_t const u = type == dtype::f16 ? float16(x).bits : bfloat16(x).bits;
        std::memcpy(bytes + 2 * i, &u, 2);
    }

private:
    dtype type_ = dtype::f32;
    extents shape_;
    std::size_t size_ = 1;
    storage storage_;
};

}  // namespace quanto::inline v0
