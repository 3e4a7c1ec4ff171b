// The products of the way back, arranged so that the backend's product y = x w^T does them. For y = x w^T:
//     dx (M, K) = dy (M, N) (w^T)^T         dw (N, K) = dy^T (N, M) (x^T)^T         db (N) = sum over the rows of dy
#pragma once

#include <quanto/nn/activation.hpp>
#include <quanto/nn/weight.hpp>

namespace quanto::inline v0::nn::detail {

result<Tensor<float>> transposed(matrix_view<float const> x, memory_ref memory);

// The values that a forward pass multiplies with: quantized ones where it is quantized.
result<Tensor<float>> values_of(Weight const& w, memory_ref memory);

// A weight as a matrix (rows, rest).
inline matrix_view<float const> matrix_of(Tensor<float> const& w) noexcept {
    std::size_t const rows = w.shape().front();
    return {w.data(), rows, rows == 0 ? 0 : w.size() / rows};
}

// The weight transposed, (rest, rows): as the tape lends it, or made, in `own`.
result<matrix_view<float const>> transposed_weight(Tape& tape, Weight const& w, Tensor<float>& own, memory_ref memory);

// dx, in the shape of x. w (N, K): the weight as a matrix (N, rest).
result<Tensor<float>> input_gradient(Tape& tape, matrix_view<float const> dy, Weight const& w, extents const& shape,
                                     context const& where);

// dw, in the shape of the weight. x (M, K).
result<Tensor<float>> weight_gradient(matrix_view<float const> dy, matrix_view<float const> x, extents const& shape,
                                      context const& where);

result<Tensor<float>> sum_of_rows(matrix_view<float const> dy, memory_ref memory);

}  // namespace quanto::inline v0::nn::detail

#if QUANTO_HAS_BODIES
#include <quanto/nn/gradient.inl>
#endif
