// The matmul kernels (simd.inl of quantized, dense.inl of float weights, int8.inl of two codes) for every instruction
// set that this compiler can target:
//     detail::portable::matmul(x, weight_rows(w), y, {n0, n1})     and avx2, avx512; y[:, n0 .. n1)
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <quanto/kernels/matmul/operands.hpp>
#include <quanto/kernels/vector.hpp>
#include <quanto/types/dtype.hpp>

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

#define QUANTO_KERNEL_VNNI 0
#define QUANTO_KERNEL_BYTES 16
namespace portable {
using namespace elementwise::gnu;
#include <quanto/kernels/matmul/simd.inl>

#include <quanto/kernels/matmul/dense.inl>

#include <quanto/kernels/matmul/by_columns.inl>

#include <quanto/kernels/matmul/int8.inl>
}  // namespace portable
#undef QUANTO_KERNEL_BYTES

#if QUANTO_TARGETS_X86
QUANTO_TARGET_BEGIN(QUANTO_AVX2)
#define QUANTO_KERNEL_BYTES 32
namespace avx2 {
using namespace elementwise::avx2;
#include <quanto/kernels/matmul/simd.inl>

#include <quanto/kernels/matmul/dense.inl>

#include <quanto/kernels/matmul/by_columns.inl>

#include <quanto/kernels/matmul/int8.inl>
}  // namespace avx2
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN(QUANTO_AVX512)
#define QUANTO_KERNEL_BYTES 64
namespace avx512 {
using namespace elementwise::avx512;
#include <quanto/kernels/matmul/simd.inl>

#include <quanto/kernels/matmul/dense.inl>

#include <quanto/kernels/matmul/by_columns.inl>
}  // namespace avx512
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN(QUANTO_AVX512VNNI)
#undef QUANTO_KERNEL_VNNI
#define QUANTO_KERNEL_VNNI 1
namespace avx512vnni_codes {
using namespace avx512;
#include <quanto/kernels/matmul/int8.inl>
}  // namespace avx512vnni_codes
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END
#endif
#undef QUANTO_KERNEL_VNNI

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END
