// What modules need of tensors whose type comes from a file: declared ones (a shape without values), float views of any
// float storage type, shapes as text.
#pragma once

#include <cstdint>
#include <utility>

#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0::nn {

inline any_tensor declared(extents const& shape) noexcept { return {dtype::f32, shape, storage{}}; }

// Whether all elements are there: not only declared, nor a copy for which there was no memory.
bool has_values(any_tensor const& x) noexcept;

inline bool is_aligned(any_tensor const& x) noexcept {
    return reinterpret_cast<std::uintptr_t>(x.bytes().data()) % size_of(x.type()) == 0;
}

// A copy of float values as tensor of a float storage type.
result<any_tensor> converted(Tensor<float> const& x, dtype type, memory_ref memory = {});

// Appends "(6, 320)".
error append(error e, extents const& shape) noexcept;
error shape_error(extents const& expected, extents const& found) noexcept;

// The values as floats: x itself where it is f32, a converted copy otherwise. Precondition: has_values, is_aligned.
class FloatView {
public:
    static result<FloatView> of(any_tensor const& x, memory_ref memory);
    tensor_view<float const> view() const noexcept { return copy_ ? copy_.view() : view_; }

private:
    Tensor<float> copy_;
    tensor_view<float const> view_;
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/any_tensors.inl>
#endif
