// The quantizing kernels, one list; the floats of consecutive groups to codes:
//     quantize_kernel<qint4, isa::avx2>::name == "quantize_qint4_f32_avx2"
//         ::run(x, size, count, maps, position, codes)                                 under given scales
//         ::by_range(x, size, count, rule, position, scales, shifts, codes)            under those of their ranges
//         ::range(x, n)                                                                the range alone
//     for_each_quantize_kernel([]<class K>(K) { ... })
// The same bytes on every instruction set as quantize_reference, inside a floating_point_guard.
#pragma once

#include <string_view>

#include <quanto/kernels/affine_map.hpp>
#include <quanto/kernels/convert/kernel_list.hpp>
#include <quanto/kernels/quantize/range.hpp>

#define QUANTO_KERNELS <quanto/kernels/quantize/simd.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <QType Q, isa I>
struct quantize_kernel {
    using qtype = Q;
    static constexpr isa target = I;

private:
    static constexpr detail::kernel_name name_{"quantize_", Q::name, "_f32_", detail::elementwise::level_name(I)};

public:
    static constexpr std::string_view name = name_;

    // `count` groups of `size` values each into bits [position, position + bits) of consecutive bytes. Position 0
    // overwrites a byte, others add to it. Returns whether no value was NaN. Precondition: scales > 0; for 2 and 4 bits
    // finite values.
    static bool run(float const* x, std::size_t size, std::size_t count, affine_map const* maps, int position,
                    std::uint8_t* codes) noexcept {
        QUANTO_CALL(I, quantize<Q>(x, size, count, maps, position, codes));
    }
    // False where a value is not finite, or a group has no finite scale. Precondition: size > 0.
    static bool by_range(float const* x, std::size_t size, std::size_t count, range_rule const& rule, int position,
                         float* scales, float* shifts, std::uint8_t* codes) noexcept {
        QUANTO_CALL(I, quantize_by_range<Q>(x, size, count, rule, position, scales, shifts, codes));
    }
    // Precondition: n > 0.
    static value_range range(float const* x, std::size_t n) noexcept { QUANTO_CALL(I, range<Q>(x, n)); }
};

template <class F>
constexpr void for_each_quantize_kernel(F&& f) {
    for_each_isa([&]<isa I>(isa_constant<I>) { any_qtype::for_each([&]<QType Q>(Q) { f(quantize_kernel<Q, I>{}); }); });
}
}  // namespace quanto::inline v0
