// A leak, to show that it is found: code for an instruction set beside its namespace.
#include <quanto/kernels/target.hpp>

#if QUANTO_TARGETS_X86
QUANTO_TARGET_BEGIN(QUANTO_AVX2)
namespace quanto::detail {
namespace avx2 {
inline float twice(float v) noexcept { return v + v; }
}  // namespace avx2
inline float shared(float const* x) noexcept {
    return _mm256_cvtss_f32(_mm256_add_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)));
}
namespace avx2 {
float kernel(float const* x) noexcept { return twice(shared(x)); }
}  // namespace avx2
}  // namespace quanto::detail
QUANTO_TARGET_END
#elif QUANTO_TARGETS_NEON
QUANTO_TARGET_BEGIN(QUANTO_NEON_DOT)
namespace quanto::detail {
inline int32x4_t shared(int32x4_t acc, int8x16_t x) noexcept {
    asm("sdot %0.4s, %1.16b, %1.16b" : "+w"(acc) : "w"(x));
    return acc;
}
namespace neon_dot {
int32x4_t kernel(int32x4_t acc, int8x16_t x) noexcept {
    asm("sdot %0.4s, %1.16b, %1.16b" : "+w"(acc) : "w"(x));
    return shared(acc, x);
}
}  // namespace neon_dot
}  // namespace quanto::detail
QUANTO_TARGET_END
#endif
