// All kernels of products of float weights with many rows of x.
#include <quanto/kernels/matmul/dense.hpp>

namespace quanto::detail {
template dense_functions<float> dense_functions_of(isa) noexcept;
}  // namespace quanto::detail
