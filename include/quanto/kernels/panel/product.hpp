// Runs the kernel that choose_panel_kernel names, on some of the panels.
#pragma once

#include <quanto/kernels/panel/choice.hpp>
#include <quanto/kernels/panel/portable.hpp>

namespace quanto::inline v0::detail {

template <class T>
void multiply_panels(panel_kernel kernel, panel_operands<T> const& o, panel_range range) noexcept {
    o.w.type().visit([&]<QType Q>(Q) {
        if (kernel == panel_kernel::portable) return portable::multiply_panels<Q>(o, range);
        for (std::size_t m = 0; m != o.x.rows; ++m) multiply_by_definition<Q>(o, m, range);
    });
}

}  // namespace quanto::inline v0::detail
