// The bodies of operations.hpp.
#pragma once

namespace quanto::inline v0::nn {

namespace detail {
inline std::string_view obstacle_between(form wanted, std::initializer_list<Activation const*> operands) noexcept {
    Activation const& first = **operands.begin();
    bool const one_scale = wanted == form::joined || (wanted == form::ordered && operands.size() > 1);
    for (auto const* const x : operands) {
        if (!x->is_quantized()) return "an operand is float";
        if (x->type() != first.type()) return "operands of two types";
        if (!one_scale) continue;
        if (x->has_row_scales() || first.has_row_scales()) return "operands have a scale per row";
        if (x->scale() != first.scale()) return "operands of two scales";
    }
    return {};
}

}  // namespace detail

QUANTO_BODY operation_choice explain(operation const& o, std::initializer_list<Activation const*> operands,
                                     std::string_view obstacle) noexcept {
    Activation const* quantized = nullptr;
    for (auto const* const x : operands)
        if (quantized == nullptr && x->is_quantized()) quantized = x;
    if (quantized == nullptr) return {o.name, form::floating, "all operands are float"};
    form const wanted = quantized->type()->is<qint8>() ? o.int8 : o.float8;
    if (wanted == form::floating)
        return {o.name, wanted,
                quantized->type()->is<qint8>() ? "has no form on int8 codes" : "has no form on float8 codes"};
    if (obstacle.empty()) obstacle = detail::obstacle_between(wanted, operands);
    if (!obstacle.empty()) return {o.name, form::floating, obstacle};
    constexpr std::string_view reasons[] = {{},
                                            "the codes move, the scale stays",
                                            "the codes are joined, the scale is one",
                                            "the codes stay, the scale is multiplied",
                                            "the codes have the order of the values",
                                            "int8 codes multiply exactly",
                                            "the result lies between 0 and 1"};
    return {o.name, wanted, reasons[static_cast<std::size_t>(wanted)]};
}

}  // namespace quanto::inline v0::nn
