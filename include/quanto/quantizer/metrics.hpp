// What quantizing lost, and what it costs:
//     max_abs_error = max|x - y|     sqnr_db = 10 log10(sum x^2 / sum (x - y)^2)     bits_per_weight, scales included
#pragma once

#include <limits>

#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

// x: values; y: anything indexed like them (floats, a qtensor_view, a static QTensor).
template <class Y>
constexpr float max_abs_error(float const* x, Y const& y, std::size_t n) noexcept {
    float worst = 0.0f;
    for (std::size_t i = 0; i != n; ++i)
        if (float const e = absolute(x[i] - y[i]); e > worst) worst = e;
    return worst;
}

// Infinite where nothing was lost. Precondition: n > 0.
template <class Y>
double sqnr_db(float const* x, Y const& y, std::size_t n) noexcept {
    double signal = 0, noise = 0;
    for (std::size_t i = 0; i != n; ++i) {
        double const e = static_cast<double>(x[i]) - static_cast<double>(y[i]);
        signal += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        noise += e * e;
    }
    if (noise == 0) return std::numeric_limits<double>::infinity();
    return 10.0 * math::log10(signal / noise);
}

// Of the portable form: packed codes, a scale per group, and a shift or zero point where codes have 2 or 4 bits.
// Precondition: layout.numel() > 0.
inline double bits_per_weight(any_qtype type, grouping const& layout, dtype scale_type,
                              bool integer_zero_point = false) noexcept {
    std::size_t const shift = type.bits() == 8 ? 0 : integer_zero_point ? 1 : size_of(scale_type);
    std::size_t const packed_rows = ceil_div(layout.code_rows(), 8 / static_cast<std::size_t>(type.bits()));
    std::size_t const bytes = packed_rows * layout.code_cols() + layout.groups() * (size_of(scale_type) + shift);
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(layout.numel());
}
inline double bits_per_weight(any_qtensor const& w) noexcept {
    return bits_per_weight(w.type(), w.layout(), w.parts().scale_type, w.parts().integer_zero_point);
}

}  // namespace quanto::inline v0
