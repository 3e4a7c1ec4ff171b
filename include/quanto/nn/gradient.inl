// The bodies of gradient.hpp.
#pragma once

#include <utility>

#include <quanto/kernels/transpose.hpp>
#include <quanto/kernels/vectorized.hpp>

namespace quanto::inline v0::nn::detail {

QUANTO_BODY result<Tensor<float>> transposed(matrix_view<float const> x, memory_ref memory) {
    auto t = Tensor<float>::make({x.cols, x.rows}, memory);
    if (t) transpose(x, matrix_view<float>(t->data(), x.cols, x.rows));
    return t;
}

QUANTO_BODY result<Tensor<float>> values_of(Weight const& w, memory_ref memory) {
    auto values = Tensor<float>::make(w.shape(), memory);
    if (!values) return values;
    if (w.quantized() != nullptr || w.prepared() != nullptr) {
        auto const q = w.portable(memory);
        if (!q) return q.error();
        q->visit([&](auto const& v) { dequantize(v, values->data(), vectorized{}); });
    } else {
        for (std::size_t i = 0; i != values->size(); ++i) (*values)[i] = (*w.master())[i];
    }
    return values;
}

QUANTO_BODY result<matrix_view<float const>> transposed_weight(Tape& tape, Weight const& w, Tensor<float>& own,
                                                               memory_ref memory) {
    if (auto const lent = tape.transposed(&w); lent.data != nullptr) return lent;
    auto const values = values_of(w, memory);
    if (!values) return values.error();
    auto made = transposed(matrix_of(*values), memory);
    if (!made) return made.error();
    own = std::move(*made);
    return matrix_view<float const>(std::as_const(own).view());
}

QUANTO_BODY result<Tensor<float>> input_gradient(Tape& tape, matrix_view<float const> dy, Weight const& w,
                                                 extents const& shape, context const& where) {
    Tensor<float> own;
    auto const wt = transposed_weight(tape, w, own, where.memory);
    if (!wt) return wt.error();
    auto dx = Tensor<float>::make(shape, where.memory);
    if (dx) where.backend.matmul(dy, *wt, matrix_view<float>(dx->data(), dy.rows, wt->rows));
    return dx;
}

QUANTO_BODY result<Tensor<float>> weight_gradient(matrix_view<float const> dy, matrix_view<float const> x,
                                                  extents const& shape, context const& where) {
    auto const dyt = transposed(dy, where.memory), xt = transposed(x, where.memory);
    if (!dyt || !xt) return dyt ? xt : dyt;
    auto dw = Tensor<float>::make(shape, where.memory);
    if (dw) where.backend.matmul(*dyt, *xt, matrix_view<float>(dw->data(), dy.cols, x.cols));
    return dw;
}

QUANTO_BODY result<Tensor<float>> sum_of_rows(matrix_view<float const> dy, memory_ref memory) {
    auto sum = Tensor<float>::make({dy.cols}, memory);
    if (!sum) return sum;
    float* const s = sum->data();
    for (std::size_t m = 0; m != dy.rows; ++m)
        for (std::size_t n = 0; n != dy.cols; ++n) s[n] += dy(m, n);
    return sum;
}

}  // namespace quanto::inline v0::nn::detail
