// LayerNorm: y = (x - mean) / sqrt(variance + eps) * w + b over the last dimension (normalization.hpp).
#pragma once

#include <optional>
#include <utility>

#include <quanto/nn/normalization.hpp>

namespace quanto::inline v0::nn {

struct LayerNorm : normalization<true> {
    explicit LayerNorm(std::size_t features, float epsilon = 1e-5f)
        : LayerNorm(declared({features}), declared({features}), epsilon) {}
    explicit LayerNorm(any_tensor w, std::optional<any_tensor> b = std::nullopt, float epsilon = 1e-5f) noexcept
        : normalization{std::move(w), std::move(b), epsilon} {}
};

}  // namespace quanto::inline v0::nn
