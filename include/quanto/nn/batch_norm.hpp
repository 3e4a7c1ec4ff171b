// BatchNorm, as it infers: y = (x - running_mean[c]) / sqrt(running_var[c] + eps) * w[c] + b[c] for channel c, which is
// dimension 1 of x (batch, channels, ..). Computed in float as x * factor[c] + offset[c], both rounded once from
// double. It can be folded into its neighbour (fold.hpp); what then stays behind is the identity, without parameters.
#pragma once

#include <cmath>
#include <optional>
#include <utility>

#include <quanto/nn/any_tensors.hpp>
#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

struct BatchNorm {
    any_tensor weight, bias, running_mean, running_var;
    any_tensor num_batches_tracked;  // i64, as PyTorch counts; no effect here
    float eps = 1e-5f;

    // Declared only: load values, or set them.
    explicit BatchNorm(std::size_t channels, float epsilon = 1e-5f)
        : weight(declared({channels})),
          bias(declared({channels})),
          running_mean(declared({channels})),
          running_var(declared({channels})),
          num_batches_tracked(dtype::i64, {}, storage{}),
          eps(epsilon) {}
    // Gives its input back.
    static BatchNorm identity() { return BatchNorm(0); }
    bool is_identity() const noexcept { return channels() == 0; }

    std::size_t channels() const noexcept { return weight.shape().front(); }

    static void parameters(auto& self, auto&& each) {
        if (self.is_identity()) return;
        each("weight", self.weight);
        each("bias", self.bias);
    }
    static void buffers(auto& self, auto&& each) {
        if (self.is_identity()) return;
        each("running_mean", self.running_mean);
        each("running_var", self.running_var);
        each("num_batches_tracked", self.num_batches_tracked);
    }

    // y = x * factor + offset for channel c. Precondition: has_values(), c < channels().
    struct affine {
        double factor, offset;
    };
    affine channel(std::size_t c) const noexcept {
        auto const at = [c](any_tensor const& t) { return static_cast<double>(t[c]); };
        double const factor = at(weight) / std::sqrt(at(running_var) + static_cast<double>(eps));
        return {factor, at(bias) - at(running_mean) * factor};
    }
    bool has_values() const noexcept {
        for (auto const* t : {&weight, &bias, &running_mean, &running_var})
            if (t->shape() != weight.shape() || t->shape().rank() != 1 || !nn::has_values(*t)) return false;
        return true;
    }

    // Errors: the input's; a shape without `channels` in dimension 1; no values.
    Activation operator()(Activation const& x) const {
        if (!x || is_identity()) return x;
        if (!has_values())
            return error(errc::missing, "BatchNorm (", channels(), "): no values, or its tensors disagree");
        if (x.shape().rank() < 2 || x.shape()[1] != channels())
            return append(error(errc::shape_mismatch, "BatchNorm (", channels(), "): the input has shape "), x.shape());
        auto y = x.value();
        if (!y) return y.error().within("BatchNorm");
        std::size_t const images = x.shape().front(), area = images == 0 ? 0 : y->size() / images / channels();
        for (std::size_t c = 0; c != channels(); ++c) {
            affine const a = channel(c);
            auto const factor = static_cast<float>(a.factor), offset = static_cast<float>(a.offset);
            for (std::size_t n = 0; n != images; ++n) {
                float* const plane = y->data() + (n * channels() + c) * area;
                for (std::size_t i = 0; i != area; ++i) plane[i] = plane[i] * factor + offset;
            }
        }
        Activation out = like(x, std::move(*y));
        if (x.tape() == nullptr) return out;
        return recorded(std::move(out), [this, x](Tape& tape, Tensor<float> dy) { return backward(tape, x, dy); });
    }

private:
    // The running statistics are constants: dx = dy * factor, dw = sum of dy * (x - mean) / sqrt(var + eps), db = sum
    // of dy, for each channel.
    result<success> backward(Tape& tape, Activation const& x, Tensor<float>& dy) const {
        auto const memory = x.where().memory;
        auto const values = x.floats();
        auto dw = Tensor<float>::make({channels()}, memory), db = Tensor<float>::make({channels()}, memory);
        if (!values) return values.error();
        if (!dw || !db) return (dw ? db : dw).error();
        std::size_t const images = x.shape().front(), area = images == 0 ? 0 : dy.size() / images / channels();
        for (std::size_t c = 0; c != channels(); ++c) {
            auto const factor = static_cast<float>(channel(c).factor);
            double const mean = static_cast<double>(running_mean[c]);
            double sum = 0, dot = 0;
            for (std::size_t n = 0; n != images; ++n) {
                float* const g = dy.data() + (n * channels() + c) * area;
                float const* const v = values->data() + (n * channels() + c) * area;
                for (std::size_t i = 0; i != area; ++i) {
                    sum += static_cast<double>(g[i]);
                    dot += static_cast<double>(g[i]) * (static_cast<double>(v[i]) - mean);
                    g[i] *= factor;
                }
            }
            double const deviation = std::sqrt(static_cast<double>(running_var[c]) + static_cast<double>(eps));
            (*dw)[c] = static_cast<float>(dot / deviation);
            (*db)[c] = static_cast<float>(sum);
        }
        if (auto done = tape.add_to(&weight, std::move(dw)); !done) return done;
        if (auto done = tape.add_to(&bias, std::move(db)); !done) return done;
        return tape.add(x.node(), std::move(dy));
    }
};

}  // namespace quanto::inline v0::nn
