// The bodies of load.hpp.
#pragma once

namespace quanto::inline v0 {

namespace detail {
QUANTO_BODY result<success> read_weight(state_reader& in, std::string_view module, nn::Weight const& old,
                                        std::optional<nn::weight_scheme> const& scheme, staged_module& to) {
    auto const key = joined(module, "weight");
    if (!scheme && in.is_strict() && !in.contains(key))
        for (auto const* codes : {"weight._data", "weight._data._data"})
            if (in.contains(joined(module, codes)))
                return error(errc::type_mismatch, in.where(), ": ", key,
                             " is quantized, and no quantization map names its module");
    if (!scheme || in.contains(key)) {
        auto x = in.float_tensor(key, old.shape());
        if (!x) return x.error();
        if (!*x) return success{};
        to.weight.emplace(std::move(**x));
        if (!scheme) return success{};
        if (auto done = to.weight->quantize(*scheme); !done) return done.error().within(key).within(in.where());
        return success{};
    }
    auto q = in.quantized(module, old.shape(), scheme->type, scheme->group);
    if (!q) return q.error();
    if (*q) to.weight.emplace(std::move(**q));
    return success{};
}

QUANTO_BODY result<success> read_activation(state_reader& in, std::string_view module, module_record const& record,
                                            nn::activation_state& to) {
    to.type = record.activations;
    to.quantize_output = record.quantize_output;
    to.scaling = record.scaling;
    auto const input = in.activation_scale(joined(module, "input_scale"));
    if (!input) return input.error();
    auto const output = in.activation_scale(joined(module, "output_scale"));
    if (!output) return output.error();
    to.input_scale = *input || !record.input_seen ? *input : 1.0f;
    to.output_scale = *output || !record.output_seen ? *output : 1.0f;
    return success{};
}

}  // namespace detail

}  // namespace quanto::inline v0
