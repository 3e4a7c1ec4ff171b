// The bodies of weight.hpp.
#pragma once

#include <type_traits>

#include <quanto/kernels/vectorized.hpp>
#include <quanto/nn/taps_first.hpp>
#include <quanto/quantizer/hqq.hpp>
#include <quanto/quantizer/metrics.hpp>

namespace quanto::inline v0::nn {

QUANTO_BODY result<any_qtensor> quantize_weight(any_tensor const& x, weight_scheme const& scheme, memory_ref memory,
                                                chosen_scales const* chosen) {
    if (x.shape().rank() < 2) return error(errc::shape_mismatch, "a quantized weight has two dimensions or more");
    auto const quantized = [&]<class Q, class S>(Q, S) -> result<any_qtensor> {
        tensor_view<S const> const v(reinterpret_cast<S const*>(x.bytes().data()), x.shape());
        quantizer_options const options{.group = scheme.group, .memory = memory};
        auto const wrap = [](auto made) -> result<any_qtensor> {
            if (!made) return made.error();
            return any_qtensor(std::move(*made));
        };
        if (chosen != nullptr) return wrap(quantize<Q>(v, *chosen, options, vectorized{}));
        if constexpr (SubByteQType<Q>)
            if (scheme.hqq) return wrap(quantize<Q>(v, hqq{.memory = memory}, options, vectorized{}));
        return wrap(quantize<Q>(v, default_optimizer<Q>{}, options, vectorized{}));
    };
    return scheme.type.visit([&]<class Q>(Q q) -> result<any_qtensor> {
        if (x.type() == dtype::f32) return quantized(q, float{});
        if (x.type() == dtype::f16) return quantized(q, float16{});
        if (x.type() == dtype::bf16) return quantized(q, bfloat16{});
        return error(errc::type_mismatch, "a weight of type ", name(x.type()), " is not a float type");
    });
}

QUANTO_BODY result<std::optional<any_qtensor>> Weight::quantized_as(weight_scheme const& scheme) const {
    std::optional<any_qtensor> q;
    if (is_frozen() && scheme_->type != scheme.type)
        return error(errc::invalid_argument, "frozen as ", scheme_->type.name(), ", cannot become ",
                     scheme.type.name());
    auto const elements = [&](weight_scheme const& s) {
        return grouping(shape_, axis::first, group{s.group}).group_size();
    };
    if (is_frozen() && scheme.type.bits() < 8 && elements(*scheme_) != elements(scheme))
        return error(errc::invalid_argument, "frozen as ", scheme_->type.name(), " in groups of ", elements(*scheme_),
                     ", cannot have groups of ", elements(scheme));
    if (is_frozen() || !has_values()) return q;
    auto made = quantize_weight(*master_, scheme);
    if (!made) return made.error();
    q = std::move(*made);
    return q;
}

QUANTO_BODY result<success> Weight::quantize(weight_scheme const& scheme) {
    auto q = quantized_as(scheme);
    if (!q) return q.error();
    adopt(scheme, std::move(*q));
    return success{};
}

QUANTO_BODY result<success> Weight::set(any_tensor x, chosen_scales const* chosen) {
    if (is_frozen()) return error(errc::invalid_argument, "the weight is frozen");
    if (x.shape() != shape_) return shape_error(shape_, x.shape());
    std::optional<any_qtensor> q;
    if (scheme_) {
        auto made = quantize_weight(x, *scheme_, {}, chosen);
        if (!made) return made.error();
        q = std::move(*made);
    } else if (!is_float_storage(x.type())) {
        return error(errc::type_mismatch, "a weight of type ", name(x.type()), " is not a float type");
    }
    quantized_ = std::move(q);
    panels_.reset();
    master_ = std::move(x);
    return success{};
}

QUANTO_BODY result<success> Weight::prepare(backend_ref const& backend, memory_ref memory) {
    if (panels_ || !quantized_ || !has_values() || !backend.prepares(scheme_->type)) return success{};
    auto const ordered = has_taps_first() ? detail::taps_first(*quantized_, memory) : portable(memory);
    if (!ordered) return ordered.error();
    auto made = backend.prepare(*ordered, memory);
    if (!made) return made.error();
    panels_ = std::move(*made);
    return success{};
}

QUANTO_BODY result<any_qtensor> Weight::portable(memory_ref memory) const {
    if (!quantized_) {
        auto unpacked = panels_->unpack(memory);
        if (!unpacked || !has_taps_first()) return unpacked;
        return detail::channels_first(std::move(*unpacked), shape_, memory);
    }
    return any_qtensor(quantized_->type(), portable_parts());
}

QUANTO_BODY double Weight::bits_per_weight() const noexcept {
    if (!scheme_) return 8.0 * static_cast<double>(size_of(type()));
    if (!quantized_ && !panels_)
        return quanto::bits_per_weight(scheme_->type, grouping(shape_, axis::first, group{scheme_->group}), type());
    auto const parts = portable_parts();
    return quanto::bits_per_weight(scheme_->type, parts.layout, parts.scale_type, parts.integer_zero_point);
}

QUANTO_BODY qtensor_parts Weight::portable_parts() const noexcept {
    if (!quantized_)
        return {shape_,
                grouping(shape_, axis::first, group{scheme_->group}),
                {},
                {},
                {},
                panels_->layout().scale_type,
                panels_->integer_zero_point()};
    auto const& p = quantized_->parts();
    auto const view = [](storage const& s) { return s.slice(0, s.size()); };
    return {p.shape, p.layout, view(p.codes), view(p.scale), view(p.shift), p.scale_type, p.integer_zero_point};
}

}  // namespace quanto::inline v0::nn
