// tuned_parameter = something of a model that a Tuner moves, and its float32 copy: a weight, another tensor, or the
// scale of an activation. Scales s, also those of a weight, are learned as t with s = start * exp(t), t = 0 at first:
// they stay positive, a step is relative, and weight decay draws them back to where they began.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <quanto/core/interleaved_sum.hpp>
#include <quanto/core/math.hpp>
#include <quanto/nn/gradient.hpp>
#include <quanto/nn/straight_through.hpp>
#include <quanto/quantizer/optimizer.hpp>
#include <quanto/workflow/descent.hpp>

namespace quanto::inline v0::detail {

inline double sum_of_squares(float const* v, std::size_t n) noexcept {
    interleaved_sum sum;
    sum.add(n, [v](std::size_t i) { return static_cast<double>(v[i]) * static_cast<double>(v[i]); });
    return sum.total();
}

// Values, their gradient, and what the method remembers of them.
struct moving_values {
    Tensor<float> values, gradient, state[2];

    // Zeros.
    static result<moving_values> make(extents const& shape, std::size_t states, memory_ref memory) {
        moving_values m;
        Tensor<float>* const all[] = {&m.values, &m.gradient, &m.state[0], &m.state[1]};
        for (std::size_t i = 0; i != 2 + states; ++i) {
            auto made = Tensor<float>::make(shape, memory);
            if (!made) return made.error();
            *all[i] = std::move(*made);
        }
        return m;
    }
    descent_step step(std::size_t first, std::size_t size, std::size_t count, float rate_factor) noexcept {
        descent_step s{values.data() + first, gradient.data() + first, {}, size, count, rate_factor};
        for (std::size_t i = 0; i != 2; ++i)
            if (state[i]) s.state[i] = state[i].data() + first;
        return s;
    }
};

struct tuned_parameter {
    std::string name;
    nn::Weight* weight = nullptr;  // one of the three
    any_tensor* tensor = nullptr;
    std::optional<float>* scale = nullptr;

    dtype type = dtype::f32;
    moving_values main{};
    moving_values scales{};               // of a weight's groups, where they are learned
    Tensor<float> start{}, zero_point{};  // of each scale that is learned: its first value; shift / scale, which stays
    Tensor<float> dequantized{}, transposed{};  // of a weight: as passes read it
    bool is_transposed = false;
    std::optional<error> problem{};

    void const* address() const noexcept {
        return weight != nullptr   ? static_cast<void const*>(weight)
               : tensor != nullptr ? static_cast<void const*>(tensor)
                                   : static_cast<void const*>(scale);
    }
    bool is_quantized() const noexcept { return weight != nullptr && weight->quantized() != nullptr; }
    // Values of one row of a weight, which its groups do not cross; 1 of others.
    std::size_t row_size() const noexcept {
        std::size_t const rows = weight != nullptr ? weight->shape().front() : 0;
        return rows == 0 ? 1 : math::max(main.values.size() / rows, 1);
    }
    std::size_t groups_per_row() const noexcept {
        return scales.values ? weight->quantized()->layout().groups_per_line() : 0;
    }

    // Takes the values over. Errors: frozen, no values, out_of_memory.
    result<success> adopt(std::size_t states, bool learn_scales, memory_ref memory) {
        any_tensor const* const from = weight != nullptr ? weight->master() : tensor;
        if (scale == nullptr && from == nullptr) return error(errc::invalid_argument, "is frozen: tune before freeze");
        if (scale == nullptr && !nn::has_values(*from))
            return error(errc::missing, "no values: load or initialize the model");
        auto made = moving_values::make(scale != nullptr ? extents{1} : from->shape(), states, memory);
        if (!made) return made.error();
        main = std::move(*made);
        if (scale == nullptr) {
            type = from->type();
            for (std::size_t i = 0; i != main.values.size(); ++i) main.values[i] = (*from)[i];
        }
        if (scale != nullptr || (learn_scales && is_quantized())) return adopt_scales(states, memory);
        return success{};
    }

    // From the gradient of the quantized values of rows first .. first + rows to that of the master, which clamped
    // values do not pass, and of the scales. Precondition: is_quantized(), dequantized is up to date.
    void through_rounding(std::size_t first, std::size_t rows) noexcept {
        Tensor<float> const &q = dequantized, &x = main.values;
        weight->quantized()->visit([&]<class Q>(qtensor_view<Q> const& view) {
            std::size_t const per_row = view.layout.groups_per_line();
            for (std::size_t g = first * per_row; g != (first + rows) * per_row; ++g) {
                std::size_t const begin = view.layout.element(g, 0);
                double const d = nn::detail::through_rounding(
                    nn::detail::unclamped<Q>(view.scale(g), view.shift(g)), true, x.data() + begin,
                    [&](std::size_t i) { return q[begin + i]; }, view.layout.size_of(g), main.gradient.data() + begin);
                if (scales.gradient) scales.gradient[g] = static_cast<float>(d);
            }
        });
    }

    // The values go into the module. Errors: those of quantizing them, out_of_memory.
    result<success> store(memory_ref memory) {
        if (scale != nullptr) return *scale = scale_at(main, 0), success{};
        auto stored = nn::converted(main.values, type, memory);
        if (!stored) return stored.error();
        if (tensor != nullptr) return *tensor = std::move(*stored), success{};
        if (!scales.values) return weight->set(std::move(*stored));
        std::size_t const groups = start.size();
        auto chosen = Tensor<float>::make({2, groups}, memory);
        if (!chosen) return chosen.error();
        for (std::size_t g = 0; g != groups; ++g) {
            (*chosen)[g] = scale_at(scales, g);
            (*chosen)[groups + g] = std::as_const(zero_point)[g] * scale_at(scales, g);
        }
        chosen_scales const with{std::as_const(*chosen).data(), std::as_const(*chosen).data() + groups};
        return weight->set(std::move(*stored), &with);
    }

    // What passes read of a weight, once for all of them: its values as it multiplies, and transposed where gradients
    // were found to ask for that. Errors: out_of_memory.
    result<success> derive(memory_ref memory) {
        if (is_quantized()) {
            auto made = nn::detail::values_of(*weight, memory);
            if (!made) return made.error();
            dequantized = std::move(*made);
        }
        if (!is_transposed) return success{};
        auto made = nn::detail::transposed(nn::detail::matrix_of(values()), memory);
        if (!made) return made.error();
        transposed = std::move(*made);
        return success{};
    }
    Tensor<float> const& values() const noexcept { return dequantized ? dequantized : main.values; }

private:
    float scale_at(moving_values const& t, std::size_t g) const noexcept { return start[g] * math::exp(t.values[g]); }

    result<success> adopt_scales(std::size_t states, memory_ref memory) {
        std::size_t const n = scale != nullptr ? 1 : weight->quantized()->layout().groups();
        auto first = Tensor<float>::make({n}, memory), zero = Tensor<float>::make({n}, memory);
        if (!first || !zero) return (first ? zero : first).error();
        if (scale != nullptr) {
            (*first)[0] = **scale;
        } else {
            weight->quantized()->visit([&](auto const& q) {
                for (std::size_t g = 0; g != n; ++g) {
                    (*first)[g] = q.scale(g);
                    (*zero)[g] = q.shift(g) / q.scale(g);
                }
            });
            auto made = moving_values::make({n}, states, memory);
            if (!made) return made.error();
            scales = std::move(*made);
        }
        start = std::move(*first);
        zero_point = std::move(*zero);
        return success{};
    }
};

}  // namespace quanto::inline v0::detail
