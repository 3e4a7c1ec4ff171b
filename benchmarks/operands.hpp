// Operands of the products that are measured, and the check of an answer against the definition in double.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <quanto/testing.hpp>

#include "limits.hpp"

namespace benchmarks {

struct shape {
    std::size_t m, n, k;
    double operations() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
    std::string text() const {
        return (m == 1 ? "" : "M = " + std::to_string(m) + ", ") + std::to_string(n) + " x " + std::to_string(k);
    }
};

// Uniform in -1 .. 1.
template <class S = float>
quanto::Tensor<S> random_values(std::size_t rows, std::size_t cols, std::uint32_t seed) {
    quanto::Tensor<S> t(rows, cols);
    quanto::testing::generator g(seed);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = static_cast<S>(static_cast<float>(g.bits()) * 0x1p-23f - 1.0f);
    return t;
}

// So many copies of a weight that a pass over all of them comes from memory, not from a cache.
inline std::size_t copies_beyond_caches(std::size_t bytes) { return (std::size_t{320} << 20) / bytes + 1; }

// y(m, n) at some places against sum_k x(m, k) * w(n, k), within the bound of an f32 sum plus `relative` of the
// magnitude (what the product rounds on purpose).
template <class W>
std::string check_product(quanto::Tensor<float> const& x, W const& w, quanto::Tensor<float> const& y,
                          double relative = 0) {
    std::size_t const places = 64;
    for (std::size_t i = 0; i != places; ++i) {
        std::size_t const at = i == places - 1 ? y.size() - 1 : i * 7919 * 31 % y.size();
        std::size_t const m = at / y.cols(), n = at % y.cols();
        double sum = 0, magnitude = 0;
        for (std::size_t k = 0; k != x.cols(); ++k) {
            double const term = double{x[m * x.cols() + k]} * static_cast<double>(w(n, k));
            sum += term;
            magnitude += std::fabs(term);
        }
        double const bound = quanto::testing::matmul_bound(x.cols(), 3 * magnitude) + relative * magnitude;
        if (!(std::fabs(double{y[at]} - sum) <= bound))
            return "wrong at (" + std::to_string(m) + ", " + std::to_string(n) + "): " + std::to_string(y[at]) +
                   ", should be " + std::to_string(sum);
    }
    return {};
}

}  // namespace benchmarks
