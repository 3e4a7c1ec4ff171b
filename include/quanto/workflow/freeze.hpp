// freeze(model): dynamic weights keep their quantized form and drop the float master.
#pragma once

#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

template <Model M>
void freeze(M& model) noexcept {
    nn::for_each_module(model, []<class N>(std::string_view, N& module) {
        if constexpr (HasWeight<N>) module.weight.freeze();
    });
}

}  // namespace quanto::inline v0
