// All kernels of products with panels by NEON's usmmla.
#include <quanto/kernels/panel/neon_i8mm.hpp>

namespace quanto::detail::neon_i8mm {
template tile_kernel kernel_of<1, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<2, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<4, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<1, 3>(std::size_t) noexcept;
template tile_kernel kernel_of<2, 3>(std::size_t) noexcept;
template tile_kernel kernel_of<4, 3>(std::size_t) noexcept;
}  // namespace quanto::detail::neon_i8mm
