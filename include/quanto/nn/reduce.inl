// The bodies of reduce.hpp.
#pragma once

#include <utility>

#include <quanto/nn/move.hpp>
#include <quanto/nn/operations.hpp>
#include <quanto/nn/strided.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// A tensor as (outer, n, inner), n being the size of dimension d.
struct reduction {
    std::size_t outer = 1, n = 1, inner = 1;
    extents shape{};

    reduction(extents const& from, std::size_t d) noexcept : n(from[d]) {
        for (std::size_t i = 0; i != from.rank(); ++i) {
            if (i == d) continue;
            (i < d ? outer : inner) *= from[i];
            shape.push_back(from[i]);
        }
    }
    // out[o, i] = f(pointer to the first of n elements, `inner` apart)
    template <class T, class F>
    result<Tensor<T>> run(float const* x, memory_ref memory, F const& f) const {
        auto out = Tensor<T>::make_for_overwrite(shape, memory);
        if (out)
            for (std::size_t o = 0, k = 0; o != outer; ++o)
                for (std::size_t i = 0; i != inner; ++i) (*out)[k++] = f(x + o * n * inner + i);
        return out;
    }
};

// The sum times `factor(n)`.
template <class F>
Activation summed(operation const& o, Activation const& x, std::ptrdiff_t d, F factor) {
    if (!x) return x;
    auto const at = dimension(o.name, d, x.shape());
    if (!at) return at.error();
    auto const values = x.floats();
    if (!values) return values.error().within(o.name);
    reduction const r(x.shape(), *at);
    double const scale = factor(static_cast<double>(r.n));
    auto out = r.run<float>(std::as_const(*values).data(), x.where().memory, [&](float const* v) {
        double sum = 0.0;
        for (std::size_t j = 0; j != r.n; ++j) sum += static_cast<double>(v[j * r.inner]);
        return static_cast<float>(sum * scale);
    });
    if (!out) return out.error().within(o.name);
    Activation y = like(x, std::move(*out));
    if (x.node() == nullptr) return y;
    return recorded(std::move(y), [r, scale, shape = x.shape(), to = x.node(), memory = x.where().memory](
                                      Tape& tape, Tensor<float> const& dy) {
        auto dx = Tensor<float>::make_for_overwrite(shape, memory);
        if (dx)
            for (std::size_t k = 0; k != dx->size(); ++k)
                (*dx)[k] = dy[k / (r.n * r.inner) * r.inner + k % r.inner] * static_cast<float>(scale);
        return tape.add(to, std::move(dx));
    });
}
}  // namespace detail

QUANTO_BODY Activation sum(Activation const& x, std::ptrdiff_t d) {
    return detail::summed(operations::sum, x, d, [](double) { return 1.0; });
}

QUANTO_BODY Activation mean(Activation const& x, std::ptrdiff_t d) {
    return detail::summed(operations::mean, x, d, [](double n) { return 1.0 / n; });
}

QUANTO_BODY result<Tensor<std::size_t>> argmax(Activation const& x, std::ptrdiff_t d) {
    if (!x) return x.error();
    auto const at = dimension("argmax", d, x.shape());
    if (!at) return at.error();
    if (x.shape()[*at] == 0) return error(errc::shape_mismatch, "argmax: of nothing");
    auto const values = x.floats();
    if (!values) return values.error();
    detail::reduction const r(x.shape(), *at);
    return r.run<std::size_t>(std::as_const(*values).data(), x.where().memory, [&](float const* v) {
        std::size_t best = 0;
        for (std::size_t j = 1; j != r.n && !is_nan(v[best * r.inner]); ++j)
            if (!(v[j * r.inner] <= v[best * r.inner])) best = j;
        return best;
    });
}

QUANTO_BODY Activation amax(Activation const& x, std::ptrdiff_t d) {
    auto const best = argmax(x, d);
    if (!best) return best.error();
    detail::reduction const r(x.shape(), *dimension("amax", d, x.shape()));
    auto out = Tensor<float>::make_for_overwrite(r.shape, x.where().memory);
    if (!out) return out.error();
    auto const source = [r](std::size_t k, std::size_t j) { return (k / r.inner * r.n + j) * r.inner + k % r.inner; };
    for (std::size_t k = 0; k != out->size(); ++k) (*out)[k] = x[source(k, (*best)[k])];
    Activation y = like(x, std::move(*out));
    if (x.node() == nullptr) return y;
    return recorded(std::move(y), [source, best = *best, shape = x.shape(), to = x.node(), memory = x.where().memory](
                                      Tape& tape, Tensor<float> const& dy) {
        auto dx = Tensor<float>::make(shape, memory);
        if (dx)
            for (std::size_t k = 0; k != dy.size(); ++k) (*dx)[source(k, best[k])] = dy[k];
        return tape.add(to, std::move(dx));
    });
}

}  // namespace quanto::inline v0::nn
