// product_options = what a product with panels does beside multiplying:
//     y[m][n] = activation(sum_k x[m][k] * w[n][k] + bias[n])
#pragma once

#include <cstdint>
#include <span>

#include <quanto/core/memory.hpp>
#if !defined(__GNUC__)
#include <cmath>
#endif

namespace quanto::inline v0 {

// gelu(v) = v * Phi(v), by erfc; silu(v) = v / (1 + exp(-v)).
enum class fused_activation : std::uint8_t { none, relu, gelu, silu };

// exact          the accuracy of float32 sums
// dynamic_int8   float x is first rounded to 255 levels per row: code = nearest(x * 127 / max |row|). Faster, and wrong
//                by up to max |row| / 254 per element of x.
enum class product_accuracy : std::uint8_t { exact, dynamic_int8 };

struct product_options {
    std::span<float const> bias{};  // one per row of w, or empty
    fused_activation activation = fused_activation::none;
    product_accuracy accuracy = product_accuracy::exact;  // of a product with float x
    memory_ref memory{};                                  // for the workspace of one call
};

namespace detail {
// NaN stays NaN.
inline float activated(float v, fused_activation f) noexcept {
#if defined(__GNUC__)
    auto const exp = [](float x) { return __builtin_expf(x); };
    auto const erfc = [](float x) { return __builtin_erfcf(x); };
#else
    auto const exp = [](float x) { return std::exp(x); };
    auto const erfc = [](float x) { return std::erfc(x); };
#endif
    switch (f) {
        case fused_activation::none:
            return v;
        case fused_activation::relu:
            return v < 0.0f ? 0.0f : v;
        case fused_activation::gelu:
            return 0.5f * v * erfc(v * -0.70710678118654752f);
        case fused_activation::silu:
            return v / (1.0f + exp(-v));
    }
    return v;
}
}  // namespace detail

}  // namespace quanto::inline v0
