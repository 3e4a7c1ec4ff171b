// The kernel of products of int8 with int8 by dot products of bytes.
#include <quanto/kernels/matmul/simd.hpp>

namespace quanto::detail {
void multiply(int8_product const& p) noexcept { avx512vnni_codes::matmul_codes(p); }
}  // namespace quanto::detail
