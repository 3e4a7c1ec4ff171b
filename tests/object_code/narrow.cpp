// The kernels for weights of few rows.
#include <quanto/kernels/panel/avx512vnni.hpp>
#include <quanto/kernels/panel/float8.hpp>

namespace quanto::detail::avx512vnni {
template narrow_functions<std::int8_t> narrow_functions_of<1, std::int8_t>(std::size_t) noexcept;
template narrow_functions<std::int8_t> narrow_functions_of<2, std::int8_t>(std::size_t) noexcept;
template narrow_functions<std::int8_t> narrow_functions_of<4, std::int8_t>(std::size_t) noexcept;
}  // namespace quanto::detail::avx512vnni

namespace quanto::detail::avx512 {
template narrow_functions<float> narrow_functions_of<qfloat8_e4m3fn>(std::size_t) noexcept;
template narrow_functions<float> narrow_functions_of<qfloat8_e4m3fnuz>(std::size_t) noexcept;
template narrow_functions<float> narrow_functions_of<qfloat8_e5m2>(std::size_t) noexcept;
}  // namespace quanto::detail::avx512
