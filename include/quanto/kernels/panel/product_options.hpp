// product_options = what a product with panels does beside multiplying:
//     y[m][n] = activation(sum_k x[m][k] * w[n][k] + bias[n]) + residual[m][n]         in float, then stored as y is
#pragma once

#include <cstdint>
#include <span>

#include <quanto/core/memory.hpp>
#include <quanto/kernels/activation_functions.hpp>
#include <quanto/tensor/any_matrix_view.hpp>

namespace quanto::inline v0 {

// exact          the accuracy of float32 sums
// dynamic_int8   x is first rounded to 255 levels per row: code = nearest(x * 127 / max |row|). Faster, and wrong by up
//                to max |row| / 254 per element of x. int8 x stays as it is.
enum class product_accuracy : std::uint8_t { exact, dynamic_int8 };

struct product_options {
    std::span<float const> bias{};  // one per row of w, or empty
    fused_activation activation = fused_activation::none;
    input_matrix residual{};                              // of the shape of y (as y: see the backend), or nothing
    product_accuracy accuracy = product_accuracy::exact;  // of a product with x of floats or float8 codes
    memory_ref memory{};                                  // for the workspace of one call
};

}  // namespace quanto::inline v0
