// prepare(model, {.backend = b}) packs the quantized weights into the layout that the fastest products of that backend
// read (kernels/panel/layout.hpp), where that pays. quantize(), freeze() and load() do it, for the default backend
// where they are not told another; a forward pass never does. Results stay within the same error bounds; nothing of it
// is in a saved file.
//     prepare(model, {.backend = b, .release_portable = true})
// keeps the panels alone, so that a frozen model takes no more memory than unprepared; save() restores the portable
// form bit for bit, one weight at a time. Only backends that read panels can then run the model.
//     explain(model, here)      which kernel each weight is multiplied with in that context, and why
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <quanto/nn/context.hpp>
#include <quanto/nn/module.hpp>
#include <quanto/nn/quantizable.hpp>
#include <quanto/nn/weight.hpp>

namespace quanto::inline v0 {

struct prepare_options {
    backend_ref backend = nn::context{}.backend;  // one that reads no panels: weights stay as they are
    memory_ref memory{};                          // of the panels
    bool release_portable = false;                // of frozen weights
};

// A weight for which there was no memory is not an error of the model: it is multiplied unprepared.
struct prepare_report {
    struct row {
        std::string name;
        std::size_t bytes;  // of the panels
    };
    std::vector<row> rows;           // the weights that are prepared
    std::optional<error> problem{};  // the first one that could not be

    explicit operator bool() const noexcept { return !problem; }
};

// Cost: one pass over the quantized weights, and as many bytes again, released weight by weight where that is asked
// for.
template <nn::ModuleTree M>
prepare_report prepare(M& model, prepare_options const& options = {}) {
    prepare_report report;
    nn::for_each_module(model, [&]<class N>(std::string_view name, N& module) {
        if constexpr (nn::HasWeight<N> && !nn::Table<N>) {
            nn::Weight& w = module.weight;
            auto const done = w.prepare(options.backend, options.memory);
            if (!done && !report.problem) report.problem = done.error().within(name);
            if (options.release_portable) w.release_portable();
            if (w.prepared() != nullptr) report.rows.push_back({std::string(name), w.prepared()->bytes().size()});
        }
    });
    return report;
}

struct explanation {
    std::string name;
    kernel_choice choice;
};

// For inputs of `rows` rows. Weights without values are left out.
template <nn::ModuleTree M>
std::vector<explanation> explain(M const& model, nn::context const& where = {}, std::size_t rows = 1) {
    std::vector<explanation> all;
    nn::for_each_module(model, [&]<class N>(std::string_view name, N const& module) {
        if constexpr (nn::HasWeight<N> && !nn::Table<N>) {
            nn::Weight const& w = module.weight;
            if (!w.has_values()) return;
            if constexpr (requires { module.explain(where, rows); }) {  // a convolution
                all.push_back({std::string(name), module.explain(where, rows)});
                return;
            }
            dtype x = dtype::f32;  // codes of float8 are read by products of matrices, under one scale
            if constexpr (nn::Quantizable<N>)
                if (auto const& a = module.activation; a.type && (a.is_dynamic() || a.input_scale))
                    if (a.type->template is<qint8>() || a.scaling != nn::activation_scaling::per_row)
                        x = code_dtype(*a.type);
            product_input const input = input_of(x, where.accuracy);
            dtype const stored = where.backend.multiplies(w.type()) ? w.type() : dtype::f32;
            kernel_choice choice = where.backend.explain_matmul(rows, stored);
            if (w.prepared() != nullptr && where.backend.reads_panels())
                choice = where.backend.explain_matmul(rows, *w.prepared(), input);
            else if (w.quantized() != nullptr)
                choice = where.backend.explain_matmul(rows, *w.quantized(), input);
            else if (w.is_frozen())
                choice = {"matmul", "none", "the portable form was released, and this backend does not read panels"};
            all.push_back({std::string(name), choice});
        }
    });
    return all;
}

}  // namespace quanto::inline v0
