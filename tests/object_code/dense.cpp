// All kernels of products of float weights.
#include <quanto/kernels/matmul/dense.hpp>

namespace quanto::detail {
template dense_functions<float> dense_functions_of(isa) noexcept;
template dense_functions<float16> dense_functions_of(isa) noexcept;
template dense_functions<bfloat16> dense_functions_of(isa) noexcept;
}  // namespace quanto::detail
