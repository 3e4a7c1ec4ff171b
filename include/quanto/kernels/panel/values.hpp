// The values of a row of any element type as floats: exact, but for the product of a code with its scale.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/kernels/dequantize/kernel_list.hpp>
#include <quanto/tensor/any_matrix_view.hpp>

namespace quanto::inline v0::detail {

// out[0 .. n) of x[0 .. n), inside a floating_point_guard.
using read_values = void (*)(void const* x, std::size_t n, float scale, float* out) noexcept;

inline read_values reader_of_values(isa target, dtype type) noexcept {
    return visit_element(type, [&]<class T>(T) {
        return with_isa(target, []<isa I>(isa_constant<I>) -> read_values {
            return
                []([[maybe_unused]] void const* x, std::size_t n, [[maybe_unused]] float scale, float* out) noexcept {
                    if constexpr (CodeElement<T>) {
                        affine_map const map{scale};
                        dequantize_kernel<qtype_of<T>, I>::run(static_cast<std::uint8_t const*>(x), n, 1, &map, 0, out);
                    } else if constexpr (std::is_same_v<T, float>) {
                        __builtin_memcpy(out, x, n * sizeof(float));
                    } else {
                        convert_kernel<T, I>::run(static_cast<T const*>(x), n, out);
                    }
                };
        });
    });
}

}  // namespace quanto::inline v0::detail
