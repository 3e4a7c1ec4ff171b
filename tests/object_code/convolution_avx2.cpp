// All kernels of convolutions of int8 codes by AVX2.
#include <quanto/kernels/convolution/avx2.hpp>

namespace quanto::detail::avx2_dot {
auto* line = &convolve_picture_line;
}  // namespace quanto::detail::avx2_dot
