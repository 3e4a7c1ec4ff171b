// All kernels of convolutions of int8 codes by AVX-512 VNNI.
#include <quanto/kernels/convolution/avx512vnni.hpp>

namespace quanto::detail::avx512vnni {
auto* line = &convolve_picture_line;
}  // namespace quanto::detail::avx512vnni
