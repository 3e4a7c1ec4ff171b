// state_dict(model) = the tensors of a model under the keys of Python quanto; for a module m:
//     8-bit weight            m.weight._data, m.weight._scale
//     2- and 4-bit weight     m.weight._data._data (packed), m.weight._scale, m.weight._shift
//     float or dynamic        m.weight
//     quantized modules       m.input_scale, m.output_scale: shape (), 1 where not seen
// quantization_map_of(model) = what is quantized; metadata_of(model) = the same and more, for our own files:
//     "quanto.version": "1"
//     "quanto.module.<m>": "weights=qint4 axis=0 group=128 packing=planar activations=qint8 output=float"
// group=0: a row is one group; output=float: streamlined; optimizer=hqq: how a dynamic weight is quantized anew;
// scaling=row, scaling=tensor: activations are quantized by their own values, and not in the map; input_scale=1,
// output_scale=1: that scale was seen, and is 1.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quanto/io/quantization_map.hpp>
#include <quanto/io/safetensors.hpp>
#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

using tensor_list = list<io::SafetensorsFile::entry>;

namespace detail {

inline constexpr std::string_view format_version = "1", version_key = "quanto.version", module_key = "quanto.module.";

std::string codes_key(any_qtype type);

// The shape in which codes lie in a file.
extents stored_code_shape(any_qtype type, extents const& shape, grouping const& layout) noexcept;
// Whether a module is written with scales and into the map.
template <class N>
bool is_quantized_module(N const& module) noexcept {
    if constexpr (nn::HasWeight<N>)
        if (module.weight.scheme()) return true;
    if constexpr (nn::Quantizable<N>) return module.activation.type.has_value();
    return false;
}

// Tensors of a model, in the order of its modules. Of a weight that released its portable form: the restored one, or,
// `deferred`, none before bytes_of asks for it.
class state_writer {
public:
    explicit state_writer(bool deferred) noexcept : deferred_(deferred) {}

    result<success> add(std::string name, any_tensor const& x);
    result<success> add(std::string_view module, nn::Weight const& w);
    result<success> add_scale(std::string name, std::optional<float> scale, dtype type);

    // The bytes of a tensor that has none. Cost: unpacks its weight.
    result<storage> bytes_of(std::size_t tensor) const;

    tensor_list tensors;

private:
    struct source {
        nn::Weight const* weight = nullptr;
        storage qtensor_parts::*part = nullptr;
    };
    std::vector<source> sources_;  // of tensors[i], where there are so many
    bool deferred_;
};

template <class M>
result<success> collect_state(M const& model, state_writer& out) {
    std::optional<error> problem;
    auto const check = [&](result<success> const& done) {
        if (!done && !problem) problem = done.error();
    };
    nn::for_each_module(model, [&]<class N>(std::string_view module, N const& m) {
        nn::for_each_tensor(m, [&]<class P>(std::string_view name, P const& parameter) {
            if constexpr (std::same_as<P, nn::Weight>)
                check(out.add(module, parameter));
            else
                check(out.add(joined(module, name), parameter));
        });
        if constexpr (nn::Quantizable<N>)
            if (is_quantized_module(m)) {
                dtype type = dtype::f32;
                if constexpr (requires { m.weight.type(); }) type = m.weight.type();
                check(out.add_scale(joined(module, "input_scale"), m.activation.input_scale, type));
                check(out.add_scale(joined(module, "output_scale"), m.activation.output_scale, type));
            }
    });
    if (problem) return *problem;
    return success{};
}

}  // namespace detail

// The tensors view the model's memory: they are valid until it changes. Weights that released their portable form are
// restored into memory of the list. Errors: missing (values that were never loaded), out_of_memory.
template <nn::ModuleTree M>
result<tensor_list> state_dict(M const& model) {
    detail::state_writer out(false);
    if (auto done = detail::collect_state(model, out); !done) return done.error();
    return std::move(out.tensors);
}

template <nn::ModuleTree M>
io::quantization_map quantization_map_of(M const& model) {
    io::quantization_map map;
    nn::for_each_module(model, [&]<class N>(std::string_view name, N const& m) {
        if (!detail::is_quantized_module(m)) return;
        auto& e = map.entries.push_back({});
        e.module = name;
        if constexpr (nn::HasWeight<N>)
            if (m.weight.scheme()) e.weights = m.weight.scheme()->type;
        if constexpr (nn::Quantizable<N>) e.activations = m.activation.is_dynamic() ? std::nullopt : m.activation.type;
    });
    return map;
}

template <nn::ModuleTree M>
io::metadata_list metadata_of(M const& model) {
    io::metadata_list list{{"format", "pt"}, {std::string(detail::version_key), std::string(detail::format_version)}};
    nn::for_each_module(model, [&]<class N>(std::string_view name, N const& m) {
        if (!detail::is_quantized_module(m)) return;
        std::string text;
        if constexpr (nn::HasWeight<N>)
            if (auto const& scheme = m.weight.scheme()) {
                std::size_t group = scheme->group;
                if (m.weight.is_frozen()) {
                    auto const layout = m.weight.portable_parts().layout;
                    group = layout.is_whole() ? 0 : layout.group_size();
                }
                text += "weights=" + std::string(scheme->type.name()) + " axis=0 group=" + std::to_string(group) +
                        " packing=planar";
                if (scheme->hqq) text += " optimizer=hqq";
            }
        if constexpr (nn::Quantizable<N>)
            if (m.activation.type) {
                if (!text.empty()) text += ' ';
                text += "activations=" + std::string(m.activation.type->name()) +
                        (m.activation.quantize_output ? " output=quantized" : " output=float");
                if (m.activation.input_scale == 1.0f) text += " input_scale=1";
                if (m.activation.output_scale == 1.0f) text += " output_scale=1";
                if (m.activation.is_dynamic())
                    text +=
                        m.activation.scaling == nn::activation_scaling::per_row ? " scaling=row" : " scaling=tensor";
            }
        list.emplace_back(std::string(detail::module_key) + std::string(name), std::move(text));
    });
    return list;
}

}  // namespace quanto::inline v0

#if QUANTO_HAS_BODIES
#include <quanto/workflow/state_dict.inl>
#endif
