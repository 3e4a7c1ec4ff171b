// The kernels of softmax, one list; of a run of floats, in place:
//     softmax_kernel<isa::avx2>::name == "softmax_f32_avx2"      ::run(v, n)      v[i] = e^(v[i] - max v) / sum
//     for_each_softmax_kernel([]<class K>(K) { ... })
// Each exponential is 1.01 * 2^-24 of it away at most, their sum n / 16 + 17 such units, the quotient one: a result
// (n / 16 + 20) * 2^-24 of it, and 2^-149. NaN, or an infinity that is the largest, makes all of them NaN.
#pragma once

#include <limits>
#include <string_view>

#include <quanto/kernels/activation_functions.hpp>
#include <quanto/kernels/vector.hpp>

#define QUANTO_KERNELS <quanto/kernels/softmax/simd.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <isa I>
struct softmax_kernel {
    static constexpr isa target = I;

private:
    static constexpr detail::kernel_name name_{"softmax_f32_", detail::elementwise::level_name(I)};

public:
    static constexpr std::string_view name = name_;

    static void run(float* v, std::size_t n) noexcept { QUANTO_CALL(I, softmax(v, n)); }
};

template <class F>
constexpr void for_each_softmax_kernel(F&& f) {
    for_each_isa([&]<isa I>(isa_constant<I>) { f(softmax_kernel<I>{}); });
}

}  // namespace quanto::inline v0
