// What modules need of tensors whose type comes from a file: declared ones (a shape without values), float views of any
// float storage type, shapes as text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0::nn {

inline any_tensor declared(extents const& shape) noexcept { return {dtype::f32, shape, storage{}}; }

// Whether all elements are there: not only declared, nor a copy for which there was no memory.
inline bool has_values(any_tensor const& x) noexcept { return x.bytes().size() >= x.size() * size_of(x.type()); }

inline bool has_values(any_qtensor const& q) noexcept {
    auto const& p = q.parts();
    return p.scale.size() >= p.layout.groups() * size_of(p.scale_type) && (q.size() == 0 || p.codes.size() != 0) &&
           (q.type().bits() == 8 || p.shift.size() >= p.layout.groups());
}

inline bool is_aligned(any_tensor const& x) noexcept {
    return reinterpret_cast<std::uintptr_t>(x.bytes().data()) % size_of(x.type()) == 0;
}

// A copy of float values as tensor of a float storage type.
inline result<any_tensor> converted(Tensor<float> const& x, dtype type, memory_ref memory = {}) {
    auto bytes = storage::allocate(x.size() * size_of(type), memory);
    if (!bytes) return bytes.error();
    if (type == dtype::f32)
        std::copy_n(x.bytes().data(), bytes->size(), bytes->mutable_data());
    else
        for (std::size_t i = 0; i != x.size(); ++i) any_tensor::store(type, bytes->mutable_data(), i, x[i]);
    return any_tensor(type, x.shape(), std::move(*bytes));
}

// Appends "(6, 320)".
inline error append(error e, extents const& shape) noexcept {
    e.append("(");
    for (std::size_t i = 0; i != shape.rank(); ++i) e.append(i == 0 ? "" : ", ").append(shape[i]);
    e.append(")");
    return e;
}
inline error shape_error(extents const& expected, extents const& found) noexcept {
    error e(errc::shape_mismatch, "expected shape ");
    e = append(e, expected);
    return append(e.append(", found "), found);
}

// The values as floats: x itself where it is f32, a converted copy otherwise. Precondition: has_values, is_aligned.
class FloatView {
public:
    static result<FloatView> of(any_tensor const& x, memory_ref memory) {
        FloatView v;
        if (x.type() == dtype::f32) {
            v.view_ = {reinterpret_cast<float const*>(x.bytes().data()), x.shape()};
            return v;
        }
        auto copy = Tensor<float>::make(x.shape(), memory);
        if (!copy) return copy.error();
        for (std::size_t i = 0; i != x.size(); ++i) (*copy)[i] = x[i];
        v.copy_ = std::move(*copy);
        return v;
    }
    tensor_view<float const> view() const noexcept { return copy_ ? copy_.view() : view_; }

private:
    Tensor<float> copy_;
    tensor_view<float const> view_;
};

}  // namespace quanto::inline v0::nn
