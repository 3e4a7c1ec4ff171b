// The matmul kernels, one list: dispatch, tests and benchmarks read it.
//     matmul_kernel<qint4, isa::avx2>::name == "matmul_qint4_f32_avx2"      ::run(x, rows of w, y, {n0, n1})
//     for_each_matmul_kernel([]<class K>(K) { ... })
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include <quanto/kernels/kernel_name.hpp>
#include <quanto/kernels/matmul/dense.hpp>

namespace quanto::inline v0 {

template <QType W, isa Isa>
struct matmul_kernel {
    using weight = W;
    static constexpr isa target = Isa;

private:
    static constexpr detail::kernel_name name_{"matmul_", W::name, "_f32_", quanto::name(Isa)};

public:
    static constexpr std::string_view name = name_;

    static void run(matrix_view<float const> x, detail::weight_rows<W> const& w, matrix_view<float> y,
                    row_range rows) noexcept {
#if QUANTO_TARGETS_X86
        if constexpr (Isa == isa::avx512) return detail::avx512::matmul(x, w, y, rows);
        if constexpr (Isa == isa::avx2) return detail::avx2::matmul(x, w, y, rows);
#endif
        if constexpr (Isa == isa::portable) return detail::portable::matmul(x, w, y, rows);
    }
};

template <QType W, class F>
constexpr void for_each_matmul_kernel_of(F&& f) {
    for_each_isa([&]<isa I>(isa_constant<I>) { f(matmul_kernel<W, I>{}); });
}

template <class F>
constexpr void for_each_matmul_kernel(F&& f) {
    any_qtype::for_each([&]<QType Q>(Q) { for_each_matmul_kernel_of<Q>(f); });
}

// The name of dense_matmul<W>: "matmul_bf16_f32_avx512".
template <FloatStorage W>
std::string_view dense_kernel_name(isa target) noexcept {
    static constexpr auto type = std::is_same_v<W, float> ? "f32" : std::is_same_v<W, float16> ? "f16" : "bf16";
    constexpr auto name_for = [](isa i) { return detail::kernel_name("matmul_", type, "_f32_", name(i)); };
    static constexpr detail::kernel_name names[] = {name_for(isa::portable), name_for(isa::avx2),
                                                    name_for(isa::avx512)};
    return names[static_cast<std::size_t>(target)];
}

// int8 x qint8, exact on every instruction set.
constexpr std::string_view matmul_int8_name(isa target) noexcept {
    return target == isa::avx512 ? "matmul_qint8_int8_avx512"
           : target == isa::avx2 ? "matmul_qint8_int8_avx2"
                                 : "matmul_qint8_int8_portable";
}
template <class Rows>
void matmul_int8(isa target, matrix_view<std::int8_t const> x, float x_scale, Rows const& w, matrix_view<float> y,
                 row_range rows) noexcept {
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return detail::avx512::matmul_int8(x, x_scale, w, y, rows);
    if (target == isa::avx2) return detail::avx2::matmul_int8(x, x_scale, w, y, rows);
#endif
    static_cast<void>(target);
    detail::portable::matmul_int8(x, x_scale, w, y, rows);
}

}  // namespace quanto::inline v0
