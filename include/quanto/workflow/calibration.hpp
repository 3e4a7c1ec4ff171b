// Calibration = a scope in which a model learns the scales of its activations from what is passed through it.
//     {
//         Calibration calibrate{model, {.momentum = 0.9}};
//         for (auto const& batch : samples) model(batch);
//         auto report = calibrate.finish();       // or the end of the scope
//     }
// Streamlining: the output of a module stays quantized only if a module that quantizes its input read it, directly or
// through operations that keep codes (relu, flatten); others give float afterwards, for it would only be dequantized.
// The decision is made once, at the end: while the scope lasts all outputs are quantized.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

struct calibration_options {
    double momentum = 0.9;  // double, so that 1 - 0.9 rounds to the float 0.1, as in Python
    bool streamline = true;
};

struct calibration_report {
    struct row {
        std::string name;
        std::optional<float> input_scale, output_scale;  // nothing: not seen
        bool output_quantized;
    };
    std::vector<row> rows;
};

// Precondition: the model outlives the scope and stays where it is; one scope per model at a time, and one thread.
template <nn::ModuleTree M>
class Calibration {
public:
    explicit Calibration(M& model, calibration_options const& options = {})
        : model_(model), streamline_(options.streamline) {
        each_state([&](std::string_view, auto& module) {
            auto const& state = module.activation;
            dtype scale_type = dtype::f32;
            if constexpr (requires { module.weight.type(); }) scale_type = module.weight.type();
            recorders_.push_back({.momentum = options.momentum,
                                  .type = *state.type,
                                  .scale_type = scale_type,
                                  .input_scale = state.input_scale,
                                  .output_scale = state.output_scale});
        });
        std::size_t i = 0;
        each_state([&](std::string_view, auto& module) {
            auto& r = recorders_[i];
            r.first = recorders_.data();
            r.count = recorders_.size();
            r.index = i++;
            module.activation.recorder.lend(&r);
        });
    }
    Calibration(Calibration const&) = delete;
    Calibration& operator=(Calibration const&) = delete;
    ~Calibration() { (void)finish(); }

    // Ends the scope: scales go into the modules. A batch with NaN or infinity changed no scale; the error names the
    // module that met the first one. Afterwards an empty report.
    result<calibration_report> finish() {
        calibration_report report;
        if (finished_) return report;
        finished_ = true;
        std::optional<error> problem;
        each_state([&](std::string_view name, auto& module) {
            auto& state = module.activation;
            auto* const r = state.recorder.get();
            if (r == nullptr) return;
            state.recorder.lend(nullptr);
            state.input_scale = r->input_scale;
            state.output_scale = r->output_scale;
            if (!streamline_)
                state.quantize_output = true;
            else if (r->output_seen)
                state.quantize_output = r->output_read_quantized;
            if (r->problem && !problem) problem = r->problem->within(name);
            report.rows.push_back({std::string(name), state.input_scale, state.output_scale,
                                   state.quantize_output && state.output_scale.has_value()});
        });
        if (problem) return *problem;
        return report;
    }

private:
    template <class F>
    void each_state(F&& f) {
        nn::for_each_module(model_, [&]<class N>(std::string_view name, N& module) {
            if constexpr (nn::Quantizable<N>)
                if (module.activation.type) f(name, module);
        });
    }

    M& model_;
    std::vector<nn::recorder> recorders_;
    bool streamline_, finished_ = false;
};

}  // namespace quanto::inline v0
