// Includes the file that QUANTO_KERNELS names once per instruction set that this compiler can target, each time in a
// namespace and target region of its own; no include guard on purpose.
//     QUANTO_KERNEL_BYTES   bytes of a vector (not for xsimd, whose batches say it)
//     QUANTO_KERNEL_XSIMD   1 where the vocabulary is xsimd's

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail::elementwise {

#define QUANTO_KERNEL_BYTES 16
#define QUANTO_KERNEL_XSIMD QUANTO_PORTABLE_IS_XSIMD
namespace portable {
#include QUANTO_KERNELS
}
#undef QUANTO_KERNEL_XSIMD
#undef QUANTO_KERNEL_BYTES

#define QUANTO_KERNEL_XSIMD 0
#if QUANTO_TARGETS_X86
QUANTO_TARGET_BEGIN(QUANTO_AVX2)
#define QUANTO_KERNEL_BYTES 32
namespace avx2 {
#include QUANTO_KERNELS
}
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN(QUANTO_AVX512)
#define QUANTO_KERNEL_BYTES 64
namespace avx512 {
#include QUANTO_KERNELS
}
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END
#endif
#undef QUANTO_KERNEL_XSIMD

}  // namespace quanto::inline v0::detail::elementwise

QUANTO_INTRINSICS_END
#undef QUANTO_KERNELS
