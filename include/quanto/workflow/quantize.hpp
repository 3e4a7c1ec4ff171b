// quantize(model, {.weights = qint4{}, .activations = qint8{}, .exclude = {"lm_head"}}) marks modules: their weights
// become dynamic (quantized, the float master kept), their activations are quantized once a Calibration has seen some.
// Weights are prepared (prepare.hpp), so that the model computes the same before and after it is frozen.
// Modules are selected by name as in Python quanto: one of `include` and none of `exclude` matches. A pattern that matches
// no module with something to quantize is an error: a misspelt one would quantize what must stay float.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quanto/nn/module.hpp>
#include <quanto/nn/quantizable.hpp>
#include <quanto/nn/weight.hpp>
#include <quanto/workflow/pattern.hpp>
#include <quanto/workflow/prepare.hpp>

namespace quanto::inline v0 {

struct quantize_options {
    std::optional<any_qtype> weights{};
    std::optional<any_qtype> activations{};  // an 8-bit type
    // Dynamic scales need no calibration: a module with weights that quantizes its input (Linear, convolutions with
    // quantize_input) does so by its own values. To Python quanto such a file has no quantized activations.
    nn::activation_scaling scaling = nn::activation_scaling::calibrated;
    std::optional<any_qtype>
        embeddings{};  // tables that are looked up; Python quanto leaves them float, and reads no other
    std::vector<std::string_view> include{"*"};
    std::vector<std::string_view> exclude{};
    // Elements per group of 2- and 4-bit weights; nothing: what Python quanto takes, module_group_size; 0: a row is one.
    std::optional<std::size_t> group{};
    bool hqq = false;  // 2- and 4-bit weights: half-quadratic shifts
    prepare_options prepare{};
};

struct quantize_report {
    struct row {
        std::string name;
        std::optional<any_qtype> weights, activations;
        bool frozen = false;  // its weight was before, and stays what it is
    };
    std::vector<row> rows;  // the modules that were marked
    prepare_report prepared{};
};

namespace detail {
bool selects(quantize_options const& options, std::string_view name) noexcept;
// What the options ask of a module, if anything.
template <class N>
std::optional<any_qtype> weights_for(quantize_options const& options) noexcept {
    if constexpr (nn::Table<N>)
        return options.embeddings;
    else if constexpr (nn::HasWeight<N> && nn::Quantizable<N>)
        return options.weights;
    else
        return std::nullopt;
}
template <class N>
std::optional<any_qtype> activations_for(quantize_options const& options) noexcept {
    if (!nn::Quantizable<N> || (options.scaling != nn::activation_scaling::calibrated && !nn::HasWeight<N>))
        return std::nullopt;
    return options.activations;
}
nn::weight_scheme scheme_for(any_qtype type, extents const& shape, std::optional<std::size_t> group, bool hqq) noexcept;
// The error for the first pattern that matches nothing that could be quantized.
template <class M>
std::optional<error> unmatched(M const& model, std::vector<std::string_view> const& patterns, char const* list) {
    for (auto const pattern : patterns) {
        bool found = false, holds_modules = false;
        nn::for_each_module(model, [&]<class N>(std::string_view name, N const&) {
            if (matches(name, pattern)) (nn::HasWeight<N> || nn::Quantizable<N> ? found : holds_modules) = true;
        });
        if (!found && holds_modules)
            return error(errc::invalid_argument, list, ": ", pattern, " itself has nothing to quantize; what is in it: ",
                         pattern, ".*");
        if (!found) return error(errc::invalid_argument, list, ": no module has a name like ", pattern);
    }
    return std::nullopt;
}
inline std::string joined(std::string_view module, std::string_view name) {
    std::string key(module);
    if (!key.empty()) key += '.';
    return key += name;
}
}  // namespace detail

// Cost: two passes over the selected weights; memory for their codes, twice. References into the model stay valid.
// Errors: those of Weight::quantized_as, which name the module; invalid_argument for activations of less than 8 bits and
// for a pattern that matches nothing to quantize. The model is then unchanged.
template <nn::ModuleTree M>
result<quantize_report> quantize(M& model, quantize_options const& options) {
    if (options.activations && options.activations->bits() != 8)
        return error(errc::invalid_argument, "activations cannot be ", options.activations->name());
    if (auto const wrong = detail::unmatched(model, options.include, "include")) return *wrong;
    if (auto const wrong = detail::unmatched(model, options.exclude, "exclude")) return *wrong;
    quantize_report report;
    std::vector<std::pair<nn::weight_scheme, std::optional<any_qtensor>>> staged;
    std::optional<error> problem;
    auto const chosen = [&]<class N>(std::string_view name, N&) {
        return detail::selects(options, name) &&
               (detail::weights_for<N>(options) || detail::activations_for<N>(options));
    };
    nn::for_each_module(model, [&]<class N>(std::string_view name, N& module) {
        if (problem || !chosen(name, module)) return;
        auto const weights = detail::weights_for<N>(options);
        report.rows.push_back({std::string(name), weights, detail::activations_for<N>(options)});
        if constexpr (nn::HasWeight<N>)
            if (weights) {
                report.rows.back().frozen = module.weight.is_frozen();
                auto const scheme = detail::scheme_for(*weights, module.weight.shape(), options.group, options.hqq);
                auto q = module.weight.quantized_as(scheme);
                if (!q)
                    problem = q.error().within(detail::joined(name, "weight"));
                else
                    staged.emplace_back(scheme, std::move(*q));
            }
    });
    if (problem) return *problem;

    auto next = staged.begin();
    nn::for_each_module(model, [&]<class N>(std::string_view name, N& module) {
        if (!chosen(name, module)) return;
        if constexpr (nn::HasWeight<N>)
            if (detail::weights_for<N>(options)) {
                module.weight.adopt(next->first, std::move(next->second));
                ++next;
            }
        if constexpr (nn::Quantizable<N>)
            if (auto const type = detail::activations_for<N>(options);
                type && (module.activation.type != type || module.activation.scaling != options.scaling))
                module.activation = {.type = type, .scaling = options.scaling};  // scales of another type mean nothing
    });
    report.prepared = prepare(model, options.prepare);
    return report;
}

}  // namespace quanto::inline v0

#if QUANTO_HAS_BODIES
#include <quanto/workflow/quantize.inl>
#endif
