// freeze(model): dynamic weights keep their quantized form and drop the float master, and are prepared (prepare.hpp).
#pragma once

#include <quanto/workflow/prepare.hpp>
#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

// The model is frozen whatever the report says of preparing it.
template <nn::ModuleTree M>
prepare_report freeze(M& model, prepare_options const& options = {}) {
    nn::for_each_module(model, []<class N>(std::string_view, N& module) {
        if constexpr (nn::HasWeight<N>) module.weight.freeze();
    });
    return prepare(model, options);
}

}  // namespace quanto::inline v0
