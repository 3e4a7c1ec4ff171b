// Reductions over one dimension d, which disappears, in float: sum, mean (added in double, rounded once), amax, argmax.
#pragma once

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

Activation sum(Activation const& x, std::ptrdiff_t d);
// Of nothing: NaN.
Activation mean(Activation const& x, std::ptrdiff_t d);

// The index of the largest element; the first of equal ones, and of NaN. Errors: a dimension of size 0.
result<Tensor<std::size_t>> argmax(Activation const& x, std::ptrdiff_t d);
// The largest element, or NaN where there is one. The gradient goes to the element that argmax names.
Activation amax(Activation const& x, std::ptrdiff_t d);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/reduce.inl>
#endif
