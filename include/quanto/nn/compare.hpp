// Comparisons and what follows from them. int8 codes of one scale are compared as numbers, the other way round where
// the scale is negative; all else by value.
//     lt, gt, eq            element by element
//     where(mask, a, b)     a where the mask is true, b elsewhere; b may be a number
//     masked_fill(a, mask, number)
// where() of codes stays codes if b is of the same scale, or a number that the scale holds: -infinity gives float.
#pragma once

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

result<Tensor<bool>> lt(Activation const& a, Activation const& b);
result<Tensor<bool>> gt(Activation const& a, Activation const& b);
result<Tensor<bool>> eq(Activation const& a, Activation const& b);

Activation where(Tensor<bool> const& mask, Activation const& a, float b);

Activation where(Tensor<bool> const& mask, Activation const& a, Activation const& b);

// The number where the mask is true.
Activation masked_fill(Activation const& x, Tensor<bool> const& mask, float number);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/compare.inl>
#endif
