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
    void add(Tensor<float> const& x) {
        if (magnitudes.total() == 0 && x.size() != 0) lowest = highest = x[0];
        for (float const v : x) {
            lowest = v < lowest ? v : lowest;
            highest = v > highest ? v : highest;
        }
        magnitudes.add(x.data(), x.size());
    }
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

    void input(Activation const& x) {
        if (!x.is_quantized()) return update(input_scale, input_values, input_momentum, x.values(), "the input");
        float largest = 0.0f;
        for (std::size_t r = 0, n = x.has_row_scales() ? x.row_scales().size() : 1; r != n; ++r)
            if (float const s = absolute(x.scale_of_row(r)); s > largest) largest = s;
        input_scale = stored_as(largest, scale_type);
        if (auto const values = x.value(); values && !find_problem(*values, "the input")) input_values.add(*values);
    }
    void output(Activation const& y) { update(output_scale, output_values, momentum, y.values(), "the output"); }

private:
    bool find_problem(Tensor<float> const& x, std::string_view which) {
        auto const found = quanto::detail::not_finite(x.view(), which);
        if (found && !problem) problem = found;
        return found.has_value();
    }

    void update(std::optional<float>& scale, seen_values& seen, double weight, Tensor<float> const& x,
                std::string_view which) {
        if (find_problem(x, which)) return;
        seen.add(x);
        scale = stored_as(type.visit([&]<class Q>(Q) {
            if constexpr (ActivationQType<Q>)
                return next_scale<Q>(scale, seen.magnitudes, weight, x);
            else
                return 0.0f;
        }),
                          scale_type);
    }
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
