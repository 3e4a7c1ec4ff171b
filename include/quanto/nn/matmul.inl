// The bodies of matmul.hpp.
#pragma once

#include <utility>
#include <vector>

#include <quanto/nn/move.hpp>
#include <quanto/nn/operations.hpp>
#include <quanto/nn/strided.hpp>

namespace quanto::inline v0::nn {

namespace detail {
inline constexpr std::size_t longest_int8_product = (std::size_t{1} << 17) - 1;  // (-128)^2 times that fits an int32

// y (B, M, N) of a (B, M, K) and b (B, N, K).
struct batched_product {
    std::size_t batches, m, n, k;

    void floats(context const& where, float const* a, float const* b, float* y) const noexcept {
        for (std::size_t i = 0; i != batches; ++i)
            where.backend.matmul(matrix_view<float const>(a + i * m * k, m, k),
                                 matrix_view<float const>(b + i * n * k, n, k),
                                 matrix_view<float>(y + i * m * n, m, n));
    }
    result<success> codes(context const& where, Activation const& a, Activation const& b, float* y) const {
        auto scales = Tensor<float>::make({b.has_row_scales() ? 0 : n}, where.memory);
        if (!scales) return scales.error();
        for (std::size_t j = 0; j != scales->size(); ++j) (*scales)[j] = b.scale();
        qtensor_view<qint8> w;
        w.shape = {n, k};
        w.layout = grouping(w.shape, axis::first, whole_axis);
        for (std::size_t i = 0; i != batches; ++i) {
            w.codes = b.codes().data() + i * n * k;
            float const* const row_scales =
                b.has_row_scales() ? b.row_scales().data() + i * n : std::as_const(*scales).data();
            w.scales = reinterpret_cast<std::byte const*>(row_scales);
            auto const* const x = a.int8_codes() + i * m * k;
            matrix_view<float> const out(y + i * m * n, m, n);
            where.backend.matmul(matrix_view<std::int8_t const>(x, m, k), a.has_row_scales() ? 1.0f : a.scale(), w,
                                 out);
            if (a.has_row_scales())
                for (std::size_t r = 0; r != m; ++r)
                    for (std::size_t j = 0; j != n; ++j) out(r, j) *= a.row_scales()[i * m + r];
        }
        return success{};
    }
};

// (batches, rows, cols) as (batches, cols, rows).
inline result<Tensor<float>> transposed_batches(float const* x, std::size_t batches, std::size_t rows, std::size_t cols,
                                                memory_ref memory) {
    strided const s{{batches, cols, rows}, 0, {rows * cols, 1, cols}};
    return gathered(s, Tensor<float>::borrow({x, {batches, rows, cols}}), memory);
}

// The leading dimensions of a and b, repeated to each other. Precondition: ranks of 2 and more.
inline result<extents> leading_dimensions(Activation const& a, Activation const& b) {
    extents x, y;
    for (std::size_t d = 0; d + 2 < a.shape().rank(); ++d) x.push_back(a.shape()[d]);
    for (std::size_t d = 0; d + 2 < b.shape().rank(); ++d) y.push_back(b.shape()[d]);
    extents const both = repeated(x, y);
    if (strided::broadcast(x, both) && strided::broadcast(y, both)) return both;
    error e = append(error(errc::shape_mismatch, "matmul: leading dimensions of "), a.shape());
    return append(e.append(" and "), b.shape());
}

inline Activation repeated_to(Activation const& x, extents shape) {
    shape.push_back(x.shape()[x.shape().rank() - 2]);
    shape.push_back(x.shape().back());
    return x.shape() == shape ? x : expand(x, shape);
}

}  // namespace detail

QUANTO_BODY Activation matmul_transposed(Activation const& a, Activation const& b) {
    if (!a || !b) return a ? b : a;
    std::size_t const rank = a.shape().rank();
    if (rank < 2 || b.shape().rank() < 2 || a.shape().back() != b.shape().back()) {
        error e = append(error(errc::shape_mismatch, "matmul: "), a.shape());
        return append(e.append(" times the transpose of "), b.shape());
    }
    auto shape = detail::leading_dimensions(a, b);
    if (!shape) return shape.error();
    if (a.shape().rank() != b.shape().rank() || shape->numel() * a.shape()[rank - 2] * a.shape().back() != a.size() ||
        shape->numel() * b.shape()[rank - 2] * b.shape().back() != b.size()) {
        Activation const x = detail::repeated_to(a, *shape), w = detail::repeated_to(b, *shape);
        return x && w ? matmul_transposed(x, w) : x ? w : x;
    }
    detail::batched_product const product{shape->numel(), a.shape()[rank - 2], b.shape()[rank - 2], a.shape().back()};
    shape->push_back(product.m);
    shape->push_back(product.n);
    Activation const& lead = detail::leading(a, b);
    auto const where = lead.where();
    auto y = Tensor<float>::make(*shape, where.memory);
    if (!y) return y.error().within("matmul");
    if (explain(operations::matmul, {&a, &b},
                product.k > detail::longest_int8_product ? "sums of so many terms exceed an int32" : "")) {
        a.source().read_by();
        b.source().read_by();
        if (y->size() != 0)
            if (auto done = product.codes(where, a, b, y->data()); !done) return done.error().within("matmul");
    } else {
        auto const u = a.floats(), v = b.floats();
        if (!u || !v) return (u ? v : u).error().within("matmul");
        if (y->size() != 0) product.floats(where, std::as_const(*u).data(), std::as_const(*v).data(), y->data());
    }
    Activation out = like(lead, std::move(*y));
    if (a.node() == nullptr && b.node() == nullptr) return out;
    // da = dy b, db = dy^T a, each as the product with the transpose of a transpose.
    return recorded(std::move(out), [a, b, product](Tape& tape, Tensor<float> const& dy) -> result<success> {
        auto const here = detail::leading(a, b).where();
        auto const [batches, m, n, k] = product;
        auto const u = a.floats(), v = b.floats();
        if (!u || !v) return (u ? v : u).error();
        auto const add = [&](Activation const& to, auto const& left, auto const& right,
                             detail::batched_product const& p) -> result<success> {
            if (to.node() == nullptr) return success{};
            auto dx = Tensor<float>::make(to.shape(), here.memory);
            if (!dx) return dx.error();
            p.floats(here, left, right, dx->data());
            return tape.add(to.node(), std::move(dx));
        };
        auto const bt = detail::transposed_batches(std::as_const(*v).data(), batches, n, k, here.memory);
        if (!bt) return bt.error();
        if (auto done = add(a, dy.data(), std::as_const(*bt).data(), {batches, m, k, n}); !done) return done;
        auto const dyt = detail::transposed_batches(dy.data(), batches, m, n, here.memory);
        auto const at = detail::transposed_batches(std::as_const(*u).data(), batches, m, k, here.memory);
        if (!dyt || !at) return (dyt ? at : dyt).error();
        return add(b, std::as_const(*dyt).data(), std::as_const(*at).data(), {batches, n, k, m});
    });
}

QUANTO_BODY Activation matmul(Activation const& a, Activation const& b) {
    if (!b || b.shape().rank() < 2) return matmul_transposed(a, b);
    return matmul_transposed(a, transpose(b, -2, -1));
}

}  // namespace quanto::inline v0::nn
