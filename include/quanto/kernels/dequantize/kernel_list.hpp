// The dequantizing kernels, one list; the codes of consecutive groups to floats:
//     dequantize_kernel<qint4, isa::avx2>::name == "dequantize_qint4_f32_avx2"
//         ::run(codes, size, count, maps, position, out)    ::planes(codes, size, count, maps, stride, out, plane)
//     for_each_dequantize_kernel([]<class K>(K) { ... })
// The same bits on every instruction set as dequantize_reference, inside a floating_point_guard.
#pragma once

#include <string_view>

#include <quanto/kernels/affine_map.hpp>
#include <quanto/kernels/convert/kernel_list.hpp>

#define QUANTO_KERNELS <quanto/kernels/dequantize/simd.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <QType Q, isa I>
struct dequantize_kernel {
    using qtype = Q;
    static constexpr isa target = I;

private:
    static constexpr detail::kernel_name name_{"dequantize_", Q::name, "_f32_", detail::elementwise::level_name(I)};

public:
    static constexpr std::string_view name = name_;

    // `count` groups of `size` codes each in bits [position, position + bits) of consecutive bytes.
    static void run(std::uint8_t const* codes, std::size_t size, std::size_t count, affine_map const* maps,
                    int position, float* out) noexcept {
        QUANTO_CALL(I, dequantize<Q>(codes, size, count, maps, position, out));
    }
    // 2 and 4 bits: all fields of the bytes of `count` groups, field f of group g by maps[f * stride + g] to
    // out + f * plane + g * size. Bytes are read once.
    static void planes(std::uint8_t const* codes, std::size_t size, std::size_t count, affine_map const* maps,
                       std::size_t stride, float* out, std::size_t plane) noexcept requires(Q::bits < 8) {
        QUANTO_CALL(I, dequantize_planes<Q>(codes, size, count, maps, stride, out, plane));
    }
};

template <class F>
constexpr void for_each_dequantize_kernel(F&& f) {
    for_each_isa(
        [&]<isa I>(isa_constant<I>) { any_qtype::for_each([&]<QType Q>(Q) { f(dequantize_kernel<Q, I>{}); }); });
}

}  // namespace quanto::inline v0
