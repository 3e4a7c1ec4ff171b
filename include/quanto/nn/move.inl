// The bodies of move.hpp.
#pragma once

#include <utility>

#include <quanto/nn/operations.hpp>
#include <quanto/nn/strided.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// Map: strided, or picked.
template <class Map>
Activation moved(operation const& o, Activation const& x, Map const& map) {
    // Rows of nothing have no scales.
    auto const rows = x.has_row_scales() && map.shape.back() != 0 ? map.rows(x.shape().back()) : std::nullopt;
    auto const memory = x.where().memory;
    std::optional<Activation> y;
    if (explain(o, {&x}, x.has_row_scales() && !rows ? detail::rows_taken_apart : std::string_view())) {
        auto codes = gathered(map, x.codes(), memory);
        if (!codes) return codes.error().within(o.name);
        if (rows) {
            auto scales = gathered(*rows, x.row_scales(), memory);
            if (!scales) return scales.error().within(o.name);
            std::size_t const n = scales->size();
            y = Activation(*x.type(), std::move(*codes), std::move(*scales).reshaped({n}), x.where_pointer())
                    .from(x.source());
        } else {
            y = x.with(std::move(*codes));
        }
    } else {
        auto const values = x.floats();
        if (!values) return values.error().within(o.name);
        auto out = gathered(map, *values, memory);
        if (!out) return out.error().within(o.name);
        y = like(x, std::move(*out));
    }
    if (x.node() == nullptr) return std::move(*y);
    return recorded(std::move(*y),
                    [map, shape = x.shape(), to = x.node(), memory](Tape& tape, Tensor<float> const& dy) {
                        return tape.add(to, scattered(map, dy, shape, memory));
                    });
}
}  // namespace detail

QUANTO_BODY Activation view(Activation x, extents const& shape) {
    if (!x) return x;
    if (std::size_t n = 0; !shape.checked_numel(n) || n != x.size()) {
        error e(errc::shape_mismatch, "view: ", x.size(), " elements as ");
        return append(e, shape);
    }
    if (explain(
            operations::view, {&x},
            x.has_row_scales() && shape.back() != x.shape().back() ? detail::rows_taken_apart : std::string_view()) ||
        !x.is_quantized())
        return std::move(x).reshaped(shape);
    auto values = x.value();
    if (!values) return values.error();
    return like(x, std::move(*values)).at(x.node()).reshaped(shape);
}

QUANTO_BODY Activation unflatten(Activation x, std::ptrdiff_t d, extents const& sizes) {
    if (!x) return x;
    auto const at = dimension("unflatten", d, x.shape());
    if (!at) return at.error();
    extents shape;
    if (x.shape().rank() - 1 + sizes.rank() > extents::max_rank)
        return error(errc::shape_mismatch, "unflatten: more than 8 dimensions");
    for (std::size_t i = 0; i != x.shape().rank(); ++i)
        if (i != *at)
            shape.push_back(x.shape()[i]);
        else
            for (std::size_t n : sizes) shape.push_back(n);
    return view(std::move(x), shape);
}

QUANTO_BODY Activation unsqueeze(Activation x, std::ptrdiff_t d) {
    if (!x) return x;
    if (x.shape().rank() == extents::max_rank) return error(errc::shape_mismatch, "unsqueeze: more than 8 dimensions");
    extents shape = x.shape();
    shape.push_back(1);
    auto const at = dimension("unsqueeze", d, shape);
    if (!at) return at.error();
    for (std::size_t i = shape.rank() - 1; i != *at; --i) std::swap(shape[i], shape[i - 1]);
    return view(std::move(x), shape);
}

QUANTO_BODY Activation squeeze(Activation x, std::ptrdiff_t d) {
    if (!x) return x;
    auto const at = dimension("squeeze", d, x.shape());
    if (!at) return at.error();
    return unflatten(std::move(x), static_cast<std::ptrdiff_t>(*at), {});
}

QUANTO_BODY Activation permute(Activation const& x, extents const& order) {
    if (!x) return x;
    strided const all = strided::all(x.shape());
    strided s;
    bool taken[extents::max_rank]{};
    for (std::size_t d : order) {
        if (d >= x.shape().rank() || taken[d] || order.rank() != x.shape().rank()) break;
        taken[d] = true;
        s.strides[s.shape.rank()] = all.strides[d];
        s.shape.push_back(x.shape()[d]);
    }
    if (s.shape.rank() != x.shape().rank()) {
        error e = append(error(errc::shape_mismatch, "permute: "), order);
        return append(e.append(" does not order the dimensions of "), x.shape());
    }
    return detail::moved(operations::permute, x, s);
}

QUANTO_BODY Activation transpose(Activation const& x, std::ptrdiff_t a, std::ptrdiff_t b) {
    if (!x) return x;
    auto const i = dimension("transpose", a, x.shape()), j = dimension("transpose", b, x.shape());
    if (!i || !j) return i ? j.error() : i.error();
    extents order;
    for (std::size_t d = 0; d != x.shape().rank(); ++d) order.push_back(d == *i ? *j : d == *j ? *i : d);
    return permute(x, order);
}

QUANTO_BODY Activation expand(Activation const& x, extents const& shape) {
    if (!x) return x;
    auto const s = strided::broadcast(x.shape(), shape);
    if (s) return detail::moved(operations::expand, x, *s);
    error e = append(error(errc::shape_mismatch, "expand: "), x.shape());
    return append(e.append(" does not repeat to "), shape);
}

QUANTO_BODY Activation slice(Activation const& x, std::ptrdiff_t d, std::size_t begin, std::size_t end,
                             std::size_t step) {
    if (!x) return x;
    auto const at = dimension("slice", d, x.shape());
    if (!at) return at.error();
    if (begin > end || end > x.shape()[*at] || step == 0)
        return error(errc::shape_mismatch, "slice: ", begin, " to ", end, " in steps of ", step, " of a dimension of ",
                     x.shape()[*at]);
    strided s = strided::all(x.shape());
    s.offset = begin * s.strides[*at];
    s.shape[*at] = ceil_div(end - begin, step);
    s.strides[*at] *= step;
    return detail::moved(operations::slice, x, s);
}

QUANTO_BODY Activation select(Activation const& x, std::ptrdiff_t d, std::size_t i) {
    if (!x) return x;
    auto const at = dimension("select", d, x.shape());
    if (!at) return at.error();
    if (i >= x.shape()[*at])
        return error(errc::shape_mismatch, "select: index ", i, " of a dimension of ", x.shape()[*at]);
    return squeeze(slice(x, d, i, i + 1), static_cast<std::ptrdiff_t>(*at));
}

QUANTO_BODY std::vector<Activation> split(Activation const& x, std::span<std::size_t const> sizes, std::ptrdiff_t d) {
    std::vector<Activation> parts;
    auto const at = x ? dimension("split", d, x.shape()) : result<std::size_t>(x.error());
    if (!at) return {at.error()};
    std::size_t begin = 0, sum = 0;
    for (std::size_t n : sizes) sum += n;
    if (sum != x.shape()[*at])
        return {error(errc::shape_mismatch, "split: parts of ", sum, " of a dimension of ", x.shape()[*at])};
    for (std::size_t n : sizes) {
        parts.push_back(slice(x, d, begin, begin + n));
        begin += n;
    }
    return parts;
}

QUANTO_BODY std::vector<Activation> split(Activation const& x, std::size_t size, std::ptrdiff_t d) {
    auto const at = x ? dimension("split", d, x.shape()) : result<std::size_t>(x.error());
    if (!at) return {at.error()};
    if (size == 0) return {error(errc::shape_mismatch, "split: parts of 0")};
    std::vector<std::size_t> sizes(x.shape()[*at] / size, size);
    if (std::size_t const rest = x.shape()[*at] % size; rest != 0) sizes.push_back(rest);
    return split(x, sizes, d);
}

QUANTO_BODY std::vector<Activation> chunk(Activation const& x, std::size_t n, std::ptrdiff_t d) {
    auto const at = x ? dimension("chunk", d, x.shape()) : result<std::size_t>(x.error());
    if (!at) return {at.error()};
    if (n == 0) return {error(errc::shape_mismatch, "chunk: into 0 parts")};
    return split(x, x.shape()[*at] == 0 ? 1 : ceil_div(x.shape()[*at], n), d);
}

QUANTO_BODY std::vector<Activation> unbind(Activation const& x, std::ptrdiff_t d) {
    auto const at = x ? dimension("unbind", d, x.shape()) : result<std::size_t>(x.error());
    if (!at) return {at.error()};
    std::vector<Activation> parts;
    for (std::size_t i = 0; i != x.shape()[*at]; ++i) parts.push_back(select(x, d, i));
    return parts;
}

QUANTO_BODY Activation index(Activation const& x, std::span<std::size_t const> rows) {
    if (!x) return x;
    auto const at = dimension("index", 0, x.shape());
    if (!at) return at.error();
    std::size_t const n = x.shape().front();
    for (std::size_t r : rows)
        if (r >= n) return error(errc::shape_mismatch, "index: row ", r, " of ", n);
    picked p{x.shape(), n == 0 ? 0 : x.size() / n, {rows.begin(), rows.end()}};
    p.shape[0] = rows.size();
    return detail::moved(operations::index, x, p);
}

}  // namespace quanto::inline v0::nn
