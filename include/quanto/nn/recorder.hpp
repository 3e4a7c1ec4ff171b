// recorder = what a Calibration learns of one module: the running scales of its input and its output, kept as they will
// be stored, and what they were taken from. It is lent to the module while the calibration lasts.
//     moving average   scale = momentum * scale + (1 - momentum) * s, rounded after each operation
// A batch with NaN or infinity changes nothing; the first one is the recorder's problem.
#pragma once

#include <optional>
#include <string_view>

#include <quanto/nn/activation.hpp>
#include <quanto/nn/observer.hpp>

namespace quanto::inline v0::nn {

// What passed one side of a module.
struct seen_values {
    float lowest = 0.0f, highest = 0.0f;
    magnitude_histogram magnitudes{};

    // Precondition: all finite.
    void add(Tensor<float> const& x);
};

struct recorder {
    any_qtype type;
    dtype scale_type = dtype::f32;
    observer observes = observer::moving_average;
    double momentum = 0.9, input_momentum = 0.9, percentile = 0.9999;
    std::optional<float> input_scale{}, output_scale{};
    bool quantize_output = true;  // while the scope lasts
    seen_values input_values{}, output_values{};
    activation_source self{};   // this module's output; null: nobody asks who reads it
    recorder* outer = nullptr;  // of a scope around this one
    std::optional<error> problem{};

    void input(Activation const& x);
    void output(Activation const& y);

private:
    bool find_problem(Tensor<float> const& x, std::string_view which);

    void update(std::optional<float>& scale, seen_values& seen, double weight, Tensor<float> const& x,
                std::string_view which);
    template <ActivationQType Q>
    float next_scale(std::optional<float> old, magnitude_histogram const& seen, double weight,
                     Tensor<float> const& x) const {
        float const s = absmax_scale<Q>(x.data(), x.size());
        switch (observes) {
            case observer::moving_average:
                return old ? rounded(rounded(static_cast<float>(weight) * *old) +
                                     rounded(static_cast<float>(1.0 - weight) * s))
                           : s;
            case observer::absolute_max:
                return old && *old > s ? *old : s;
            case observer::percentile:
                return seen.percentile(percentile) / Q::qmax;
            case observer::mean_squared_error:
                return seen.least_squares_scale<Q>();
        }
        return s;
    }
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/recorder.inl>
#endif
