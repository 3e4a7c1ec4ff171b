// observer = how the scale of a tensor follows from the batches that passed; s = max|x| / qmax of a batch:
//     moving_average      scale = momentum * scale + (1 - momentum) * s, the first batch as it is: Python quanto's
//     absolute_max        the largest s
//     percentile          the smallest scale that leaves the share 1 - p of all elements outside, to one bin
//     mean_squared_error  of 128 scales up to the largest s, that with the least sum of (x - code * scale)^2
// The last two read a magnitude_histogram.
#pragma once

#include <cstdint>
#include <vector>

#include <quanto/quantizer/activation.hpp>

namespace quanto::inline v0 {

enum class observer : std::uint8_t { moving_average, absolute_max, percentile, mean_squared_error };

// Counts of |x| in 2048 bins [i * width, (i + 1) * width). The width is the smallest power of two, from 2^-126 on, that
// holds the largest |x|: it doubles when a larger one comes, bins merge in pairs, and so no count depends on the order.
class magnitude_histogram {
public:
    static constexpr std::size_t bins = 2048;

    // Precondition: all finite.
    void add(float const* x, std::size_t n) {
        float largest = 0.0f;
        for (std::size_t i = 0; i != n; ++i)
            if (float const a = absolute(x[i]); a > largest) largest = a;
        if (largest > largest_) largest_ = largest;
        counts_.resize(bins);
        while (width_ * static_cast<float>(bins) <= largest_) widen();
        float const per_width = 1.0f / width_;  // exact
        for (std::size_t i = 0; i != n; ++i) ++counts_[static_cast<std::size_t>(absolute(x[i]) * per_width)];
        total_ += n;
    }

    std::uint64_t total() const noexcept { return total_; }
    float largest() const noexcept { return largest_; }
    float width() const noexcept { return width_; }

    // The share of elements beyond the bin in which the limit lies.
    double share_beyond(float limit) const noexcept {
        if (total_ == 0 || limit >= largest_) return 0.0;
        std::uint64_t beyond = 0;
        for (auto i = static_cast<std::size_t>(limit / width_) + 1; i < bins; ++i) beyond += counts_[i];
        return static_cast<double>(beyond) / static_cast<double>(total_);
    }

    // The smallest end of a bin, at most the largest |x|, below which the share p lies.
    float percentile(double p) const noexcept {
        double const wanted = p * static_cast<double>(total_);
        std::uint64_t below = 0;
        for (std::size_t i = 0; i != counts_.size(); ++i)
            if (below += counts_[i]; static_cast<double>(below) >= wanted) {
                float const end = static_cast<float>(i + 1) * width_;
                return end < largest_ ? end : largest_;
            }
        return largest_;
    }

    template <ActivationQType Q>
    float least_squares_scale() const noexcept {
        float best = largest_ / Q::qmax;
        double least = squared_error<Q>(best);
        for (int t = 127; t != 0; --t) {
            float const scale = largest_ * (static_cast<float>(t) / 128.0f) / Q::qmax;
            if (!(scale > 0.0f)) break;
            if (double const e = squared_error<Q>(scale); e < least) least = e, best = scale;
        }
        return best;
    }

private:
    void widen() noexcept {
        for (std::size_t i = 0; i != bins; ++i) counts_[i] = i < bins / 2 ? counts_[2 * i] + counts_[2 * i + 1] : 0;
        width_ *= 2.0f;
    }
    // Every element counts as the middle of its bin.
    template <ActivationQType Q>
    double squared_error(float scale) const noexcept {
        double sum = 0.0;
        if (!(scale > 0.0f)) return sum;
        for (std::size_t i = 0; i != counts_.size(); ++i) {
            if (counts_[i] == 0) continue;
            float const x = (static_cast<float>(i) + 0.5f) * width_;
            double const e = static_cast<double>(x - dequantize_code<Q>(symmetric_code<Q>(x, scale), scale));
            sum += e * e * static_cast<double>(counts_[i]);
        }
        return sum;
    }

    std::vector<std::uint64_t> counts_;
    std::uint64_t total_ = 0;
    float largest_ = 0.0f, width_ = 0x1p-126f;
};

}  // namespace quanto::inline v0
