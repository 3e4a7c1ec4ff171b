// Batched products of two activations, over all leading dimensions, which repeat where one has size 1 or lacks them:
//     matmul(a, b)              y[.., m, n] = sum_k a[.., m, k] * b[.., k, n]
//     matmul_transposed(a, b)   y[.., m, n] = sum_k a[.., m, k] * b[.., n, k]
// Neither operand is copied: a backend multiplies them as a batch_product (kernels/matmul/batch_product.hpp).
// int8 times int8 is exact in int32 and then scaled; the result is float. A scale per row of a works too, and one per
// row of b in the transposed form. All other pairs are float products of dequantized values.
#pragma once

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

Activation matmul_transposed(Activation const& a, Activation const& b);

Activation matmul(Activation const& a, Activation const& b);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/matmul.inl>
#endif
