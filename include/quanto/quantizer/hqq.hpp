// Half-quadratic quantization: starting from max_range, repeat, with e = shrink(x - dequantized, beta, p),
//     shift = mean over the group of (code * scale - (x - e))
//     shrink(v) = sign(v) * max(|v| - |v|^(p - 1) / beta, 0)
// and keep the shifts while the mean |x - dequantized| over the tensor falls (beta *= kappa after each step).
// Source: Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models" (2023).
#pragma once

#include <quanto/quantizer/optimizer.hpp>

namespace quanto::inline v0 {

struct hqq {
    float lp_norm = 0.7f;
    float beta = 10.0f;
    float kappa = 1.01f;
    int iterations = 20;
    memory_ref memory{};  // for one trial shift per group; without it the result is max_range's

    template <SubByteQType Q, FloatStorage S>
    void operator()(grouped_values<S> x, float* scale, float* shift) const {
        max_range{}.operator()<Q>(x, scale, shift);
        for (std::size_t g = 0; g != x.groups(); ++g)
            if (!is_finite(scale[g]) || !is_finite(shift[g])) return;  // no group of finite codes: the caller's error
        auto buffer = storage::allocate(x.groups() * sizeof(float), memory);
        if (!buffer) return;
        auto* const trial = reinterpret_cast<float*>(buffer->mutable_data());
        for (std::size_t g = 0; g != x.groups(); ++g) trial[g] = shift[g];

        double best = total_error<Q>(x, scale, shift);
        float b = beta;
        for (int i = 0; i < iterations; ++i, b *= kappa) {
            for (std::size_t g = 0; g != x.groups(); ++g) trial[g] = better_shift<Q>(x, g, scale[g], trial[g], b);
            double const now = total_error<Q>(x, scale, trial);
            if (!(now < best)) break;
            best = now;
            for (std::size_t g = 0; g != x.groups(); ++g) shift[g] = trial[g];
        }
    }

private:
    template <SubByteQType Q, class S>
    static double total_error(grouped_values<S> x, float const* scale, float const* shift) noexcept {
        double sum = 0;
        for (std::size_t g = 0; g != x.groups(); ++g)
            for (std::size_t t = 0; t != x.size_of(g); ++t) {
                float const v = x(g, t);
                sum += absolute(v - dequantize_code<Q>(affine_code<Q>(v, scale[g], shift[g]), scale[g], shift[g]));
            }
        return sum;
    }

    template <SubByteQType Q, class S>
    float better_shift(grouped_values<S> x, std::size_t g, float scale, float shift, float b) const noexcept {
        double sum = 0;
        for (std::size_t t = 0; t != x.size_of(g); ++t) {
            float const v = x(g, t);
            float const steps = rounded(scale * static_cast<float>(affine_code<Q>(v, scale, shift)));
            float const e = v - (steps - shift), a = absolute(e);
            float const kept = a - math::pow(a + 1e-30f, lp_norm - 1.0f) / b;
            sum += steps - (v - (kept <= 0.0f ? 0.0f : e < 0.0f ? -kept : kept));
        }
        return stored_as(static_cast<float>(sum / static_cast<double>(x.size_of(g))), x.type());
    }
};

}  // namespace quanto::inline v0
