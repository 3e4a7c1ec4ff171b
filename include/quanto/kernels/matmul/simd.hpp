// The matmul kernels (simd.inl of quantized, dense.inl of float weights) for every instruction set that this compiler
// can target:
//     detail::portable::matmul(x, weight_rows(w), y, {n0, n1})     and avx2, avx512; y[:, n0 .. n1)
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <quanto/kernels/isa.hpp>
#include <quanto/kernels/matmul/operands.hpp>
#include <quanto/types/dtype.hpp>

// g++ 12 warns of its own intrinsics' undefined operands once they are inlined here.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace quanto::inline v0::detail {

#define QUANTO_KERNEL_BYTES 16
namespace portable {
#include <quanto/kernels/matmul/simd.inl>

#include <quanto/kernels/matmul/dense.inl>
}  // namespace portable
#undef QUANTO_KERNEL_BYTES

#if QUANTO_TARGETS_X86
QUANTO_TARGET_BEGIN("avx2,fma,f16c")
#define QUANTO_KERNEL_BYTES 32
namespace avx2 {
#include <quanto/kernels/matmul/simd.inl>

#include <quanto/kernels/matmul/dense.inl>
}  // namespace avx2
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw")
#define QUANTO_KERNEL_BYTES 64
namespace avx512 {
#include <quanto/kernels/matmul/simd.inl>

#include <quanto/kernels/matmul/dense.inl>
}  // namespace avx512
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END
#endif

}  // namespace quanto::inline v0::detail

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
