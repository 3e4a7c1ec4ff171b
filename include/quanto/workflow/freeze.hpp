// freeze(model): dynamic weights keep their quantized form and drop the float master.
#pragma once

#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

template <nn::ModuleTree M>
void freeze(M& model) noexcept {
    nn::for_each_module(model, []<class N>(std::string_view, N& module) {
        if constexpr (nn::HasWeight<N>) module.weight.freeze();
    });
}

}  // namespace quanto::inline v0
