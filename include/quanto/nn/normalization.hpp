// Normalization of rows, along the last dimension, in float (sums in double):
//     centred    y = (x - mean) / sqrt(variance + eps) * w + b        variance = mean of (x - mean)^2: LayerNorm
//     not        y = x / sqrt(mean of x^2 + eps) * w + b              RMSNorm
// With quantized activations only the output is quantized, never w and b.
// Backward, with u = (x - mean) * inverse and g = dy * w:  dx = inverse * (g - mean(g) - u * mean(g * u)), without
// mean(g) where it is not centred; dw = sum of dy * u, db = sum of dy.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include <quanto/core/math.hpp>
#include <quanto/nn/module.hpp>
#include <quanto/nn/quantizable.hpp>

namespace quanto::inline v0::nn {

template <bool Centred>
struct normalization {
    static constexpr std::string_view name = Centred ? "LayerNorm" : "RMSNorm";

    any_tensor weight;
    std::optional<any_tensor> bias;
    float eps;
    activation_state activation{};

    std::size_t features() const noexcept { return weight.shape().back(); }

    static void parameters(auto& self, auto&& each) {
        each("weight", self.weight);
        if (self.bias) each("bias", *self.bias);
    }

    Activation operator()(Activation const& x) const {
        if (!x) return x;
        if (auto problem = mismatch(x)) return *problem;
        activation.observe_input(x);
        auto y = x.value();
        if (!y) return y.error().within(name);
        std::size_t const n = features();
        for (std::size_t start = 0; start < y->size(); start += n) normalize(y->data() + start, n);
        Activation out = like(x, std::move(*y));
        if (x.tape() != nullptr)
            out = recorded(std::move(out), [this, x](Tape& tape, Tensor<float> dy) { return backward(tape, x, dy); });
        return activation.quantized_output(std::move(out));
    }

private:
    // Where a row lies: unit = (x - mean) * inverse.
    struct moments {
        double mean, inverse;
        float unit(float x) const noexcept { return static_cast<float>((static_cast<double>(x) - mean) * inverse); }
    };
    moments moments_of(float const* row, std::size_t n) const noexcept {
        double const count = static_cast<double>(n);
        double sum = 0, squares = 0;
        if constexpr (Centred)
            for (std::size_t i = 0; i != n; ++i) sum += static_cast<double>(row[i]);
        double const mean = sum / count;
        for (std::size_t i = 0; i != n; ++i) {
            double const d = static_cast<double>(row[i]) - mean;
            squares += d * d;
        }
        return {mean, 1.0 / math::sqrt(squares / count + static_cast<double>(eps))};
    }
    void normalize(float* row, std::size_t n) const noexcept {
        moments const m = moments_of(row, n);
        for (std::size_t i = 0; i != n; ++i) row[i] = m.unit(row[i]) * weight[i] + (bias ? (*bias)[i] : 0.0f);
    }

    result<success> backward(Tape& tape, Activation const& x, Tensor<float>& dy) const {
        auto const memory = x.where().memory;
        std::size_t const n = features();
        auto const values = x.floats();
        auto dw = Tensor<float>::make({n}, memory), db = Tensor<float>::make({n}, memory);
        if (!values) return values.error();
        if (!dw || !db) return (dw ? db : dw).error();
        for (std::size_t start = 0; start < dy.size(); start += n) {
            float const* const row = values->data() + start;
            float* const g = dy.data() + start;
            moments const m = moments_of(row, n);
            double sum = 0, dot = 0;
            for (std::size_t i = 0; i != n; ++i) {
                float const u = m.unit(row[i]);
                (*dw)[i] += g[i] * u;
                (*db)[i] += g[i];
                g[i] *= weight[i];
                if constexpr (Centred) sum += static_cast<double>(g[i]);
                dot += static_cast<double>(g[i]) * static_cast<double>(u);
            }
            double const count = static_cast<double>(n);
            for (std::size_t i = 0; i != n; ++i)
                g[i] = static_cast<float>(m.inverse * (static_cast<double>(g[i]) - sum / count -
                                                       static_cast<double>(m.unit(row[i])) * dot / count));
        }
        if (auto done = tape.add_to(&weight, std::move(dw)); !done) return done;
        if (bias)
            if (auto done = tape.add_to(&*bias, std::move(db)); !done) return done;
        return tape.add(x.node(), std::move(dy));
    }

    std::optional<error> mismatch(Activation const& x) const {
        if (!nn::has_values(weight) || (bias && (!nn::has_values(*bias) || bias->shape() != weight.shape())))
            return error(errc::missing, name, " (", features(), "): no values, or bias and weight disagree");
        if (x.shape().rank() != 0 && x.shape().back() == features() && features() != 0) return std::nullopt;
        error e(errc::shape_mismatch, name, " (", features(), "): the input has shape ");
        return append(e, x.shape());
    }
};

}  // namespace quanto::inline v0::nn
