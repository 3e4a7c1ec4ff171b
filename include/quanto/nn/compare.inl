// The bodies of compare.hpp.
#pragma once

#include <utility>

#include <quanto/nn/elementwise.hpp>
#include <quanto/nn/strided.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// holds(u, v): of two ints or two floats.
template <class F>
result<Tensor<bool>> compared(Activation const& a, Activation const& b, F holds) {
    if (!a || !b) return (a ? b : a).error();
    if (a.shape() != b.shape()) {
        error e = append(error(errc::shape_mismatch, "compare: shapes "), a.shape());
        return append(e.append(" and "), b.shape());
    }
    auto out = Tensor<bool>::make_for_overwrite(a.shape(), leading(a, b).where().memory);
    if (!out) return out;
    bool* const y = out->data();
    if (explain(operations::compare, {&a, &b})) {
        int const sign = a.scale() < 0.0f ? -1 : a.scale() > 0.0f ? 1 : 0;
        auto const number = [sign](std::uint8_t code) { return sign * static_cast<std::int8_t>(code); };
        for (std::size_t i = 0; i != out->size(); ++i) y[i] = holds(number(a.codes()[i]), number(b.codes()[i]));
        return out;
    }
    auto const u = a.floats(), v = b.floats();
    if (!u || !v) return (u ? v : u).error();
    for (std::size_t i = 0; i != out->size(); ++i) y[i] = holds(std::as_const(*u)[i], std::as_const(*v)[i]);
    return out;
}

template <class T, class B>
result<Tensor<T>> chosen(Tensor<bool> const& mask, Tensor<T> const& a, B const& b, memory_ref memory) {
    auto out = Tensor<T>::make_for_overwrite(a.shape(), memory);
    if (out)
        for (std::size_t i = 0; i != a.size(); ++i) (*out)[i] = mask[i] ? a[i] : b(i);
    return out;
}

// The code of a number under a scale, where the scale holds it without clamping.
inline std::optional<std::uint8_t> code_of(float x, any_qtype type, float scale) {
    return type.visit([&]<class Q>(Q) -> std::optional<std::uint8_t> {
        if constexpr (ActivationQType<Q>)
            if (float const c = x / scale; scale > 0.0f && c >= Q::qmin && c <= Q::qmax)
                return symmetric_code<Q>(x, scale);
        return std::nullopt;
    });
}

}  // namespace detail

QUANTO_BODY result<Tensor<bool>> lt(Activation const& a, Activation const& b) {
    return detail::compared(a, b, [](auto u, auto v) { return u < v; });
}

QUANTO_BODY result<Tensor<bool>> gt(Activation const& a, Activation const& b) {
    return detail::compared(a, b, [](auto u, auto v) { return u > v; });
}

QUANTO_BODY result<Tensor<bool>> eq(Activation const& a, Activation const& b) {
    return detail::compared(a, b, [](auto u, auto v) { return u == v; });
}

namespace detail {
// y[i] = mask[i] ? a[i] : b[i], the mask repeated to the shape of a.
inline result<Tensor<bool>> repeated_mask(Tensor<bool> const& mask, Activation const& a) {
    auto const s = strided::broadcast(mask.shape(), a.shape());
    if (s) return gathered(*s, mask, a.where().memory);
    error e = append(error(errc::shape_mismatch, "where: a mask of shape "), mask.shape());
    return append(e.append(" for "), a.shape());
}

// The gradient of a goes where the mask is true, that of b elsewhere.
inline Activation recorded_choice(Activation y, Tensor<bool> mask, Tape::node* a, Tape::node* b) {
    if (!y || (a == nullptr && b == nullptr)) return y;
    return recorded(std::move(y), [mask = std::move(mask), a, b](Tape& tape, Tensor<float> dy) -> result<success> {
        Tensor<float> other = dy;
        for (std::size_t i = 0; i != dy.size(); ++i) (mask[i] ? other : dy)[i] = 0.0f;
        if (auto done = tape.add(a, std::move(dy)); !done) return done;
        return tape.add(b, std::move(other));
    });
}

}  // namespace detail

QUANTO_BODY Activation where(Tensor<bool> const& mask, Activation const& a, float b) {
    if (!a) return a;
    auto all = detail::repeated_mask(mask, a);
    if (!all) return all.error();
    auto const memory = a.where().memory;
    std::optional<std::uint8_t> code;
    if (a.is_quantized() && !a.has_row_scales()) code = detail::code_of(b, *a.type(), a.scale());
    if (explain(operations::where, {&a}, a.is_quantized() && !code ? "the scale does not hold the number" : "")) {
        auto codes = detail::chosen(
            *all, a.codes(), [&](std::size_t) { return *code; }, memory);
        if (!codes) return codes.error();
        return detail::recorded_choice(a.with(std::move(*codes)), std::move(*all), a.node(), nullptr);
    }
    auto const values = a.floats();
    if (!values) return values.error();
    auto out = detail::chosen(
        *all, *values, [&](std::size_t) { return b; }, memory);
    if (!out) return out.error();
    return detail::recorded_choice(like(a, std::move(*out)), std::move(*all), a.node(), nullptr);
}

QUANTO_BODY Activation where(Tensor<bool> const& mask, Activation const& a, Activation const& b) {
    if (!a || !b) return a ? b : a;
    if (a.shape() != b.shape()) {
        error e = append(error(errc::shape_mismatch, "where: shapes "), a.shape());
        return append(e.append(" and "), b.shape());
    }
    auto all = detail::repeated_mask(mask, a);
    if (!all) return all.error();
    Activation const& lead = detail::leading(a, b);
    auto const memory = lead.where().memory;
    if (explain(operations::where, {&a, &b})) {
        auto codes = detail::chosen(
            *all, a.codes(), [&](std::size_t i) { return b.codes()[i]; }, memory);
        if (!codes) return codes.error();
        a.source().read_by();
        b.source().read_by();
        return detail::recorded_choice(Activation(*a.type(), std::move(*codes), a.scale(), lead.where_pointer()),
                                       std::move(*all), a.node(), b.node());
    }
    auto const u = a.floats(), v = b.floats();
    if (!u || !v) return (u ? v : u).error();
    auto out = detail::chosen(
        *all, *u, [&](std::size_t i) { return std::as_const(*v)[i]; }, memory);
    if (!out) return out.error();
    return detail::recorded_choice(like(lead, std::move(*out)), std::move(*all), a.node(), b.node());
}

QUANTO_BODY Activation masked_fill(Activation const& x, Tensor<bool> const& mask, float number) {
    if (!x) return x;
    auto others = Tensor<bool>::make(mask.shape(), x.where().memory);
    if (!others) return others.error();
    for (std::size_t i = 0; i != mask.size(); ++i) (*others)[i] = !mask[i];
    return where(*others, x, number);
}

}  // namespace quanto::inline v0::nn
