// Kernels of products with float8 panels and x of float; one type stands for all.
#include <quanto/kernels/panel/float8.hpp>

namespace quanto::detail {
struct at_once {
    void operator()(std::size_t n, std::size_t, auto const& f) const { f(std::size_t{0}, n); }
};
template result<success> multiply_float8<qfloat8_e4m3fn>(isa, panel_operands<float> const&, at_once const&) noexcept;
}  // namespace quanto::detail
