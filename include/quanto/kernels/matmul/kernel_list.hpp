// The matmul kernels, one list: dispatch, tests and benchmarks read it.
//     matmul_kernel<qint4, isa::avx2>::name == "matmul_qint4_f32_avx2"      ::run(x, rows of w, y, {n0, n1})
//     for_each_matmul_kernel([]<class K>(K) { ... })
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include <quanto/kernels/matmul/simd.hpp>

namespace quanto::inline v0 {

namespace detail {
struct kernel_name {
    char text[48]{};
    std::size_t size = 0;
    constexpr explicit kernel_name(std::string_view weight, isa target) noexcept {
        for (std::string_view part :
             {std::string_view("matmul_"), weight, std::string_view("_f32_"), quanto::name(target)})
            for (char c : part) text[size++] = c;
    }
};

template <class W>
constexpr std::string_view weight_name() noexcept {
    if constexpr (std::is_same_v<W, float>)
        return "f32";
    else
        return W::name;
}
}  // namespace detail

// W: a qtype, or float.
template <class W, isa Isa>
struct matmul_kernel {
    using weight = W;
    static constexpr isa target = Isa;

private:
    static constexpr detail::kernel_name name_{detail::weight_name<W>(), Isa};

public:
    static constexpr std::string_view name{name_.text, name_.size};

    static void run(matrix_view<float const> x, detail::weight_rows<W> const& w, matrix_view<float> y,
                    row_range rows) noexcept {
#if QUANTO_TARGETS_X86
        if constexpr (Isa == isa::avx512) return detail::avx512::matmul(x, w, y, rows);
        if constexpr (Isa == isa::avx2) return detail::avx2::matmul(x, w, y, rows);
#endif
        if constexpr (Isa == isa::portable) return detail::portable::matmul(x, w, y, rows);
    }
};

template <class W, class F>
constexpr void for_each_matmul_kernel_of(F&& f) {
#if QUANTO_TARGETS_X86
    f(matmul_kernel<W, isa::avx512>{});
    f(matmul_kernel<W, isa::avx2>{});
#endif
    f(matmul_kernel<W, isa::portable>{});
}

template <class F>
constexpr void for_each_matmul_kernel(F&& f) {
    for_each_matmul_kernel_of<float>(f);
    any_qtype::for_each([&]<QType Q>(Q) { for_each_matmul_kernel_of<Q>(f); });
}

// int8 x qint8, exact on every instruction set.
inline void matmul_int8(isa target, matrix_view<std::int8_t const> x, float x_scale,
                        detail::weight_rows<qint8> const& w, matrix_view<float> y, row_range rows) noexcept {
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return detail::avx512::matmul_int8(x, x_scale, w, y, rows);
    if (target == isa::avx2) return detail::avx2::matmul_int8(x, x_scale, w, y, rows);
#endif
    static_cast<void>(target);
    detail::portable::matmul_int8(x, x_scale, w, y, rows);
}

}  // namespace quanto::inline v0
