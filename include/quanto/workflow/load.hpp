// Loading: the tensors of a file become the parameters of a model, without a copy. Everything is checked before
// anything changes: on an error the model is what it was. Quantized weights are then prepared (prepare.hpp).
//     load_state(model, file)         float checkpoints; weights that are marked are quantized, marks stay
//     requantize(model, file, map)    quantized models, of Python quanto and ours: the map says what is quantized
//     load(model, directory)          what save() wrote, or Python: model.safetensors and quantization_map.json
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <quanto/workflow/prepare.hpp>
#include <quanto/workflow/state_reader.hpp>

namespace quanto::inline v0 {

struct load_options {
    // A missing or unexpected tensor is an error; otherwise a line in the report. The map must fit the model either way.
    bool strict = true;
    prepare_options prepare{};
};

namespace detail {

struct staged_module {
    std::optional<nn::Weight> weight;
    std::vector<std::optional<any_tensor>> tensors;
    nn::activation_state activation;
};

result<success> read_weight(state_reader& in, std::string_view module, nn::Weight const& old,
                            std::optional<nn::weight_scheme> const& scheme, staged_module& to);

result<success> read_activation(state_reader& in, std::string_view module, module_record const& record,
                                nn::activation_state& to);

// map == nullptr: as the modules are marked, and no scales are expected.
template <class N>
result<staged_module> stage(N const& module, std::string_view name, state_reader& in, io::quantization_map const* map) {
    staged_module to;
    std::optional<module_record> record;
    if constexpr (nn::Quantizable<N> || nn::HasWeight<N>) {
        if constexpr (nn::Quantizable<N>) to.activation = module.activation;
        auto const* const e = map != nullptr ? map->find(name) : nullptr;
        if (e != nullptr) {
            auto known = record_of(in.file(), name);
            if (!known) return known.error().within(in.where());
            record = known->value_or(module_record{e->weights, e->activations});
            if (record->weights != e->weights || record->mapped_activations() != e->activations)
                return error(errc::type_mismatch, in.where(), ": ", name,
                             ": the map and the file disagree on its qtypes");
            if constexpr (nn::Quantizable<N>)
                if (auto done = read_activation(in, name, *record, to.activation); !done) return done.error();
        } else if (map != nullptr) {
            to.activation = {};
        }
    }
    std::optional<error> problem;
    nn::for_each_tensor(module, [&]<class P>(std::string_view parameter, P const& old) {
        if (problem) return;
        if constexpr (std::same_as<P, nn::Weight>) {
            auto scheme = map == nullptr ? old.scheme() : std::nullopt;
            if (record && record->weights)
                scheme = scheme_for(*record->weights, old.shape(), record->group, record->hqq);
            if (auto done = read_weight(in, name, old, scheme, to); !done) problem = done.error();
        } else {
            auto const key = joined(name, parameter);
            auto x = is_float_storage(old.type()) ? in.float_tensor(key, old.shape())
                                                  : in.tensor(key, old.type(), old.shape());
            if (!x)
                problem = x.error();
            else
                to.tensors.push_back(std::move(*x));
        }
    });
    if (problem) return *problem;
    return to;
}

template <class N>
void commit(N& module, staged_module&& from) {
    if constexpr (nn::Quantizable<N>) module.activation = from.activation;
    auto next = from.tensors.begin();
    nn::for_each_tensor(module, [&]<class P>(std::string_view, P& parameter) {
        if constexpr (std::same_as<P, nn::Weight>) {
            if (from.weight) parameter = std::move(*from.weight);
        } else {
            if (*next) parameter = std::move(**next);
            ++next;
        }
    });
}

// Every entry of the map names a module that can be quantized so.
template <class M>
result<success> check_map(M const& model, io::quantization_map const& map) {
    for (auto const& e : map.entries) {
        bool found = false, has_weight = true, has_activations = true;
        nn::for_each_module(model, [&]<class N>(std::string_view name, N const&) {
            if (name != e.module) return;
            has_weight = nn::HasWeight<N>;
            has_activations = nn::Quantizable<N>;
            found = has_weight || has_activations;
        });
        if (!found) return error(errc::unexpected, "quantization map: ", e.module, ": no module that can be quantized");
        if (e.weights && !has_weight)
            return error(errc::invalid_argument, "quantization map: ", e.module, ": its weights stay float");
        if (e.activations && !has_activations)
            return error(errc::invalid_argument, "quantization map: ", e.module, ": it has no activations of its own");
        if (e.activations && e.activations->bits() != 8)
            return error(errc::invalid_argument, "quantization map: ", e.module, ": activations cannot be ",
                         e.activations->name());
    }
    return success{};
}

template <class M>
result<load_report> read_model(M& model, io::SafetensorsFile const& file, io::quantization_map const* map,
                               load_options const& options) {
    state_reader in(file, options.strict);
    std::vector<staged_module> staged;
    std::optional<error> problem;
    nn::for_each_module(model, [&]<class N>(std::string_view name, N& module) {
        if (problem) return;
        auto one = stage(std::as_const(module), name, in, map);
        if (!one)
            problem = one.error();
        else
            staged.push_back(std::move(*one));
    });
    if (problem) return *problem;
    auto report = std::move(in).finish();
    if (!report) return report;
    auto next = staged.begin();
    nn::for_each_module(model, [&](std::string_view, auto& module) { commit(module, std::move(*next++)); });
    report->prepared = prepare(model, options.prepare);
    return report;
}

}  // namespace detail

// Errors (all name the tensor and the file): missing, unexpected, type_mismatch, shape_mismatch, and those of
// quantizing.
template <nn::ModuleTree M>
result<load_report> load_state(M& model, io::SafetensorsFile const& file, load_options const& options = {}) {
    return detail::read_model(model, file, nullptr, options);
}

// Modules that are not in the map become float. Errors: those of load_state; a scale that is NaN, infinite or negative,
// or 0 beside codes that are not; an entry of the map that fits no module.
template <nn::ModuleTree M>
result<load_report> requantize(M& model, io::SafetensorsFile const& file, io::quantization_map const& map,
                               load_options const& options = {}) {
    if (auto known = detail::check_version(file); !known) return known.error();
    if (auto fits = detail::check_map(model, map); !fits) return fits.error().within(file.path());
    return detail::read_model(model, file, &map, options);
}

// Without quantization_map.json the metadata of the file serve. Errors: those of requantize and of the system.
template <nn::ModuleTree M>
result<load_report> load(M& model, std::string const& directory, load_options const& options = {}) {
    if (directory.empty()) return error(errc::missing, "load: the name of the directory is empty");
    auto const file = io::SafetensorsFile::open(directory + "/model.safetensors");
    if (!file) return file.error();
    auto map = io::read_quantization_map(directory + "/quantization_map.json");
    if (!map && map.error().code() == errc::missing) map = detail::map_in(*file);
    if (!map) return map.error();
    return requantize(model, *file, *map, options);
}

}  // namespace quanto::inline v0

#if QUANTO_HAS_BODIES
#include <quanto/workflow/load.inl>
#endif
