// The bodies of attention.hpp.
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include <quanto/nn/elementwise.hpp>
#include <quanto/nn/matmul.hpp>
#include <quanto/nn/move.hpp>
#include <quanto/nn/softmax.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// Scores of what a query may not see as `number`; the queries of shared heads follow each other, `length` each.
inline void hide(tensor_view<float> const& scores, std::size_t length, float number) noexcept {
    matrix_view<float> const all(scores);
    std::size_t const seen = scores.shape().back(), rows = scores.shape()[scores.shape().rank() - 2];
    for (std::size_t r = 0; r != all.rows; ++r)
        for (std::size_t c = r % rows % length + seen + 1 - length; c < seen; ++c) all(r, c) = number;
}
inline Activation causal(Activation scores, std::size_t length) {
    auto values = std::move(scores).value();
    if (!values) return values.error();
    hide(values->view(), length, -std::numeric_limits<float>::infinity());
    Activation y = like(scores, std::move(*values));
    if (scores.node() == nullptr) return y;
    return recorded(std::move(y), [to = scores.node(), length](Tape& tape, Tensor<float> dy) {
        hide(dy.view(), length, 0.0f);
        return tape.add(to, std::move(dy));
    });
}

// All heads have their own k and v; `length` queries of a head follow each other.
inline Activation attend(Activation const& q, Activation const& k, Activation const& v, std::size_t length,
                         attention_options const& options) {
    Activation scores = matmul_transposed(div(q, std::sqrt(static_cast<float>(q.shape().back()))), k);
    if (scores && options.causal) scores = causal(std::move(scores), length);
    Activation p = softmax(std::move(scores));
    if (p && options.quantize_probabilities && v.is_quantized() && v.type()->is<qint8>())
        p = quantize_dynamic(p, qint8{}, activation_scaling::per_row);
    return matmul(p, v);
}

}  // namespace detail

QUANTO_BODY Activation attention(Activation const& q, Activation const& k, Activation const& v,
                                 attention_options const& options) {
    if (!q || !k || !v) return !q ? q : !k ? k : v;
    std::size_t const rank = q.shape().rank();
    auto const size = [rank](Activation const& x, std::size_t from_end) { return x.shape()[rank - from_end]; };
    bool fits = rank >= 2 && k.shape().rank() == rank && v.shape().rank() == rank && size(k, 2) == size(v, 2);
    for (std::size_t d = 3; fits && d <= rank; ++d)
        fits = size(k, d) == size(v, d) &&
               (size(q, d) == size(k, d) || (d == 3 && size(k, d) != 0 && size(q, d) % size(k, d) == 0));
    if (!fits || size(q, 1) != size(k, 1) || (options.causal && size(k, 2) < size(q, 2))) {
        error e = append(error(errc::shape_mismatch, "attention: "), q.shape());
        e = append(e.append(", "), k.shape());
        return append(e.append(" and "), v.shape());
    }
    std::size_t const length = size(q, 2);
    extents folded = q.shape(), out = q.shape();
    out[rank - 1] = size(v, 1);
    if (rank >= 3) {
        folded[rank - 3] = size(k, 3);
        folded[rank - 2] = size(k, 3) == 0 ? 0 : length * (size(q, 3) / size(k, 3));
    }
    return view(detail::attend(view(q, folded), k, v, length, options), out);
}

QUANTO_BODY Activation MultiHeadAttention::operator()(Activation const& x) const { return (*this)(x, x); }

QUANTO_BODY Activation MultiHeadAttention::operator()(Activation const& x, Activation const& y) const {
    if (!x || !y) return x ? y : x;
    std::size_t const width = q.out_features(), d = heads == 0 ? 0 : width / heads,
                      shared = d == 0 ? 0 : k.out_features() / d;
    if (shared == 0 || width % heads != 0 || k.out_features() % d != 0 || heads % shared != 0)
        return error(errc::shape_mismatch, "MultiHeadAttention: ", width, " features of q and ", k.out_features(),
                     " of k are not ", heads, " heads, shared or not");
    if (x.shape().rank() < 2 || x.shape().rank() > 6) {
        error e(errc::shape_mismatch, "MultiHeadAttention (", heads, " heads): the input has shape ");
        return append(e, x.shape());
    }
    auto const split = [d](Activation z) {
        if (!z) return z;
        std::size_t const count = z.shape().back() / d;
        return transpose(unflatten(std::move(z), -1, {count, d}), -3, -2);
    };
    Activation const mixed = attention(split(q(x)), split(k(y)), split(v(y)), options);
    if (!mixed) return mixed.error().within("MultiHeadAttention");
    Activation merged = transpose(mixed, -3, -2);
    extents shape = x.shape();
    shape[shape.rank() - 1] = q.out_features();
    return o(view(std::move(merged), shape));
}

}  // namespace quanto::inline v0::nn
