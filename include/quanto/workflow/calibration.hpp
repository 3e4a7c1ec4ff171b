// Calibration = a scope in which a model learns the scales of its activations from what is passed through it.
//     {
//         Calibration calibrate{model, {.momentum = 0.9}};
//         for (auto const& batch : samples) model(batch);
//         auto report = calibrate.finish();       // or the end of the scope
//     }
// Streamlining: the output of a module stays quantized only if something reads its codes, directly or through
// operations that keep codes (nn/operations.hpp): a module that quantizes its input, an integer product. Others give
// float afterwards, for it would only be dequantized. The decision is made once, at the end: while the scope lasts all
// outputs are quantized. A module that runs several times in a batch is seen that often; one reader is enough.
//
// A scope inside another one takes the modules over until it ends; the outer one goes on from the scales it found.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <quanto/workflow/calibration_report.hpp>
#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

struct calibration_options {
    double momentum = 0.9;                   // double, so that 1 - 0.9 rounds to the float 0.1, as in Python
    std::optional<double> input_momentum{};  // nothing: the same; Python quanto takes 0.9, whatever is asked for
    bool streamline = true;
    quanto::observer observer = quanto::observer::moving_average;
    double percentile = 0.9999;  // of observer::percentile
    // Scales start anew, as if nothing had been seen: after tuning, which changes what flows. Otherwise they go on from
    // those that a module has.
    bool restart = false;
};

// Precondition: the model outlives the scope and stays where it is; one thread. Copies of the model, also those that
// are made meanwhile, are not calibrated.
template <nn::ModuleTree M>
class Calibration {
public:
    explicit Calibration(M& model, calibration_options const& options = {}) : streamline_(options.streamline) {
        nn::for_each_module(model, [&]<class N>(std::string_view name, N& module) {
            if constexpr (nn::Quantizable<N>) add(name, module, options);
        });
        log_ = new nn::reader_log(recorders_.size());
        for (std::size_t i = 0; i != recorders_.size(); ++i) {
            log_->owners.retain();
            recorders_[i].self = nn::activation_source(log_, i);
            states_[i]->recorder.lend(&recorders_[i]);
        }
        keep_log_ = nn::activation_source(log_, 0);
    }
    Calibration(Calibration const&) = delete;
    Calibration& operator=(Calibration const&) = delete;
    ~Calibration() { (void)finish(); }

    // Ends the scope: scales go into the modules; a module that nothing passed through keeps what it had, and zeros
    // alone give no scale. Afterwards an empty report. Errors: missing, where nothing passed at all; not_finite, where
    // a batch had NaN or infinity (it changed no scale), naming the module that met the first one.
    result<calibration_report> finish() {
        calibration_report report;
        if (finished_) return report;
        finished_ = true;
        std::optional<error> problem;
        bool seen = recorders_.empty();
        for (std::size_t i = 0; i != recorders_.size(); ++i) {
            auto& r = recorders_[i];
            auto& state = *states_[i];
            take_back(state, r);
            bool const ran = r.output_values.magnitudes.total() != 0 || r.input_values.magnitudes.total() != 0;
            bool const same = state.type == r.type && !state.is_dynamic();
            seen = seen || ran || r.problem;
            if (ran && same) store(state, r, i);
            if (r.problem && !problem) problem = r.problem->within(names_[i]);
            report.rows.push_back(row_of(state, r, i, ran, same));
        }
        if (problem) return *problem;
        if (!seen) return error(errc::missing, "nothing passed through the model while it was calibrated");
        return report;
    }

private:
    template <class N>
    void add(std::string_view name, N& module, calibration_options const& options) {
        nn::activation_state& state = module.activation;
        if (!state.type || state.is_dynamic()) return;
        names_.emplace_back(name);
        states_.push_back(&state);
        auto& r = recorders_.emplace_back(nn::recorder{.type = *state.type, .observes = options.observer});
        if constexpr (requires { module.weight.type(); }) r.scale_type = module.weight.type();
        r.momentum = options.momentum;
        r.input_momentum = options.input_momentum.value_or(options.momentum);
        r.percentile = options.percentile;
        r.outer = state.recorder.get();
        if (options.restart) return;
        r.input_scale = r.outer != nullptr ? r.outer->input_scale : state.input_scale;
        r.output_scale = r.outer != nullptr ? r.outer->output_scale : state.output_scale;
    }

    // Out of the chain of scopes around this module; they may end in any order.
    static void take_back(nn::activation_state& state, nn::recorder& r) noexcept {
        if (state.recorder.get() == &r) return state.recorder.lend(r.outer);
        for (auto* inner = state.recorder.get(); inner != nullptr; inner = inner->outer)
            if (inner->outer == &r) inner->outer = r.outer;
    }

    void store(nn::activation_state& state, nn::recorder const& r, std::size_t i) const noexcept {
        auto const usable = [](std::optional<float> scale) { return scale && *scale > 0.0f ? scale : std::nullopt; };
        state.input_scale = usable(r.input_scale);
        state.output_scale = usable(r.output_scale);
        state.quantize_output = !streamline_ || log_->readers[i] != nn::reader_log::none;
        if (r.outer == nullptr) return;
        r.outer->input_scale = r.input_scale;
        r.outer->output_scale = r.output_scale;
    }

    calibration_report::row row_of(nn::activation_state const& state, nn::recorder const& r, std::size_t i, bool ran,
                                   bool same) const {
        calibration_report::row row{names_[i], r.type};
        row.input = detail::side_of(r.input_values, state.input_scale, r.type);
        row.output = detail::side_of(r.output_values, state.output_scale, r.type);
        row.output_quantized = state.quantize_output && state.output_scale.has_value();
        std::size_t const reader = log_->readers[i];
        row.why = !same                               ? "it was quantized otherwise meanwhile"
                  : !ran                              ? "nothing passed through it"
                  : !state.output_scale               ? "only zeros were seen"
                  : !streamline_                      ? "streamlining is off"
                  : reader == nn::reader_log::none    ? "nothing reads its codes"
                  : reader == nn::reader_log::unnamed ? "an operation reads its codes"
                                                      : names_[reader] + " reads its codes";
        return row;
    }

    std::vector<nn::recorder> recorders_;
    std::vector<nn::activation_state*> states_;  // of the modules that they are lent to
    std::vector<std::string> names_;
    nn::reader_log* log_ = nullptr;
    nn::activation_source keep_log_;
    bool streamline_, finished_ = false;
};

}  // namespace quanto::inline v0
