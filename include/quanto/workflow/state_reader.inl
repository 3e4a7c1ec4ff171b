// The bodies of state_reader.hpp.
#pragma once

#include <algorithm>
#include <cstring>

namespace quanto::inline v0 {

namespace detail {
QUANTO_BODY result<std::optional<any_tensor>> state_reader::float_tensor(std::string const& key, extents const& shape) {
    auto x = take(key);
    if (!x || !*x) return x;
    if (!is_float_storage((*x)->type()))
        return error(errc::type_mismatch, key, ": ", name((*x)->type()), " is not a float type").within(where());
    if ((*x)->shape() != shape) return nn::shape_error(shape, (*x)->shape()).within(key).within(where());
    return aligned(std::move(**x));
}

QUANTO_BODY result<std::optional<any_tensor>> state_reader::tensor(std::string const& key, dtype type,
                                                                   extents const& shape) {
    auto x = part(key, shape);
    if (!x || !*x || (*x)->type() == type) return x;
    return error(errc::type_mismatch, key, ": ", name((*x)->type()), " instead of ", name(type)).within(where());
}

QUANTO_BODY result<std::optional<any_qtensor>> state_reader::quantized(std::string_view module, extents const& shape,
                                                                       any_qtype type, std::size_t group) {
    std::optional<any_qtensor> none;
    if (shape.rank() < 2) return error(errc::shape_mismatch, module, ": a vector cannot be quantized").within(where());
    qtensor_parts parts;
    parts.shape = shape;
    parts.layout = grouping(shape, axis::first, quanto::group{type.bits() == 8 ? 0 : group});
    auto const scale_shape = parts.layout.scale_shape(shape, type.bits());

    auto const codes = part(joined(module, codes_key(type)), stored_code_shape(type, shape, parts.layout));
    if (!codes) return codes.error();
    auto const scale_key = joined(module, "weight._scale"), shift_key = joined(module, "weight._shift");
    auto const scale = float_tensor(scale_key, scale_shape);
    if (!scale) return scale.error();
    if (!*codes || !*scale) return none;
    if ((*codes)->type() != code_dtype(type))
        return error(errc::type_mismatch, joined(module, codes_key(type)), ": ", name((*codes)->type()),
                     " does not hold ", type.name())
            .within(where());
    parts.codes = (*codes)->bytes();
    parts.scale = (*scale)->bytes();
    parts.scale_type = (*scale)->type();
    if (type.bits() < 8) {
        auto const shift = part(shift_key, scale_shape);
        if (!shift) return shift.error();
        if (!*shift) return none;
        parts.integer_zero_point = (*shift)->type() == dtype::u8;
        if (!parts.integer_zero_point && (*shift)->type() != parts.scale_type)
            return error(errc::type_mismatch, shift_key, ": ", name((*shift)->type()), " beside scales of ",
                         name(parts.scale_type))
                .within(where());
        parts.shift = (*shift)->bytes();
    }
    any_qtensor q(type, std::move(parts));
    auto const code_key = joined(module, codes_key(type));
    if (auto sound = q.visit([&](auto const& v) { return check_scales(v, code_key, scale_key, shift_key); }); !sound)
        return sound.error().within(where());
    none = std::move(q);
    return none;
}

QUANTO_BODY result<std::optional<float>> state_reader::activation_scale(std::string const& key) {
    std::optional<float> scale;
    auto const x = float_tensor(key, {});
    if (!x) return x.error();
    if (!*x) return scale;
    float const s = (**x)[0];
    if (!is_finite(s) || s < 0.0f)
        return error(errc::invalid_argument, key, ": a scale must be finite and not negative").within(where());
    if (s != 1.0f) scale = s;
    return scale;
}

QUANTO_BODY result<load_report> state_reader::finish() && {
    auto used = used_.begin();
    for (auto const& e : file_)
        if (!*used++) {
            if (strict_)
                return error(errc::unexpected, where(), ": ", e.name, ": no parameter of the model has this name");
            report_.unexpected.emplace_back(e.name);
        }
    return std::move(report_);
}

QUANTO_BODY result<std::optional<any_tensor>> state_reader::take(std::string const& key) {
    std::optional<any_tensor> x;
    if (auto const* const found = file_.find_entry(key)) {
        used_[static_cast<std::size_t>(found - file_.begin())] = true;
        x = found->tensor;
        if (x->bytes().is_shared()) report_.bytes_mapped += x->bytes().size();
        return x;
    }
    if (strict_) return error(errc::missing, where(), ": ", key, " is missing");
    report_.missing.push_back(key);
    return x;
}

QUANTO_BODY result<std::optional<any_tensor>> state_reader::part(std::string const& key, extents const& shape) {
    auto x = take(key);
    if (!x || !*x) return x;
    if ((*x)->shape() != shape) return nn::shape_error(shape, (*x)->shape()).within(key).within(where());
    return aligned(std::move(**x));
}

QUANTO_BODY result<std::optional<any_tensor>> state_reader::aligned(any_tensor x) {
    if (nn::is_aligned(x)) return std::optional(std::move(x));
    auto copy = storage::allocate_for_overwrite(x.bytes().size());
    if (!copy) return copy.error();
    std::memcpy(copy->mutable_data(), x.bytes().data(), x.bytes().size());
    return std::optional(any_tensor(x.type(), x.shape(), std::move(*copy)));
}

template <QType Q>
result<success> state_reader::check_scales(qtensor_view<Q> const& q, std::string_view code_key,
                                           std::string_view scale_key, std::string_view shift_key) {
    auto const element = [&](std::size_t g, std::size_t t) { return q.layout.element(g, t); };
    for (std::size_t g = 0; g != q.layout.groups(); ++g) {
        float const scale = q.scale(g);
        if (!is_finite(scale) || scale < 0.0f)
            return error(errc::invalid_argument, scale_key, ": the scale of group ", g,
                         is_nan(scale)  ? " is NaN"
                         : scale < 0.0f ? " is negative"
                                        : " is infinite");
        if (!is_finite(q.shift(g)))
            return error(errc::not_finite, shift_key, ": the shift of group ", g, " is not finite");
        if (scale > 0.0f) {
            if constexpr (FloatQType<Q>)  // 8 bits, whose codes lie as their elements
                for (std::size_t t = 0; t != q.layout.size_of(g); ++t)
                    if (!is_finite(code_value<Q>(q.codes[element(g, t)])))
                        return error(errc::not_finite, code_key, ": the code at index ", element(g, t),
                                     " is not finite");
            continue;
        }
        for (std::size_t t = 0; t != q.layout.size_of(g); ++t) {
            float const value = code_value<Q>(q.code(element(g, t)));
            if (value != 0.0f && !is_nan(value))
                return error(errc::invalid_argument, scale_key, ": the scale of group ", g, " is 0, its codes are not");
        }
    }
    return success{};
}

}  // namespace detail

}  // namespace quanto::inline v0
