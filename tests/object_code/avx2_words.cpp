// All kernels of products with panels of 8 bits by AVX2.
#include <quanto/kernels/panel/avx2.hpp>

namespace quanto::detail::avx2_dot {
template tile_kernel kernel_of<1, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<1, 2>(std::size_t) noexcept;
}  // namespace quanto::detail::avx2_dot
