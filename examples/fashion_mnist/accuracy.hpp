// What a frozen network keeps of the float one, on labelled images and weight by weight.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <quanto/quanto.hpp>

#include "idx.hpp"
#include "row.hpp"

// Signal to noise over everything that is added: 10 log10(sum x^2 / sum (x - y)^2); infinite where nothing was lost.
class SignalToNoise {
public:
    void add(float x, float y) noexcept {
        double const e = static_cast<double>(x) - static_cast<double>(y);
        signal_ += static_cast<double>(x) * static_cast<double>(x);
        noise_ += e * e;
    }
    double db() const noexcept {
        return noise_ == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal_ / noise_);
    }

private:
    double signal_ = 0, noise_ = 0;
};

// The class with the highest score, for row r of the logits.
inline std::size_t best_class(quanto::Tensor<float> const& logits, std::size_t r) {
    float const* const scores = logits.data() + r * logits.cols();
    return static_cast<std::size_t>(std::max_element(scores, scores + logits.cols()) - scores);
}

// result<success> f(first, count): the images in batches.
template <class F>
quanto::result<quanto::success> for_each_batch(Dataset const& images, F const& f) {
    for (std::size_t first = 0; first < images.size(); first += 500)
        if (auto done = f(first, std::min<std::size_t>(500, images.size() - first)); !done) return done;
    return quanto::success{};
}

inline double per_cent(std::size_t n, std::size_t all) {
    return 100.0 * static_cast<double>(n) / static_cast<double>(all);
}

// Per cent of the images that the network gives their label.
template <class Network>
quanto::result<double> top1(Network const& network, Dataset const& images) {
    std::size_t correct = 0;
    auto const count = [&](std::size_t first, std::size_t batch) -> quanto::result<quanto::success> {
        auto const y = network(images.images<Network>(first, batch)).value();
        if (!y) return y.error();
        for (std::size_t r = 0; r != batch; ++r) correct += best_class(*y, r) == images.labels[first + r];
        return quanto::success{};
    };
    if (auto done = for_each_batch(images, count); !done) return done.error();
    return per_cent(correct, images.size());
}

// Fills the columns of `row` that say how well `frozen` does what `master` does.
template <class Network>
quanto::result<quanto::success> measure_accuracy(Network const& master, Network const& frozen, Dataset const& test,
                                                 Row& row) {
    auto const weights_of = [](Network const& network) {
        std::vector<quanto::nn::Weight const*> all;
        quanto::nn::for_each_module(network, [&]<class M>(std::string_view, M const& module) {
            if constexpr (quanto::nn::HasWeight<M const>) all.push_back(&module.weight);
        });
        return all;
    };
    auto const masters = weights_of(master), others = weights_of(frozen);
    SignalToNoise weights, logits;
    std::size_t bytes = 0, count = 0;
    for (std::size_t l = 0; l != masters.size(); ++l) {
        quanto::any_tensor const& x = *masters[l]->master();
        count += x.size();
        if (auto const* q = others[l]->quantized()) {
            auto const& parts = q->parts();
            bytes += parts.codes.size() + parts.scale.size() + parts.shift.size();
            q->visit([&](auto const& y) {
                for (std::size_t i = 0; i != x.size(); ++i) weights.add(x[i], y[i]);
            });
        } else {
            bytes += x.bytes().size();
        }
    }
    row.bits_per_weight = 8.0 * static_cast<double>(bytes) / static_cast<double>(count);
    row.weights_db = weights.db();

    std::size_t correct = 0, same = 0;
    auto const done =
        for_each_batch(test, [&](std::size_t first, std::size_t batch) -> quanto::result<quanto::success> {
            auto const x = test.images<Network>(first, batch);
            auto const expected = master(x).value();
            if (!expected) return expected.error();
            auto const found = frozen(x).value();
            if (!found) return found.error();
            for (std::size_t i = 0; i != expected->size(); ++i) logits.add((*expected)[i], (*found)[i]);
            for (std::size_t r = 0; r != batch; ++r) {
                correct += best_class(*found, r) == test.labels[first + r];
                same += best_class(*found, r) == best_class(*expected, r);
            }
            return quanto::success{};
        });
    if (!done) return done;
    row.top1 = per_cent(correct, test.size());
    row.agreement = per_cent(same, test.size());
    row.logits_db = logits.db();
    return quanto::success{};
}
