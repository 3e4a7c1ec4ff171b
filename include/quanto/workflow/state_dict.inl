// The bodies of state_dict.hpp.
#pragma once

namespace quanto::inline v0 {

namespace detail {
QUANTO_BODY std::string codes_key(any_qtype type) { return type.bits() == 8 ? "weight._data" : "weight._data._data"; }

QUANTO_BODY extents stored_code_shape(any_qtype type, extents const& shape, grouping const& layout) noexcept {
    if (type.bits() == 8) return shape;
    std::size_t const rows = ceil_div(layout.code_rows(), 8 / static_cast<std::size_t>(type.bits()));
    if (!layout.is_whole() && !layout.is_ragged()) return {rows, layout.code_cols()};
    extents packed = shape;
    packed[0] = rows;
    return packed;
}

QUANTO_BODY result<success> state_writer::add(std::string name, any_tensor const& x) {
    if (!nn::has_values(x)) return error(errc::missing, name, ": no values were loaded");
    tensors.push_back({std::move(name), any_tensor(x.type(), x.shape(), x.bytes().slice(0, x.bytes().size()))});
    return success{};
}

QUANTO_BODY result<success> state_writer::add(std::string_view module, nn::Weight const& w) {
    if (!w.has_values()) return error(errc::missing, joined(module, "weight"), ": no values were loaded");
    if (!w.is_frozen()) return add(joined(module, "weight"), *w.master());
    any_qtype const type = w.scheme()->type;
    qtensor_parts parts = w.portable_parts();
    bool const released = w.quantized() == nullptr;
    if (released && !deferred_) {
        auto restored = w.portable();
        if (!restored) return restored.error().within(joined(module, "weight"));
        parts = std::move(*restored).parts();
    }
    auto const scale_shape = parts.layout.scale_shape(parts.shape, type.bits());
    auto const add_part = [&](std::string const& key, dtype element, extents const& shape,
                              storage qtensor_parts::*part) {
        sources_.resize(tensors.size());
        if (released && deferred_) sources_.push_back({&w, part});
        tensors.push_back({joined(module, key), any_tensor(element, shape, std::move(parts.*part))});
    };
    add_part(codes_key(type), code_dtype(type), stored_code_shape(type, parts.shape, parts.layout),
             &qtensor_parts::codes);
    add_part("weight._scale", parts.scale_type, scale_shape, &qtensor_parts::scale);
    if (type.bits() < 8)
        add_part("weight._shift", parts.integer_zero_point ? dtype::u8 : parts.scale_type, scale_shape,
                 &qtensor_parts::shift);
    return success{};
}

QUANTO_BODY result<success> state_writer::add_scale(std::string name, std::optional<float> scale, dtype type) {
    auto bytes = storage::allocate(size_of(type));
    if (!bytes) return bytes.error();
    any_tensor::store(type, bytes->mutable_data(), 0, scale.value_or(1.0f));
    tensors.push_back({std::move(name), any_tensor(type, {}, std::move(*bytes))});
    return success{};
}

QUANTO_BODY result<storage> state_writer::bytes_of(std::size_t tensor) const {
    if (tensor >= sources_.size() || sources_[tensor].weight == nullptr) return storage();
    auto restored = sources_[tensor].weight->portable();
    if (!restored) return restored.error();
    return std::move(std::move(*restored).parts().*sources_[tensor].part);
}

}  // namespace detail

}  // namespace quanto::inline v0
