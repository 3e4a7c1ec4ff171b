// The bodies of pooling.hpp.
#pragma once

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include <quanto/nn/any_tensors.hpp>
#include <quanto/nn/operations.hpp>

namespace quanto::inline v0::nn {

namespace detail {

struct pooled_shape {
    size_2d in, out;
    extents shape;
    std::size_t planes;
};

// `outputs(in)` gives the size of a plane of y, or an error.
template <class F>
result<pooled_shape> pool_shape(std::string_view name, Activation const& x, F const& outputs) {
    std::size_t const rank = x.shape().rank();
    if (rank < 2 || x.shape()[rank - 2] == 0 || x.shape()[rank - 1] == 0)
        return append(error(errc::shape_mismatch, name, ": the input has shape "), x.shape());
    pooled_shape p{{x.shape()[rank - 2], x.shape()[rank - 1]}, {}, x.shape(), 0};
    auto const out = outputs(p.in);
    if (!out) return out.error().within(name);
    p.out = *out;
    p.planes = x.size() / p.in.area();
    p.shape[rank - 2] = p.out.height;
    p.shape[rank - 1] = p.out.width;
    return p;
}

// y[o] = the maximum over the window of o. T: float or std::int8_t.
template <class T>
void max_pool_plane(window const& w, size_2d in, size_2d out, T const* x, T* y) noexcept {
    constexpr T lowest =
        std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
    std::fill(y, y + out.area(), lowest);
    w.for_each_run(in, out, [&](std::size_t, std::size_t output, std::size_t input, std::size_t n) {
        T const* const from = x + input;
        T* const to = y + output;
        for (std::size_t t = 0; t != n; ++t) {  // without branches: which one wins cannot be predicted
            T const v = from[t * w.stride.width], best = to[t];
            to[t] = int{best < v} | int{v != v} ? v : best;  // v != v: NaN
        }
    });
}

// dx += dy at the first element of each window that is y (or NaN, as y is then). What was given away is 0 in dy then.
template <class T>
void max_pool_plane_back(window const& w, size_2d in, size_2d out, T const* x, T const* y, float* dy,
                         float* dx) noexcept {
    w.for_each_run(in, out, [&](std::size_t, std::size_t output, std::size_t input, std::size_t n) {
        T const *const from = x + input, *const best = y + output;
        float *const rest = dy + output, *const to = dx + input;
        for (std::size_t t = 0; t != n; ++t) {
            T const v = from[t * w.stride.width];
            std::uint32_t const wins = 0u - (std::uint32_t{v == best[t]} | std::uint32_t{v != v});
            auto const g = bit_cast<std::uint32_t>(rest[t]);
            to[t * w.stride.width] += bit_cast<float>(g & wins);
            rest[t] = bit_cast<float>(g & ~wins);
        }
    });
}

// y = sum over [begin, end) in both directions / count. range(o, direction) gives begin, end and what counts.
struct average_range {
    std::size_t begin, end, count;
};
template <class Rows, class Columns>
Activation average(Activation const& x, pooled_shape const& p, Rows const& rows, Columns const& columns) {
    auto y = Tensor<float>::make_for_overwrite(p.shape, x.where().memory);
    if (!y) return y.error();
    auto const values = x.floats();
    if (!values) return values.error();
    float const* from = values->data();
    float* to = y->data();
    for (std::size_t plane = 0; plane != p.planes; ++plane, from += p.in.area())
        for (std::size_t oy = 0; oy != p.out.height; ++oy)
            for (std::size_t ox = 0; ox != p.out.width; ++ox) {
                average_range const h = rows(oy), v = columns(ox);
                float sum = 0.0f;
                for (std::size_t iy = h.begin; iy != h.end; ++iy)
                    for (std::size_t ix = v.begin; ix != v.end; ++ix) sum += from[iy * p.in.width + ix];
                *to++ = sum / static_cast<float>(h.count * v.count);
            }
    Activation out = like(x, std::move(*y));
    if (x.node() == nullptr) return out;
    return recorded(std::move(out),
                    [p, rows, columns, shape = x.shape(), memory = x.where().memory, node = x.node()](
                        Tape& tape, Tensor<float> const& dy) -> result<success> {
                        auto dx = Tensor<float>::make(shape, memory);
                        if (!dx) return dx.error();
                        float const* g = dy.data();
                        float* plane = dx->data();
                        for (std::size_t i = 0; i != p.planes; ++i, plane += p.in.area())
                            for (std::size_t oy = 0; oy != p.out.height; ++oy)
                                for (std::size_t ox = 0; ox != p.out.width; ++ox, ++g) {
                                    average_range const h = rows(oy), v = columns(ox);
                                    float const share = *g / static_cast<float>(h.count * v.count);
                                    for (std::size_t iy = h.begin; iy != h.end; ++iy)
                                        for (std::size_t ix = v.begin; ix != v.end; ++ix)
                                            plane[iy * p.in.width + ix] += share;
                                }
                        return tape.add(node, std::move(dx));
                    });
}

inline result<size_2d> pool_outputs(window const& w, size_2d in) {
    if (2 * w.padding.height > w.kernel.height || 2 * w.padding.width > w.kernel.width)
        return error(errc::invalid_argument, "the padding is more than half of the kernel");
    return w.outputs(in);
}

inline Activation recorded_max_pool(Activation const& x, Activation y, window const& w, pooled_shape const& p) {
    if (!y || x.node() == nullptr) return y;
    y = std::move(y).shared();
    return recorded(y, [x, y, w, p](Tape& tape, Tensor<float> dy) -> result<success> {
        auto dx = Tensor<float>::make(x.shape(), x.where().memory);
        if (!dx) return dx.error();
        auto const back = [&](auto const* from, auto const* to) {
            for (std::size_t i = 0; i != p.planes; ++i)
                max_pool_plane_back(w, p.in, p.out, from + i * p.in.area(), to + i * p.out.area(),
                                    dy.data() + i * p.out.area(), dx->data() + i * p.in.area());
        };
        if (y.is_quantized()) {
            back(x.int8_codes(), y.int8_codes());
        } else {
            auto const values = x.floats();
            if (!values) return values.error();
            back(values->data(), y.values().data());
        }
        return tape.add(x.node(), std::move(dx));
    });
}

}  // namespace detail

QUANTO_BODY Activation max_pool2d(Activation const& x, size_2d kernel, max_pool_options const& o) {
    if (!x) return x;
    window const w{kernel, o.stride.value_or(kernel), o.padding, o.dilation};
    auto const p = detail::pool_shape("max_pool2d", x, [&](size_2d in) { return detail::pool_outputs(w, in); });
    if (!p) return p.error();
    auto const pool = [&](auto const* from, auto* to) {
        for (std::size_t i = 0; i != p->planes; ++i)
            detail::max_pool_plane(w, p->in, p->out, from + i * p->in.area(), to + i * p->out.area());
    };
    if (explain(operations::max_pool, {&x},
                x.has_row_scales()                     ? detail::rows_taken_apart
                : x.is_quantized() && x.scale() < 0.0f ? std::string_view("a negative scale turns the order round")
                                                       : std::string_view())) {
        auto codes = Tensor<std::uint8_t>::make_for_overwrite(p->shape, x.where().memory);
        if (!codes) return codes.error();
        pool(x.int8_codes(), reinterpret_cast<std::int8_t*>(codes->data()));
        return detail::recorded_max_pool(x, x.with(std::move(*codes)), w, *p);
    }
    auto y = Tensor<float>::make_for_overwrite(p->shape, x.where().memory);
    if (!y) return y.error();
    auto const values = x.floats();
    if (!values) return values.error();
    pool(values->data(), y->data());
    return detail::recorded_max_pool(x, like(x, std::move(*y)), w, *p);
}

QUANTO_BODY Activation avg_pool2d(Activation const& x, size_2d kernel, avg_pool_options const& o) {
    if (!x) return x;
    window const w{kernel, o.stride.value_or(kernel), o.padding};
    auto const p = detail::pool_shape("avg_pool2d", x, [&](size_2d in) { return detail::pool_outputs(w, in); });
    if (!p) return p.error();
    auto const range = [&](std::size_t in, std::size_t kernel_size, std::size_t stride, std::size_t padding) {
        return [=, counted = o.count_padding](std::size_t out) -> detail::average_range {
            std::size_t const start = out * stride, stop = start + kernel_size;
            std::size_t const begin = start > padding ? start - padding : 0, end = std::min(stop - padding, in);
            return {begin, end, counted ? kernel_size : end - begin};
        };
    };
    return detail::average(x, *p, range(p->in.height, kernel.height, w.stride.height, w.padding.height),
                           range(p->in.width, kernel.width, w.stride.width, w.padding.width));
}

QUANTO_BODY Activation adaptive_avg_pool2d(Activation const& x, size_2d out) {
    if (!x) return x;
    auto const p = detail::pool_shape("adaptive_avg_pool2d", x, [&](size_2d in) -> result<size_2d> {
        if (out.area() != 0) return out;
        return error(errc::shape_mismatch, "from ", in.height, " x ", in.width, " to ", out.height, " x ", out.width);
    });
    if (!p) return p.error();
    auto const range = [](std::size_t in, std::size_t outputs) {
        return [=](std::size_t o) -> detail::average_range {
            std::size_t const begin = o * in / outputs, end = ceil_div((o + 1) * in, outputs);
            return {begin, end, end - begin};
        };
    };
    return detail::average(x, *p, range(p->in.height, out.height), range(p->in.width, out.width));
}

}  // namespace quanto::inline v0::nn
