// The bodies of elementwise.hpp.
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include <quanto/nn/any_tensors.hpp>
#include <quanto/nn/move.hpp>

namespace quanto::inline v0::nn {

namespace detail {

// run(v, n): v[i] = f(v[i]); dx[i] = dy[i] * slope(x[i]).
template <class R, class D>
Activation mapped_by(operation const& o, Activation x, R const& run, D slope) {
    if (!x) return x;
    auto out = std::move(x).value();  // a copy where x has a gradient: x is what the slope is asked for
    if (!out) return out.error().within(o.name);
    run(out->data(), out->size());
    Activation y = like(x, std::move(*out));
    if (x.node() == nullptr) return y;
    return recorded(std::move(y), [x, slope](Tape& tape, Tensor<float> dy) -> result<success> {
        auto const at = x.floats();
        if (!at) return at.error();
        float const* const u = std::as_const(*at).data();
        float* const g = dy.data();
        for (std::size_t i = 0; i != dy.size(); ++i) g[i] *= slope(u[i]);
        return tape.add(x.node(), std::move(dy));
    });
}
template <class F, class D>
Activation mapped(operation const& o, Activation x, F f, D slope) {
    return mapped_by(
        o, std::move(x),
        [f](float* v, std::size_t n) {
            for (std::size_t i = 0; i != n; ++i) v[i] = f(v[i]);
        },
        slope);
}
// By the kernels of the backend's instruction set.
template <class D>
Activation activated(operation const& o, fused_activation f, Activation x, D slope) {
    vectorized const by(x.where().backend.target());
    return mapped_by(
        o, std::move(x), [&](float* v, std::size_t n) { by.activate(f, v, n); }, slope);
}

// y[i] = f(a[i], b[i]), da[i] = dy[i] * slope_a(a[i], b[i]), db[i] = dy[i] * slope_b(a[i], b[i]).
template <class F, class A, class B>
Activation combined(operation const& o, Activation const& a, Activation const& b, F f, A slope_a, B slope_b) {
    if (!a || !b) return a ? b : a;
    if (a.shape() != b.shape()) {
        Activation const wide = expand(a, repeated(a.shape(), b.shape())), same = expand(b, wide.shape());
        if (wide && same) return combined(o, wide, same, f, slope_a, slope_b);
        error e = append(error(errc::shape_mismatch, o.name, ": shapes "), a.shape());
        return append(e.append(" and "), b.shape());
    }
    Activation const& lead = leading(a, b);
    auto const u = a.floats(), v = b.floats();
    if (!u || !v) return (u ? v : u).error().within(o.name);
    auto out = Tensor<float>::make_for_overwrite(a.shape(), lead.where().memory);
    if (!out) return out.error().within(o.name);
    float const *const p = std::as_const(*u).data(), *const q = std::as_const(*v).data();
    float* const r = out->data();
    for (std::size_t i = 0; i != out->size(); ++i) r[i] = f(p[i], q[i]);
    Activation y = like(lead, std::move(*out));
    if (a.node() == nullptr && b.node() == nullptr) return y;
    return recorded(std::move(y), [a, b, slope_a, slope_b](Tape& tape, Tensor<float> dy) -> result<success> {
        auto const at = a.floats(), bt = b.floats();
        if (!at || !bt) return (at ? bt : at).error();
        auto const chain = [&](auto const& slope) {
            auto dx = Tensor<float>::make_for_overwrite(dy.shape(), leading(a, b).where().memory);
            if (dx)
                for (std::size_t i = 0; i != dy.size(); ++i)
                    (*dx)[i] = std::as_const(dy)[i] * slope(std::as_const(*at)[i], std::as_const(*bt)[i]);
            return dx;
        };
        if (a.node() != nullptr)
            if (auto done = tape.add(a.node(), chain(slope_a)); !done) return done;
        return b.node() == nullptr ? result<success>(success{}) : tape.add(b.node(), chain(slope_b));
    });
}

// A scale under which codes are as exact as before: normal, or the zero of zeros.
inline bool is_sound(float scale, bool may_be_zero) noexcept {
    float const s = absolute(scale);
    return is_finite(s) && (s >= smallest_normal(dtype::f32) || (s == 0.0f && may_be_zero));
}

// y = f(x) for a linear f without offset: the same codes under f(scale). slope = f(1).
template <class F>
Activation scaled(operation const& o, Activation const& x, F f, float slope) {
    if (!x) return x;
    std::size_t const scales = x.has_row_scales() ? x.row_scales().size() : 1;
    bool sound = true;
    for (std::size_t r = 0; r != scales; ++r)
        sound = sound && is_sound(f(x.scale_of_row(r)), slope == 0.0f || x.scale_of_row(r) == 0.0f);
    if (!explain(o, {&x}, sound ? "" : "a scale would not be finite and normal"))
        return mapped(o, x, f, [slope](float) { return slope; });
    Activation y = std::move(Activation(x)).scaled(f);
    if (x.node() == nullptr) return y;
    return recorded(std::move(y), [to = x.node(), slope](Tape& tape, Tensor<float> dy) {
        for (std::size_t i = 0; i != dy.size(); ++i) dy[i] *= slope;
        return tape.add(to, std::move(dy));
    });
}

}  // namespace detail

QUANTO_BODY Activation add(Activation const& a, Activation const& b) {
    auto const one = [](float, float) { return 1.0f; };
    return detail::combined(
        operations::add, a, b, [](float u, float v) { return u + v; }, one, one);
}

QUANTO_BODY Activation sub(Activation const& a, Activation const& b) {
    return detail::combined(
        operations::sub, a, b, [](float u, float v) { return u - v; }, [](float, float) { return 1.0f; },
        [](float, float) { return -1.0f; });
}

QUANTO_BODY Activation mul(Activation const& a, Activation const& b) {
    return detail::combined(
        operations::mul, a, b, [](float u, float v) { return u * v; }, [](float, float v) { return v; },
        [](float u, float) { return u; });
}

QUANTO_BODY Activation div(Activation const& a, Activation const& b) {
    return detail::combined(
        operations::div, a, b, [](float u, float v) { return u / v; }, [](float, float v) { return 1.0f / v; },
        [](float u, float v) { return -u / (v * v); });
}

QUANTO_BODY Activation add(Activation const& x, float s) {
    return detail::mapped(
        operations::add, x, [s](float v) { return v + s; }, [](float) { return 1.0f; });
}

QUANTO_BODY Activation mul(Activation const& x, float s) {
    return detail::scaled(
        operations::mul_number, x, [s](float v) { return v * s; }, s);
}

QUANTO_BODY Activation div(Activation const& x, float s) {
    return detail::scaled(
        operations::div_number, x, [s](float v) { return v / s; }, 1.0f / s);
}

QUANTO_BODY Activation div(float s, Activation const& x) {
    return detail::mapped(
        operations::div, x, [s](float v) { return s / v; }, [s](float v) { return -s / (v * v); });
}

QUANTO_BODY Activation neg(Activation const& x) {
    return detail::scaled(
        operations::neg, x, [](float v) { return -v; }, -1.0f);
}

QUANTO_BODY Activation operator+(Activation const& a, Activation const& b) { return add(a, b); }

QUANTO_BODY Activation operator-(Activation const& a, Activation const& b) { return sub(a, b); }

QUANTO_BODY Activation operator*(Activation const& a, Activation const& b) { return mul(a, b); }

QUANTO_BODY Activation operator/(Activation const& a, Activation const& b) { return div(a, b); }

QUANTO_BODY Activation operator+(Activation const& x, float s) { return add(x, s); }

QUANTO_BODY Activation operator+(float s, Activation const& x) { return add(x, s); }

QUANTO_BODY Activation operator-(Activation const& x, float s) { return add(x, -s); }

QUANTO_BODY Activation operator-(float s, Activation const& x) { return add(neg(x), s); }

QUANTO_BODY Activation operator*(Activation const& x, float s) { return mul(x, s); }

QUANTO_BODY Activation operator*(float s, Activation const& x) { return mul(x, s); }

QUANTO_BODY Activation operator/(Activation const& x, float s) { return div(x, s); }

QUANTO_BODY Activation operator/(float s, Activation const& x) { return div(s, x); }

QUANTO_BODY Activation operator-(Activation const& x) { return neg(x); }

QUANTO_BODY Activation abs(Activation x) {
    return detail::mapped(
        operations::abs, std::move(x), [](float v) { return absolute(v); },
        [](float v) { return v > 0.0f   ? 1.0f
                             : v < 0.0f ? -1.0f
                                        : 0.0f; });
}

QUANTO_BODY Activation clamp(Activation x, float low, float high, operation const& o) {
    return detail::mapped(
        o, std::move(x), [low, high](float v) { return v < low    ? low
                                                       : v > high ? high
                                                                  : v; },
        [low, high](float v) { return v < low || v > high ? 0.0f : 1.0f; });
}

QUANTO_BODY Activation relu6(Activation x) { return clamp(std::move(x), 0.0f, 6.0f, operations::relu6); }

QUANTO_BODY Activation sigmoid(Activation x) {
    auto const f = [](float v) { return 1.0f / (1.0f + std::exp(-v)); };
    return detail::mapped(operations::sigmoid, std::move(x), f, [f](float v) { return f(v) * (1.0f - f(v)); });
}

QUANTO_BODY Activation tanh(Activation x) {
    return detail::mapped(
        operations::tanh, std::move(x), [](float v) { return std::tanh(v); },
        [](float v) { return 1.0f - std::tanh(v) * std::tanh(v); });
}

QUANTO_BODY Activation gelu(Activation x) {
    return detail::activated(operations::gelu, fused_activation::gelu, std::move(x), [](float v) {
        return 0.5f * (1.0f + std::erf(v * 0.70710678118654752440f)) +
               v * 0.39894228040143267794f * std::exp(-0.5f * v * v);
    });
}

QUANTO_BODY Activation silu(Activation x) {
    return detail::activated(operations::silu, fused_activation::silu, std::move(x), [](float v) {
        float const s = 1.0f / (1.0f + std::exp(-v));
        return s * (1.0f + v * (1.0f - s));
    });
}

QUANTO_BODY Activation to(Activation const& x, dtype type) {
    return detail::scaled(
        operations::to, x, [type](float v) { return stored_as(v, type); }, 1.0f);
}

}  // namespace quanto::inline v0::nn
