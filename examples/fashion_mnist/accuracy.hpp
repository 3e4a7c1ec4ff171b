// What a frozen network keeps of the float one, on labelled images and weight by weight.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "idx.hpp"
#include "mlp.hpp"
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

// Fills the columns of `row` that say how well `frozen` does what `master` does.
inline quanto::result<quanto::success> measure_accuracy(Mlp const& master, Mlp const& frozen, Dataset const& test,
                                                        Row& row) {
    SignalToNoise weights, logits;
    std::size_t bytes = 0, count = 0;
    for (auto layer : {&Mlp::fc1, &Mlp::fc2, &Mlp::fc3}) {
        quanto::any_tensor const& x = *(master.*layer).weight.master();
        count += x.size();
        if (auto const* q = (frozen.*layer).weight.quantized()) {
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
    for (std::size_t first = 0; first < test.size();) {
        std::size_t const batch = std::min<std::size_t>(500, test.size() - first);
        auto const x = test.images(first, batch);
        auto const expected = master(x).value();
        if (!expected) return expected.error();
        auto const found = frozen(x).value();
        if (!found) return found.error();
        for (std::size_t i = 0; i != expected->size(); ++i) logits.add((*expected)[i], (*found)[i]);
        auto const best = [](quanto::Tensor<float> const& y, std::size_t r) {
            float const* const scores = y.data() + r * y.cols();
            return static_cast<std::size_t>(std::max_element(scores, scores + y.cols()) - scores);
        };
        for (std::size_t r = 0; r != batch; ++r) {
            correct += best(*found, r) == test.labels[first + r];
            same += best(*found, r) == best(*expected, r);
        }
        first += batch;
    }
    auto const per_cent = [&](std::size_t n) {
        return 100.0 * static_cast<double>(n) / static_cast<double>(test.size());
    };
    row.top1 = per_cent(correct);
    row.agreement = per_cent(same);
    row.logits_db = logits.db();
    return quanto::success{};
}
