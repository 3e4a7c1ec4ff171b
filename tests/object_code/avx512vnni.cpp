// All kernels of products with panels by AVX-512 VNNI.
#include <quanto/kernels/panel/avx512vnni.hpp>

namespace quanto::detail::avx512vnni {
template tile_kernel kernel_of<1, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<2, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<4, 1>(std::size_t) noexcept;
template tile_kernel kernel_of<1, 3>(std::size_t) noexcept;
template tile_kernel kernel_of<2, 3>(std::size_t) noexcept;
template tile_kernel kernel_of<4, 3>(std::size_t) noexcept;
}  // namespace quanto::detail::avx512vnni
