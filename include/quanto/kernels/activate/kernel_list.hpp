// The kernels of activation functions, one list; of a run of floats, in place:
//     activate_kernel<fused_activation::gelu, isa::avx2>::name == "activate_gelu_f32_avx2"      ::run(v, n)
//     for_each_activate_kernel([]<class K>(K) { ... })
// What activation_functions.hpp computes, as its bounds allow, inside a floating_point_guard.
#pragma once

#include <string_view>

#include <quanto/kernels/activation_functions.hpp>
#include <quanto/kernels/vector.hpp>

#define QUANTO_KERNELS <quanto/kernels/activate/simd.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <fused_activation F, isa I>
struct activate_kernel {
    static constexpr fused_activation function = F;
    static constexpr isa target = I;

private:
    static constexpr std::string_view function_name = F == fused_activation::relu   ? "relu"
                                                      : F == fused_activation::gelu ? "gelu"
                                                                                    : "silu";
    static constexpr detail::kernel_name name_{"activate_", function_name, "_f32_", detail::elementwise::level_name(I)};

public:
    static constexpr std::string_view name = name_;

    static void run(float* v, std::size_t n) noexcept { QUANTO_CALL(I, activate<F>(v, n)); }
};

template <class F>
constexpr void for_each_activate_kernel(F&& f) {
    for_each_isa([&]<isa I>(isa_constant<I>) {
        f(activate_kernel<fused_activation::relu, I>{}), f(activate_kernel<fused_activation::gelu, I>{}),
            f(activate_kernel<fused_activation::silu, I>{});
    });
}

}  // namespace quanto::inline v0
