// The bodies of matmul.hpp.
#pragma once

#include <utility>

#include <quanto/nn/move.hpp>
#include <quanto/nn/operations.hpp>
#include <quanto/nn/strided.hpp>

namespace quanto::inline v0::nn {

namespace detail {

// The dimensions of a matrix. Precondition: a rank of 2 and more.
inline std::size_t rows_of(extents const& shape) noexcept { return shape[shape.rank() - 2]; }
inline extents before_matrix(extents const& shape) noexcept {
    extents dims;
    for (std::size_t d = 0; d + 2 < shape.rank(); ++d) dims.push_back(shape[d]);
    return dims;
}

// The matrices of a tensor of that shape, repeated to the dimensions before them. Precondition: they fit.
template <class Void>
any_batch_view<Void> matrices(any_matrix_view<Void> const& first, extents const& shape, extents const& dims) noexcept {
    any_batch_view<Void> batch{first};
    auto const own = strided::broadcast(before_matrix(shape), dims);
    for (std::size_t d = 0; d != dims.rank(); ++d) batch.steps[d] = own->strides[d] * first.rows * first.cols;
    return batch;
}
inline input_batch matrices(Tensor<float> const& x, extents const& dims) noexcept {
    return matrices<void const>(matrix_view<float const>(x.data(), rows_of(x.shape()), x.shape().back()), x.shape(),
                                dims);
}
inline input_batch matrices_of_codes(Activation const& x, extents const& dims) noexcept {
    matrix_view<std::int8_t const> const codes(x.int8_codes(), rows_of(x.shape()), x.shape().back());
    return matrices<void const>({codes, x.has_row_scales() ? 1.0f : x.scale()}, x.shape(), dims);
}

// y of all but y.
inline result<Tensor<float>> multiplied(context const& where, batch_product p) {
    extents shape = p.counts;
    shape.push_back(p.m());
    shape.push_back(p.n());
    auto y = Tensor<float>::make_for_overwrite(shape, where.memory);
    if (!y || y->size() == 0) return y;
    p.y = matrices<void>(matrix_view<float>(y->data(), p.m(), p.n()), shape, p.counts);
    if (auto done = where.backend.matmul(p, where.memory); !done) return done.error();
    return y;
}

// x with its last two dimensions exchanged.
inline result<Tensor<float>> transposed(Tensor<float> const& x, memory_ref memory) {
    strided s = strided::all(x.shape());
    std::size_t const last = x.shape().rank() - 1;
    std::swap(s.shape[last], s.shape[last - 1]);
    std::swap(s.strides[last], s.strides[last - 1]);
    return gathered(s, x, memory);
}

// dims: those of y before its matrices.
inline result<success> product_backward(Tape& tape, Activation const& a, Activation const& b, batch_axis b_rows,
                                        extents const& dims, Tensor<float> const& dy) {
    auto const where = leading(a, b).where();
    auto const u = a.floats(), v = b.floats();
    if (!u || !v) return (u ? v : u).error();
    auto const add = [&](Activation const& to, Tensor<float> const& x, Tensor<float> const& w, batch_axis w_rows) {
        auto dx = multiplied(where, {dims, matrices(x, dims), matrices(w, dims), {}, w_rows});
        if (dx && dx->shape() != to.shape())  // what repeats gets the sum of its gradients
            dx = scattered(*strided::broadcast(to.shape(), dx->shape()), *dx, to.shape(), where.memory);
        return tape.add(to.node(), std::move(dx));
    };
    // da = dy b, db = dy^T a; where the rows of b are k, da = dy b^T, db = a^T dy.
    bool const by_n = b_rows == batch_axis::n;
    if (a.node() != nullptr)
        if (auto done = add(a, dy, *v, by_n ? batch_axis::k : batch_axis::n); !done) return done;
    if (b.node() == nullptr) return success{};
    auto const left = transposed(by_n ? dy : *u, where.memory);
    return left ? add(b, *left, by_n ? *u : dy, batch_axis::k) : left.error();
}

// y = a * b^T, or a * b where the rows of b are k.
inline Activation product(Activation const& a, Activation const& b, batch_axis b_rows) {
    if (!a || !b) return a ? b : a;
    bool const by_n = b_rows == batch_axis::n;
    if (a.shape().rank() < 2 || b.shape().rank() < 2 ||
        a.shape().back() != (by_n ? b.shape().back() : rows_of(b.shape()))) {
        error e = append(error(errc::shape_mismatch, "matmul: "), a.shape());
        return append(e.append(by_n ? " times the transpose of " : " times "), b.shape());
    }
    extents const of_a = before_matrix(a.shape()), of_b = before_matrix(b.shape()), dims = repeated(of_a, of_b);
    if (!strided::broadcast(of_a, dims) || !strided::broadcast(of_b, dims)) {
        error e = append(error(errc::shape_mismatch, "matmul: leading dimensions of "), of_a);
        return append(e.append(" and "), of_b);
    }
    Activation const& lead = leading(a, b);
    std::string_view const obstacle = a.shape().back() > longest_int8_sum
                                          ? std::string_view("sums of so many terms exceed an int32")
                                      : !by_n && b.has_row_scales() ? rows_taken_apart
                                                                    : std::string_view();
    auto const multiply = [&]() -> result<Tensor<float>> {
        if (explain(operations::matmul, {&a, &b}, obstacle)) {
            a.source().read_by();
            b.source().read_by();
            return multiplied(lead.where(), {dims,
                                             matrices_of_codes(a, dims),
                                             matrices_of_codes(b, dims),
                                             {},
                                             b_rows,
                                             a.row_scales().data(),
                                             b.row_scales().data()});
        }
        auto const u = a.floats(), v = b.floats();
        if (!u || !v) return (u ? v : u).error();
        return multiplied(lead.where(), {dims, matrices(*u, dims), matrices(*v, dims), {}, b_rows});
    };
    auto y = multiply();
    if (!y) return y.error().within("matmul");
    Activation out = like(lead, std::move(*y));
    if (a.node() == nullptr && b.node() == nullptr) return out;
    return recorded(std::move(out), [a, b, b_rows, dims](Tape& tape, Tensor<float> const& dy) {
        return product_backward(tape, a, b, b_rows, dims, dy);
    });
}

}  // namespace detail

QUANTO_BODY Activation matmul_transposed(Activation const& a, Activation const& b) {
    return detail::product(a, b, batch_axis::n);
}

QUANTO_BODY Activation matmul(Activation const& a, Activation const& b) { return detail::product(a, b, batch_axis::k); }

}  // namespace quanto::inline v0::nn
