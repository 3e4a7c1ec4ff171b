// BatchNorm: y = (x - mean[c]) / sqrt(var[c] + eps) * w[c] + b[c] for channel c, dimension 1 of x (batch, channels, ..)
//     inference   mean and var are the running ones
//     tuning      where the tape watches statistics(): those of the batch, var = sum of (x - mean)^2 / n. Afterwards
//                 running = (1 - momentum) * running + momentum * the batch's, var then with n - 1
// Computed in float as x * factor[c] + offset[c], both rounded once from double. It can be folded into its neighbour
// (fold.hpp); what then stays behind is the identity, without parameters.
#pragma once

#include <cstring>
#include <optional>
#include <utility>

#include <quanto/core/interleaved_sum.hpp>
#include <quanto/core/math.hpp>
#include <quanto/nn/any_tensors.hpp>
#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

struct BatchNorm {
    any_tensor weight, bias, running_mean, running_var;
    any_tensor num_batches_tracked;  // i64, as PyTorch counts; no effect here
    float eps = 1e-5f;
    float momentum = 0.1f;

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
        return through(static_cast<double>(running_mean[c]), deviation_of(static_cast<double>(running_var[c])), c);
    }
    bool has_values() const noexcept {
        for (auto const* t : {&weight, &bias, &running_mean, &running_var})
            if (t->shape() != weight.shape() || t->shape().rank() != 1 || !nn::has_values(*t)) return false;
        return true;
    }

    void const* statistics() const noexcept { return &running_mean; }
    // measured (3, channels): for each channel n * mean, n * var and n, summed over the parts of a batch.
    // Errors: out_of_memory, which changes nothing.
    result<success> follow(Tensor<float> const& measured) {
        std::size_t const n = channels();
        auto mean = Tensor<float>::make({n}), var = Tensor<float>::make({n});
        if (!mean || !var) return (mean ? var : mean).error();
        for (std::size_t c = 0; c != n; ++c) {
            float const count = measured[2 * n + c];
            (*mean)[c] = (1.0f - momentum) * running_mean[c] + momentum * (measured[c] / count);
            (*var)[c] = (1.0f - momentum) * running_var[c] + momentum * (measured[n + c] / count);
        }
        return store(*mean, *var, batches() + 1);
    }
    result<success> reset() {
        auto mean = Tensor<float>::make({channels()}), var = Tensor<float>::make({channels()});
        if (!mean || !var) return (mean ? var : mean).error();
        for (std::size_t c = 0; c != channels(); ++c) (*var)[c] = 1.0f;
        return store(*mean, *var, 0);
    }
    std::uint64_t batches() const noexcept {
        std::uint64_t count = 0;
        if (num_batches_tracked.bytes().size() == sizeof count)
            std::memcpy(&count, num_batches_tracked.bytes().data(), sizeof count);
        return count;
    }

    // Errors: the input's; a shape without `channels` in dimension 1; no values; one value per channel, which has no
    // variance, where the batch's is asked for.
    Activation operator()(Activation const& x) const {
        if (!x || is_identity()) return x;
        if (!has_values())
            return error(errc::missing, "BatchNorm (", channels(), "): no values, or its tensors disagree");
        if (x.shape().rank() < 2 || x.shape()[1] != channels())
            return append(error(errc::shape_mismatch, "BatchNorm (", channels(), "): the input has shape "), x.shape());
        auto y = x.value();
        if (!y) return y.error().within("BatchNorm");
        bool const of_batch = x.tape() != nullptr && x.tape()->watches(statistics());
        auto m = of_batch ? measure(*y, *x.tape(), x.where().memory) : running(x.where().memory);
        if (!m) return m.error().within("BatchNorm");
        for (std::size_t c = 0; c != channels(); ++c) {
            affine const a = through((*m)[2 * c], (*m)[2 * c + 1], c);
            auto const factor = static_cast<float>(a.factor), offset = static_cast<float>(a.offset);
            for_each_plane(*y, c, [&](std::size_t first, std::size_t area) {
                float* const plane = y->data() + first;
                for (std::size_t i = 0; i != area; ++i) plane[i] = plane[i] * factor + offset;
            });
        }
        Activation out = like(x, std::move(*y));
        if (x.tape() == nullptr) return out;
        return recorded(std::move(out), [this, x, m = std::move(*m), of_batch](Tape& tape, Tensor<float> dy) {
            return backward(tape, x, m, of_batch, dy);
        });
    }

private:
    affine through(double mean, double deviation, std::size_t c) const noexcept {
        double const factor = static_cast<double>(weight[c]) / deviation;
        return {factor, static_cast<double>(bias[c]) - mean * factor};
    }
    // f(first, area) for the values of channel c of each image.
    template <class F>
    void for_each_plane(Tensor<float> const& x, std::size_t c, F const& f) const {
        std::size_t const images = x.shape().front(), area = images == 0 ? 0 : x.size() / images / channels();
        for (std::size_t n = 0; n != images; ++n) f((n * channels() + c) * area, area);
    }
    // The sum of f(i) over the values of channel c.
    template <class F>
    double sum_over(Tensor<float> const& x, std::size_t c, F const& f) const {
        interleaved_sum sum;
        for_each_plane(x, c, [&](std::size_t first, std::size_t area) {
            sum.add(area, [&](std::size_t i) { return f(first + i); });
        });
        return sum.total();
    }
    double deviation_of(double var) const noexcept { return math::sqrt(var + static_cast<double>(eps)); }

    // Both: mean and deviation of each channel in turn.
    result<Tensor<double>> running(memory_ref memory) const {
        auto m = Tensor<double>::make({channels(), 2}, memory);
        if (!m) return m;
        for (std::size_t c = 0; c != channels(); ++c) {
            (*m)[2 * c] = static_cast<double>(running_mean[c]);
            (*m)[2 * c + 1] = deviation_of(static_cast<double>(running_var[c]));
        }
        return m;
    }
    result<Tensor<double>> measure(Tensor<float> const& x, Tape& tape, memory_ref memory) const {
        auto m = Tensor<double>::make({channels(), 2}, memory);
        auto seen = Tensor<float>::make({3, channels()}, memory);
        if (!m || !seen) return m ? seen.error() : m.error();
        if (x.size() / channels() < 2)
            return error(errc::invalid_argument, "a batch of one value per channel has no variance");
        auto const n = static_cast<double>(x.size() / channels());
        for (std::size_t c = 0; c != channels(); ++c) {
            double const mean = sum_over(x, c, [&](std::size_t i) { return static_cast<double>(x[i]); }) / n;
            double const squares = sum_over(x, c, [&](std::size_t i) {
                double const d = static_cast<double>(x[i]) - mean;
                return d * d;
            });
            (*m)[2 * c] = mean;
            (*m)[2 * c + 1] = deviation_of(squares / n);
            (*seen)[c] = static_cast<float>(n * mean);
            (*seen)[channels() + c] = static_cast<float>(n * (squares / (n - 1)));
            (*seen)[2 * channels() + c] = static_cast<float>(n);
        }
        if (auto done = tape.add_to(statistics(), std::move(seen)); !done) return done.error();
        return m;
    }

    // With z = (x - mean) / deviation, for each channel: dw = sum of dy * z, db = sum of dy, and
    //     dx = factor * dy                         where mean and deviation are constants
    //     dx = factor * (dy - (db + z * dw) / n)   where they are those of the batch
    result<success> backward(Tape& tape, Activation const& x, Tensor<double> const& m, bool of_batch,
                             Tensor<float>& dy) const {
        auto const memory = x.where().memory;
        auto const floats = x.floats();
        auto dw = Tensor<float>::make({channels()}, memory), db = Tensor<float>::make({channels()}, memory);
        if (!floats) return floats.error();
        if (!dw || !db) return (dw ? db : dw).error();
        Tensor<float> const &v = *floats, &g = dy;
        for (std::size_t c = 0; c != channels(); ++c) {
            double const mean = m[2 * c], deviation = m[2 * c + 1];
            double const factor = through(mean, deviation, c).factor;
            double const sum = sum_over(g, c, [&](std::size_t i) { return static_cast<double>(g[i]); });
            double const dot = sum_over(
                g, c, [&](std::size_t i) { return static_cast<double>(g[i]) * (static_cast<double>(v[i]) - mean); });
            (*dw)[c] = static_cast<float>(dot / deviation);
            (*db)[c] = static_cast<float>(sum);
            double const share =
                of_batch ? factor * static_cast<double>(channels()) / static_cast<double>(g.size()) : 0;
            auto const of_dy = static_cast<float>(factor);
            auto const of_x = static_cast<float>(-share * dot / (deviation * deviation));
            auto const rest = static_cast<float>(share * (mean * dot / (deviation * deviation) - sum));
            for_each_plane(g, c, [&](std::size_t first, std::size_t area) {
                float* const to = dy.data() + first;
                float const* const from = v.data() + first;
                for (std::size_t i = 0; i != area; ++i) to[i] = of_dy * to[i] + (of_x * from[i] + rest);
            });
        }
        if (auto done = tape.add_to(&weight, std::move(dw)); !done) return done;
        if (auto done = tape.add_to(&bias, std::move(db)); !done) return done;
        return tape.add(x.node(), std::move(dy));
    }

    result<success> store(Tensor<float> const& mean, Tensor<float> const& var, std::uint64_t batches) {
        auto m = converted(mean, running_mean.type()), v = converted(var, running_var.type());
        auto count = storage::allocate(sizeof batches);
        if (!m || !v) return (m ? v : m).error();
        if (!count) return count.error();
        std::memcpy(count->mutable_data(), &batches, sizeof batches);
        running_mean = std::move(*m);
        running_var = std::move(*v);
        num_batches_tracked = {dtype::i64, {}, std::move(*count)};
        return success{};
    }
};

}  // namespace quanto::inline v0::nn
