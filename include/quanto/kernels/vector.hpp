// Vector kernels are written once, in a vocabulary (vector.inl) that exists in a namespace per instruction set:
//     #define QUANTO_KERNELS <quanto/kernels/convert/simd.inl>
//     #include <quanto/kernels/each_target.inl>
//     detail::elementwise::avx2::convert_to_f32<float16>(x, n, out)
// The portable one is in GNU vectors, or, where QUANTO_XSIMD is defined (in all units of a program, or none), in
// xsimd's batches for the unit's own architecture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include <quanto/core/math.hpp>
#include <quanto/kernels/kernel_name.hpp>
#include <quanto/kernels/target.hpp>
#include <quanto/types/dtype.hpp>
#include <quanto/types/float16.hpp>

#if defined(QUANTO_XSIMD)
#include <xsimd/xsimd.hpp>
#define QUANTO_PORTABLE_IS_XSIMD 1
#else
#define QUANTO_PORTABLE_IS_XSIMD 0
#endif

#define QUANTO_KERNELS <quanto/kernels/vocabulary.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

namespace detail::elementwise {
// The portable one in GNU vectors, always: for kernels that take vectors apart.
#if QUANTO_PORTABLE_IS_XSIMD
QUANTO_INTRINSICS_BEGIN
#define QUANTO_KERNEL_BYTES 16
namespace gnu {
#include <quanto/kernels/vector.inl>
}
#undef QUANTO_KERNEL_BYTES
QUANTO_INTRINSICS_END
#else
namespace gnu = portable;
#endif

// The last part of a kernel's name.
constexpr std::string_view level_name(isa i) noexcept {
    return i == isa::portable && QUANTO_PORTABLE_IS_XSIMD ? std::string_view("xsimd") : name(i);
}
}  // namespace detail::elementwise

}  // namespace quanto::inline v0

// The call in the namespace of I.
#if QUANTO_TARGETS_X86
#define QUANTO_CALL(I, call)                                                          \
    do {                                                                              \
        if constexpr (I == isa::avx512) return detail::elementwise::avx512::call;     \
        if constexpr (I == isa::avx2) return detail::elementwise::avx2::call;         \
        if constexpr (I == isa::portable) return detail::elementwise::portable::call; \
    } while (false)
#else
#define QUANTO_CALL(I, call) return detail::elementwise::portable::call
#endif
