// The conversion kernels, one list; T is float16, bfloat16 or a float8 format:
//     convert_kernel<T, isa::avx2>::name == "convert_f32_f16_avx2"
//         ::run(x, n, policy, out)   ::run(codes, n, out)
//     for_each_convert_kernel([]<class K>(K) { ... })
// The same codes on every instruction set as convert_reference, inside a floating_point_guard; NaN stays NaN.
#pragma once

#include <string_view>

#include <quanto/kernels/convert/format.hpp>
#include <quanto/kernels/vector.hpp>
#include <quanto/types/dtype.hpp>

#define QUANTO_KERNELS <quanto/kernels/convert/simd.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <class T, isa I>
struct convert_kernel {
    using type = T;
    static constexpr isa target = I;

private:
    static constexpr std::string_view type_name = std::is_same_v<T, float16>           ? "f16"
                                                  : std::is_same_v<T, bfloat16>        ? "bf16"
                                                  : std::is_same_v<T, float8_e4m3fn>   ? "e4m3fn"
                                                  : std::is_same_v<T, float8_e4m3fnuz> ? "e4m3fnuz"
                                                                                       : "e5m2";
    static constexpr detail::kernel_name name_{"convert_f32_", type_name, "_", detail::elementwise::level_name(I)};

public:
    static constexpr std::string_view name = name_;

    static void run(float const* x, std::size_t n, overflow policy, T* out) noexcept {
        bool const saturate = sizeof(T) == 1 && policy == overflow::saturate;
        QUANTO_CALL(I, convert_from_f32(x, n, saturate, out));
    }
    static void run(T const* codes, std::size_t n, float* out) noexcept {
        QUANTO_CALL(I, convert_to_f32(codes, n, out));
    }
};

template <class F>
constexpr void for_each_convert_kernel(F&& f) {
    for_each_isa([&]<isa I>(isa_constant<I>) {
        f(convert_kernel<float16, I>{}), f(convert_kernel<bfloat16, I>{}), f(convert_kernel<float8_e4m3fn, I>{}),
            f(convert_kernel<float8_e4m3fnuz, I>{}), f(convert_kernel<float8_e5m2, I>{});
    });
}

}  // namespace quanto::inline v0
