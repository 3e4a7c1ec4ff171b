// RMSNorm: y = x / sqrt(mean of x^2 + eps) * w over the last dimension (normalization.hpp).
#pragma once

#include <utility>

#include <quanto/nn/normalization.hpp>

namespace quanto::inline v0::nn {

struct RMSNorm : normalization<false> {
    explicit RMSNorm(std::size_t features, float epsilon = 1e-6f) : RMSNorm(declared({features}), epsilon) {}
    explicit RMSNorm(any_tensor w, float epsilon = 1e-6f) noexcept
        : normalization{std::move(w), std::nullopt, epsilon} {}
};

}  // namespace quanto::inline v0::nn
