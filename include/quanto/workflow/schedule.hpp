// schedule(i) = the factor of the learning rate at step i = 0, 1, ..:
//     schedule{}                     1
//     schedule::steps(n, f)          f^floor(i / n)
//     schedule::cosine(n, floor)     from 1 down to floor along half a cosine in n steps, then floor
//     s.after_warm_up(n)             (i + 1) / n for n steps, then s(i - n)
#pragma once

#include <cstddef>

#include <quanto/core/assert.hpp>
#include <quanto/core/config.hpp>
#include <quanto/core/math.hpp>

namespace quanto::inline v0 {

class schedule {
public:
    constexpr schedule() noexcept = default;
    // Precondition of these: n > 0.
    static constexpr schedule steps(std::size_t n, float factor) noexcept { return {kind::steps, n, factor}; }
    static constexpr schedule cosine(std::size_t n, float floor = 0.0f) noexcept { return {kind::cosine, n, floor}; }
    constexpr schedule after_warm_up(std::size_t n) const noexcept {
        schedule s = *this;
        s.warm_up_ = n;
        return s;
    }

    float operator()(std::size_t i) const noexcept {
        if (i < warm_up_) return static_cast<float>(i + 1) / static_cast<float>(warm_up_);
        i -= warm_up_;
        if (kind_ == kind::steps) return math::pow(value_, static_cast<float>(i / length_));
        if (kind_ == kind::constant) return 1.0f;
        if (i >= length_) return value_;
        double const angle = 3.14159265358979323846 * static_cast<double>(i) / static_cast<double>(length_);
        return value_ + (1.0f - value_) * static_cast<float>(0.5 + 0.5 * math::cos(angle));
    }

private:
    enum class kind : unsigned char { constant, steps, cosine };
    constexpr schedule(kind k, std::size_t length, float value) noexcept : kind_(k), length_(length), value_(value) {
        QUANTO_ASSERT(length != 0, "schedule: of no steps");
    }

    kind kind_ = kind::constant;
    std::size_t length_ = 1, warm_up_ = 0;
    float value_ = 1.0f;
};

}  // namespace quanto::inline v0
