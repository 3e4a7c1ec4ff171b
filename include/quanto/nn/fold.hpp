// fold(a, b): of two modules that follow each other, one a BatchNorm, the norm goes into the other and becomes the
// identity. With y = x * f[c] + o[c] for the norm:
//     fold(layer, norm)    w'[n][k] = w[n][k] * f[n],   b'[n] = b[n] * f[n] + o[n]       Linear, Conv1d, Conv2d
//     fold(norm, linear)   w'[n][k] = w[n][k] * f[c],   b'[n] = b[n] + sum over k of w[n][k] * o[c]
// In the second, a flatten may stand between: channel c is then in_features / channels columns k. Nothing else may: a
// norm behind an activation function belongs to the layer that follows. (Not to a convolution, where padding is not
// shifted.) Computed in double and rounded once; a weight that is marked is quantized anew.
// Errors, which change nothing: missing (no values), shape_mismatch, invalid_argument for a frozen weight.
#pragma once

#include <quanto/nn/batch_norm.hpp>
#include <quanto/nn/conv1d.hpp>
#include <quanto/nn/conv2d.hpp>
#include <quanto/nn/linear.hpp>

namespace quanto::inline v0::nn {

result<success> fold(Linear& layer, BatchNorm& norm);
result<success> fold(Conv1d& layer, BatchNorm& norm);
result<success> fold(Conv2d& layer, BatchNorm& norm);

result<success> fold(BatchNorm& norm, Linear& layer);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/fold.inl>
#endif
