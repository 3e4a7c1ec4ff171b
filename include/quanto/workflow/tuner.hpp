// Tuner = a scope in which the parameters of a model follow the gradient of a loss:
//     Tuner tune{model, adam{.learning_rate = 1e-3f}};
//     for (auto const& batch : training)
//         if (auto loss = tune.step(batch.x, batch.labels); !loss) return loss.error();
//     freeze(model);
// Between quantize() and freeze() that is quantization-aware training: a step multiplies with the quantized weights and
// activations, gradients pass the rounding as if it were the identity (straight-through), and the float masters are
// what moves; each weight is quantized anew from its master after every step. Scales of weights follow the masters and
// those of activations stay as they were calibrated, unless they are learned, too (tuned_parameter.hpp); a frozen model
// keeps what was learned, quantizing again forgets it. A model that was not quantized is trained in float, from its
// values or from those of initialize().
//
// A batch is cut into `shards` parts of equal size that run side by side and whose gradients are summed in order:
// results do not depend on the executor. Each part normalizes by its own statistics (BatchNorm), the running ones
// follow their mean, so a part wants 16 samples or more. Cost: about three times the forward pass; memory: for each
// parameter a float32 copy, what the method keeps, and 1 + shards gradients.
#pragma once

#include <concepts>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <quanto/core/math.hpp>
#include <quanto/core/pool_memory.hpp>
#include <quanto/workflow/loss.hpp>
#include <quanto/workflow/quantize.hpp>
#include <quanto/workflow/tuned_parameter.hpp>
#include <quanto/workflow/tuner_options.hpp>

namespace quanto::inline v0 {

// Precondition: the model outlives the scope and stays where it is; nobody else changes its parameters meanwhile, and
// with an executor no Calibration of it runs.
template <nn::Module M, Descent Method = sgd, class LossFunction = cross_entropy>
requires nn::ModuleTree<M>
class Tuner {
public:
    explicit Tuner(M& model, Method method = {}, LossFunction loss = {}, tuner_options const& options = {})
        : model_(model), method_(method), loss_(loss), options_(options) {
        quantize_options const selection{.include = options.include, .exclude = options.exclude};
        options_.mask_clamped |= options.learn_scales;
        nn::for_each_module(model, [&]<class N>(std::string_view module, N& m) {
            if (!detail::selects(selection, module)) return;
            if constexpr (nn::HasParameters<N>)
                N::parameters(m, [&](std::string_view name, auto& p) { adopt(detail::joined(module, name), p); });
            if constexpr (nn::Quantizable<N>)
                if (options.learn_scales && m.activation.type && !m.activation.is_dynamic()) {
                    adopt(detail::joined(module, "input_scale"), m.activation.input_scale);
                    adopt(detail::joined(module, "output_scale"), m.activation.output_scale);
                }
            if constexpr (nn::HasBatchStatistics<N>)
                if (options.batch_statistics)
                    statistics_.push_back(
                        {std::string(module), &m, m.statistics(), [](void* of, Tensor<float> const& measured) {
                             return static_cast<N*>(of)->follow(measured);
                         }});
        });
        for (std::size_t i = 0; i != parameters_.size(); ++i) {
            auto const& p = parameters_[i];
            std::size_t const row = p.row_size(), rows = p.main.values.size() / row;
            std::size_t const some = math::max(block_size / row, 1);
            for (std::size_t first = 0; first < rows; first += some)
                blocks_.push_back({i, first, math::min(rows - first, some)});
        }
        if (parameters_.empty() && !problem_) problem_ = error(errc::invalid_argument, "no parameter to tune");
        for (std::size_t i = 0; i != math::max(options.shards, 1); ++i) {
            auto& s = shards_.emplace_back(options.memory, options_.mask_clamped);
            s.where = {options.backend ? *options.backend : backend_ref(backend_), &s.pool, &s.tape};
            for (auto const& p : parameters_) s.tape.watch(p.address());
            for (auto const& m : statistics_) s.tape.watch(m.address);
        }
        for (auto& p : parameters_)
            if (auto done = lend(p); !done) fail(p, done.error());
    }
    Tuner(M& model, Method method, tuner_options const& options) : Tuner(model, method, LossFunction{}, options) {}
    Tuner(Tuner const&) = delete;
    Tuner& operator=(Tuner const&) = delete;

    // One step down the gradient of the loss on this batch; its samples lie along the first dimension of x. The loss is
    // the one before the step.
    // Errors, after which the model is as it was: those of the model and of the loss; invalid_argument for an empty
    // batch or a frozen weight; not_finite for a batch, a loss or a gradient with NaN or infinity. A weight to
    // quantize that a step threw beyond all bounds is an error, too, and ends the scope; a float one shows in the next
    // loss.
    template <class Target>
    requires Loss<LossFunction, Target> result<float> step(Tensor<float> const& x, Target const& target) {
        if (problem_) return *problem_;
        std::size_t const samples = x.shape().rank() == 0 ? 0 : x.shape().front();
        if (x.size() == 0) return error(errc::invalid_argument, "an empty batch");
        parts_ = math::min(samples, shards_.size());
        for_each(parts_, [&](std::size_t i) {
            std::size_t const first = i * samples / parts_, last = (i + 1) * samples / parts_;
            pass(shards_[i], x, target, {first, last - first, samples});
        });
        double loss = 0;
        for (std::size_t i = 0; i != parts_; ++i) {
            if (shards_[i].problem) return *shards_[i].problem;
            loss += shards_[i].loss;
        }
        if (!is_finite(loss)) return error(errc::not_finite, "the loss is not finite");
        if (auto done = sum_gradients(); !done) return done.error();
        if (auto done = descend(); !done) return done.error();
        return static_cast<float>(loss);
    }

    std::size_t steps() const noexcept { return count_; }

private:
    // What one task adds up and moves: some rows of a parameter, with the scales of their groups.
    struct block {
        std::size_t parameter, first_row, rows;
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

    // Of a module that measures batches.
    struct statistics {
        std::string name;
        void* module;
        void const* address;
        result<success> (*follow)(void*, Tensor<float> const&);
    };

    template <class P>
    void adopt(std::string name, P& p) {
        detail::tuned_parameter added{.name = std::move(name)};
        if constexpr (std::same_as<P, nn::Weight>) {
            added.weight = &p;
        } else if constexpr (std::same_as<P, any_tensor>) {
            if (!is_float_storage(p.type())) return;  // a counter, a table of indices
            added.tensor = &p;
        } else {
            if (!p) return;  // not calibrated
            added.scale = &p;
        }
        if (auto done = added.adopt(Method::states, options_.learn_scales, options_.memory); !done)
            return fail(added, done.error());
        parameters_.push_back(std::move(added));
    }
    void fail(detail::tuned_parameter const& p, error const& e) noexcept {
        if (!problem_) problem_ = e.within(p.name);
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

    // gradient = the sum over the shards, in their order, through the rounding where that changes it. Its square, block
    // by block, gives the norm.
    result<success> sum_gradients() {
        for_each(blocks_.size(), [&](std::size_t i) {
            auto& b = blocks_[i];
            auto& p = parameters_[b.parameter];
            std::size_t const first = b.first_row * p.row_size(), n = b.rows * p.row_size();
            add_parts(p.address(), p.main.gradient.data() + first, first, n);
            if (options_.mask_clamped && p.is_quantized()) p.through_rounding(b.first_row, b.rows);
            b.squares = detail::sum_of_squares(p.main.gradient.data() + first, n);
            if (std::size_t const groups = p.groups_per_row(); groups != 0)
                b.squares += detail::sum_of_squares(p.scales.gradient.data() + b.first_row * groups, b.rows * groups);
        });
        double sum = 0;
        for (auto const& b : blocks_) {
            if (!is_finite(b.squares))
                return error(errc::not_finite, parameters_[b.parameter].name, ": its gradient is not finite");
            sum += b.squares;
        }
        double const norm = math::sqrt(sum), most = static_cast<double>(options_.clip_norm);
        clip_ = most > 0 && norm > most ? static_cast<float>(most / norm) : 1.0f;
        return success{};
    }
    // g[0 .. n) = values first .. first + n of what arrived at that address, summed over the parts.
    void add_parts(void const* address, float* g, std::size_t first, std::size_t n) const noexcept {
        bool empty = true;
        for (std::size_t s = 0; s != parts_; ++s)
            if (Tensor<float> const& part = *shards_[s].tape.gradient(address)) {
                float const* const v = part.data() + first;
                for (std::size_t j = 0; j != n; ++j) g[j] = empty ? v[j] : g[j] + v[j];
                empty = false;
            }
        for (std::size_t j = 0; empty && j != n; ++j) g[j] = 0.0f;
    }

    result<success> descend() {
        float const factor = options_.schedule(count_++);
        auto const move = [&](descent_step const& step) {
            if (clip_ != 1.0f)
                for (std::size_t j = 0; j != step.size; ++j) step.gradient[j] *= clip_;
            method_(step);
        };
        for_each(blocks_.size(), [&](std::size_t i) {
            auto const& b = blocks_[i];
            auto& p = parameters_[b.parameter];
            if (arrived(p.address()) == nullptr) return;
            std::size_t const row = p.row_size(), groups = p.groups_per_row();
            float const scale_factor = factor * options_.scale_rate;
            move(p.main.step(b.first_row * row, b.rows * row, count_, p.scale != nullptr ? scale_factor : factor));
            if (groups != 0) move(p.scales.step(b.first_row * groups, b.rows * groups, count_, scale_factor));
        });
        for_each(parameters_.size(), [&](std::size_t i) {
            auto& p = parameters_[i];
            if (arrived(p.address()) == nullptr) return;
            auto done = p.store(options_.memory);
            if (done) done = lend(p);
            if (!done) p.problem = done.error();
        });
        for (auto const& p : parameters_)
            if (p.problem) fail(p, *p.problem);
        for (auto const& m : statistics_)
            if (auto done = follow(m); !done && !problem_) problem_ = done.error().within(m.name);
        if (problem_) return *problem_;
        return success{};
    }
    result<success> follow(statistics const& m) {
        auto const* const measured = arrived(m.address);
        if (measured == nullptr) return success{};
        auto sum = Tensor<float>::make(measured->shape(), options_.memory);
        if (!sum) return sum.error();
        add_parts(m.address, sum->data(), 0, sum->size());
        return m.follow(m.module, *sum);
    }
    // What a part of this batch brought; null where the model did not use it: then it stays as it is.
    Tensor<float> const* arrived(void const* address) const noexcept {
        for (std::size_t s = 0; s != parts_; ++s)
            if (auto const* const part = shards_[s].tape.gradient(address); *part) return part;
        return nullptr;
    }
    result<success> lend(detail::tuned_parameter& p) {
        if (p.weight == nullptr) return success{};
        for (auto const& s : shards_) p.is_transposed |= s.tape.reads_transposed(p.weight);
        if (auto done = p.derive(options_.memory); !done) return done;
        for (auto& s : shards_)
            s.tape.lend(p.weight, nn::detail::matrix_of(p.values()), std::as_const(p.transposed).view());
        return success{};
    }

    M& model_;
    Method method_;
    LossFunction loss_;
    tuner_options options_;
    cpu_backend backend_{};
    std::vector<detail::tuned_parameter> parameters_;
    std::vector<statistics> statistics_;
    std::vector<block> blocks_;
    std::deque<shard> shards_;
    std::size_t count_ = 0, parts_ = 0;
    float clip_ = 1.0f;
    std::optional<error> problem_;
};

}  // namespace quanto::inline v0
