// Tuner = a scope in which the parameters of a model follow the gradient of a loss:
//     Tuner tune{model, adam{.learning_rate = 1e-3f}};
//     for (auto const& batch : training)
//         if (auto loss = tune.step(batch.x, batch.labels); !loss) return loss.error();
//     freeze(model);
// Between quantize() and freeze() that is quantization-aware training: a step multiplies with the quantized weights and
// activations, gradients pass the rounding as if it were the identity (straight-through), and the float masters are
// what moves; each weight is quantized anew from its master after every step. Scales of activations stay as they were
// calibrated. A model that was not quantized is trained in float, from its values or from those of initialize().
//
// A batch is cut into `shards` parts of equal size that run side by side and whose gradients are summed in order:
// results do not depend on the executor. Cost: about three times the forward pass; memory: for each parameter a float32
// copy, what the method keeps, and 1 + shards gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <quanto/backend/executor.hpp>
#include <quanto/core/pool_memory.hpp>
#include <quanto/nn/gradient.hpp>
#include <quanto/workflow/descent.hpp>
#include <quanto/workflow/loss.hpp>
#include <quanto/workflow/quantize.hpp>
#include <quanto/workflow/schedule.hpp>

namespace quanto::inline v0 {

struct tuner_options {
    quanto::schedule schedule{};
    std::vector<std::string_view> include{"*"};  // modules whose parameters move; the others let gradients through
    std::vector<std::string_view> exclude{};
    bool mask_clamped = false;  // activations that quantizing clamped pass no gradient
    float clip_norm = 0.0f;     // the largest norm of all gradients together; 0: any
    std::size_t shards = 4;
    std::optional<executor_ref> executor{};  // runs the shards, so a backend here must not use it
    std::optional<backend_ref> backend{};
    memory_ref memory{};  // with an executor: of any thread
};

// Precondition: the model outlives the scope and stays where it is; nobody else changes its parameters meanwhile, and
// with an executor no Calibration of it runs.
template <nn::Module M, Descent Method = sgd, class LossFunction = cross_entropy>
requires nn::ModuleTree<M>
class Tuner {
public:
    explicit Tuner(M& model, Method method = {}, LossFunction loss = {}, tuner_options const& options = {})
        : model_(model), method_(method), loss_(loss), options_(options) {
        quantize_options const selection{.include = options.include, .exclude = options.exclude};
        nn::for_each_module(model, [&]<class N>(std::string_view module, N& m) {
            if constexpr (nn::HasParameters<N>)
                if (detail::selects(selection, module))
                    N::parameters(m, [&](std::string_view name, auto& p) { adopt(detail::joined(module, name), p); });
        });
        for (std::size_t i = 0; i != parameters_.size(); ++i)
            for (std::size_t first = 0, n = parameters_[i].values.size(); first < n; first += block_size)
                blocks_.push_back({i, first, std::min(n - first, block_size)});
        if (parameters_.empty() && !problem_) problem_ = error(errc::invalid_argument, "no parameter to tune");
        for (std::size_t i = 0; i != std::max<std::size_t>(options.shards, 1); ++i) {
            auto& s = shards_.emplace_back(options.memory, options.mask_clamped);
            s.where = {options.backend ? *options.backend : backend_ref(backend_), &s.pool, &s.tape};
            for (auto const& p : parameters_) s.tape.watch(p.address());
        }
    }
    Tuner(M& model, Method method, tuner_options const& options) : Tuner(model, method, LossFunction{}, options) {}
    Tuner(Tuner const&) = delete;
    Tuner& operator=(Tuner const&) = delete;

    // One step down the gradient of the loss on this batch; its samples lie along the first dimension of x. The loss is
    // the one before the step.
    // Errors, after which the model is as it was: those of the model and of the loss; invalid_argument for an empty
    // batch or a frozen weight; not_finite for a batch, a loss or a gradient with NaN or infinity. A weight that a step
    // threw beyond all bounds is an error, too, and ends the scope.
    template <class Target>
    requires Loss<LossFunction, Target> result<float> step(Tensor<float> const& x, Target const& target) {
        if (problem_) return *problem_;
        std::size_t const samples = x.shape().rank() == 0 ? 0 : x.shape().front();
        if (x.size() == 0) return error(errc::invalid_argument, "an empty batch");
        std::size_t const parts = std::min(samples, shards_.size());
        for_each(parts, [&](std::size_t i) {
            std::size_t const first = i * samples / parts, last = (i + 1) * samples / parts;
            pass(shards_[i], x, target, {first, last - first, samples});
        });
        double loss = 0;
        for (std::size_t i = 0; i != parts; ++i) {
            if (shards_[i].problem) return *shards_[i].problem;
            loss += shards_[i].loss;
        }
        if (!std::isfinite(loss)) return error(errc::not_finite, "the loss is not finite");
        if (auto done = sum_gradients(parts); !done) return done.error();
        if (auto done = descend(); !done) return done.error();
        return static_cast<float>(loss);
    }

    std::size_t steps() const noexcept { return count_; }

private:
    struct parameter {
        std::string name;
        nn::Weight* weight = nullptr;  // one of the two
        any_tensor* tensor = nullptr;
        dtype type = dtype::f32;
        Tensor<float> values{}, gradient{}, state[2]{};
        Tensor<float> dequantized{}, transposed{};  // of a weight: as passes read it
        bool is_transposed = false;
        std::optional<error> problem{};

        void const* address() const noexcept {
            return weight != nullptr ? static_cast<void const*>(weight) : static_cast<void const*>(tensor);
        }
    };
    // What one task adds up and moves: `size` values of a parameter from `first` on.
    struct block {
        std::size_t parameter, first, size;
        double squares = 0;
    };
    static constexpr std::size_t block_size = 1 << 14;

    struct shard {
        pool_memory pool;
        nn::Tape tape;
        nn::context where{};
        std::optional<error> problem{};
        double loss = 0;

        shard(memory_ref memory, bool mask) : pool(memory), tape(&pool, mask) {}
    };

    template <class P>
    void adopt(std::string name, P& p) {
        if constexpr (std::same_as<P, any_tensor>)
            if (!is_float_storage(p.type())) return;  // a counter, a table of indices
        parameter added{.name = std::move(name), .type = p.type()};
        any_tensor const* values = nullptr;
        if constexpr (std::same_as<P, nn::Weight>) {
            added.weight = &p;
            values = p.master();
        } else {
            values = added.tensor = &p;
        }
        auto const fail = [&](error const& e) {
            if (!problem_) problem_ = e.within(added.name);
        };
        if (values == nullptr) return fail(error(errc::invalid_argument, "is frozen: tune before freeze"));
        if (!nn::has_values(*values)) return fail(error(errc::missing, "no values: load or initialize the model"));
        auto const reserve = [&](Tensor<float>& t) {
            auto made = Tensor<float>::make(p.shape(), options_.memory);
            if (!made) return fail(made.error());
            t = std::move(*made);
        };
        reserve(added.values);
        reserve(added.gradient);
        for (std::size_t i = 0; i != Method::states; ++i) reserve(added.state[i]);
        for (std::size_t i = 0; i != added.values.size(); ++i) added.values[i] = (*values)[i];
        parameters_.push_back(std::move(added));
    }

    template <class F>
    void for_each(std::size_t n, F const& f) {
        if (options_.executor)
            options_.executor->run(n, f);
        else
            inline_executor::run(n, f);
    }

    // Forward and backward of one part.
    template <class Target>
    void pass(shard& s, Tensor<float> const& x, Target const& target, batch_part part) {
        s.tape.clear();
        s.problem.reset();
        auto const done = [&]() -> result<success> {
            extents shape = x.shape();
            std::size_t const size = x.size() / part.total;
            shape[0] = part.count;
            tensor_view<float const> const rows(x.data() + part.first * size, shape);
            if (auto const problem = detail::not_finite(rows, "the batch", part.first * size)) return *problem;
            nn::Activation const y = model_(nn::Activation(Tensor<float>::borrow(rows), s.where));
            if (!y) return y.error();
            if (y.node() == nullptr)
                return error(errc::invalid_argument, "no parameter that is tuned reaches the result");
            if (y.size() % part.count != 0 || y.size() == 0 || y.size() / y.shape().back() % part.count != 0)
                return nn::append(error(errc::shape_mismatch, "the result has no row per sample: "), y.shape());
            auto const values = y.floats();
            auto dy = Tensor<float>::make(y.shape(), &s.pool);
            if (!values || !dy) return (values ? dy : values).error();
            auto const loss = loss_(values->view(), target, part, matrix_view<float>(*dy));
            if (!loss) return loss.error();
            s.loss = *loss;
            return s.tape.backward(y.node(), std::move(*dy));
        }();
        if (!done) s.problem = done.error();
    }

    // gradient = the sum over the shards, in their order. Its square, block by block, gives the norm.
    result<success> sum_gradients(std::size_t parts) {
        for_each(blocks_.size(), [&](std::size_t i) {
            auto& b = blocks_[i];
            auto& p = parameters_[b.parameter];
            float* const g = p.gradient.data() + b.first;
            std::size_t const n = b.size;
            std::fill_n(g, n, 0.0f);
            for (std::size_t s = 0; s != parts; ++s)
                if (Tensor<float> const& part = *shards_[s].tape.gradient(p.address())) {
                    float const* const v = part.data() + b.first;
                    for (std::size_t j = 0; j != n; ++j) g[j] += v[j];
                }
            double squares = 0;
            for (std::size_t j = 0; j != n; ++j) squares += static_cast<double>(g[j]) * static_cast<double>(g[j]);
            b.squares = squares;
        });
        double squares = 0;
        for (auto const& b : blocks_) {
            if (!std::isfinite(b.squares))
                return error(errc::not_finite, parameters_[b.parameter].name, ": its gradient is not finite");
            squares += b.squares;
        }
        double const norm = std::sqrt(squares), most = static_cast<double>(options_.clip_norm);
        clip_ = most > 0 && norm > most ? static_cast<float>(most / norm) : 1.0f;
        return success{};
    }

    result<success> descend() {
        float const factor = options_.schedule(count_++);
        for_each(blocks_.size(), [&](std::size_t i) {
            auto const& b = blocks_[i];
            auto& p = parameters_[b.parameter];
            descent_step step{p.values.data() + b.first, p.gradient.data() + b.first, {}, b.size, count_, factor};
            for (std::size_t s = 0; s != Method::states; ++s) step.state[s] = p.state[s].data() + b.first;
            if (!is_reached(p)) return;
            if (clip_ != 1.0f)
                for (std::size_t j = 0; j != step.size; ++j) step.gradient[j] *= clip_;
            method_(step);
        });
        for_each(parameters_.size(), [&](std::size_t i) {
            if (is_reached(parameters_[i])) parameters_[i].problem = store(parameters_[i]);
        });
        for (auto const& p : parameters_)
            if (p.problem) return *(problem_ = p.problem->within(p.name));
        return success{};
    }
    // Whether the model used it for this batch; others stay as they are.
    bool is_reached(parameter const& p) const noexcept {
        return std::any_of(shards_.begin(), shards_.end(),
                           [&](shard const& s) { return static_cast<bool>(*s.tape.gradient(p.address())); });
    }
    // The values go into the module.
    std::optional<error> store(parameter& p) {
        auto stored = nn::converted(p.values, p.type, options_.memory);
        if (!stored) return stored.error();
        if (p.tensor != nullptr) {
            *p.tensor = std::move(*stored);
            return std::nullopt;
        }
        if (auto done = p.weight->set(std::move(*stored)); !done) return done.error();
        return lend(p);
    }
    // What every part of the next batch needs of a weight, once: its values where it is quantized, and transposed where
    // the gradients of the first step asked for that.
    std::optional<error> lend(parameter& p) {
        for (auto& s : shards_) p.is_transposed |= s.tape.reads_transposed(p.weight);
        if (p.weight->quantized() != nullptr) {
            auto values = nn::detail::values_of(*p.weight, options_.memory);
            if (!values) return values.error();
            p.dequantized = std::move(*values);
        }
        Tensor<float> const& values = p.dequantized ? p.dequantized : p.values;
        if (p.is_transposed) {
            auto made = nn::detail::transposed(nn::detail::matrix_of(values), options_.memory);
            if (!made) return made.error();
            p.transposed = std::move(*made);
        }
        for (auto& s : shards_)
            s.tape.lend(p.weight, nn::detail::matrix_of(values), std::as_const(p.transposed).view());
        return std::nullopt;
    }

    M& model_;
    Method method_;
    LossFunction loss_;
    tuner_options options_;
    cpu_backend backend_{};
    std::vector<parameter> parameters_;
    std::vector<block> blocks_;
    std::deque<shard> shards_;
    std::size_t count_ = 0;
    float clip_ = 1.0f;
    std::optional<error> problem_;
};

}  // namespace quanto::inline v0
