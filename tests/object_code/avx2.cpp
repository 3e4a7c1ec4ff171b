// All kernels of products with panels of 2 and 4 bits by AVX2.
#include <quanto/kernels/panel/avx2.hpp>

namespace quanto::detail::avx2_dot {
template tile_kernel kernel_of<2, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<4, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<2, 3>(std::size_t) noexcept;
template tile_kernel kernel_of<4, 3>(std::size_t) noexcept;
}  // namespace quanto::detail::avx2_dot
