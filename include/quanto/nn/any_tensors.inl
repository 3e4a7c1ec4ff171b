// The bodies of any_tensors.hpp.
#pragma once

#include <algorithm>

namespace quanto::inline v0::nn {

QUANTO_BODY bool has_values(any_tensor const& x) noexcept { return x.bytes().size() >= x.size() * size_of(x.type()); }

QUANTO_BODY result<any_tensor> converted(Tensor<float> const& x, dtype type, memory_ref memory) {
    auto bytes = storage::allocate_for_overwrite(x.size() * size_of(type), memory);
    if (!bytes) return bytes.error();
    if (type == dtype::f32)
        std::copy_n(x.bytes().data(), bytes->size(), bytes->mutable_data());
    else
        for (std::size_t i = 0; i != x.size(); ++i) any_tensor::store(type, bytes->mutable_data(), i, x[i]);
    return any_tensor(type, x.shape(), std::move(*bytes));
}

QUANTO_BODY error append(error e, extents const& shape) noexcept {
    e.append("(");
    for (std::size_t i = 0; i != shape.rank(); ++i) e.append(i == 0 ? "" : ", ").append(shape[i]);
    e.append(")");
    return e;
}

QUANTO_BODY error shape_error(extents const& expected, extents const& found) noexcept {
    error e(errc::shape_mismatch, "expected shape ");
    e = append(e, expected);
    return append(e.append(", found "), found);
}

QUANTO_BODY result<FloatView> FloatView::of(any_tensor const& x, memory_ref memory) {
    FloatView v;
    if (x.type() == dtype::f32) {
        v.view_ = {reinterpret_cast<float const*>(x.bytes().data()), x.shape()};
        return v;
    }
    auto copy = Tensor<float>::make_for_overwrite(x.shape(), memory);
    if (!copy) return copy.error();
    for (std::size_t i = 0; i != x.size(); ++i) (*copy)[i] = x[i];
    v.copy_ = std::move(*copy);
    return v;
}

}  // namespace quanto::inline v0::nn
