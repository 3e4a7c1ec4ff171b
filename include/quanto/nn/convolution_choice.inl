// Which kernel a convolution takes: the choices of convolution.inl, without its operands.
#pragma once

#include <quanto/nn/convolution.hpp>

namespace quanto::inline v0::nn::detail {

QUANTO_BODY kernel_choice explain(convolution_parts const& parts, context const& where, std::size_t rows) noexcept {
    Weight const& w = parts.weight;
    auto const& a = parts.activation;
    panels const* const prepared = parts.groups == 1 && where.backend.reads_panels() ? w.prepared() : nullptr;
    bool const codes = a.type && a.type->is<qint8>() &&
                       (a.is_dynamic() ? parts.quantize_input : a.input_scale.has_value()) && w.scheme() &&
                       !w.scheme()->type.is_floating_point();
    auto const of_patches = [](kernel_choice choice) {
        choice.op = "matmul of patches";
        return choice;
    };
    if (prepared != nullptr) {
        if (codes && w.has_taps_first())
            if (auto const direct = where.backend.explain_convolve(*prepared); !direct.kernel.empty()) return direct;
        product_input const floats =
            where.accuracy == product_accuracy::exact ? product_input::f32 : product_input::dynamic_int8;
        return of_patches(where.backend.explain_matmul(rows, *prepared, codes ? product_input::int8 : floats));
    }
    bool const one_channel = parts.groups != 1 && w.shape()[1] == 1;
    if (auto const* const q = w.quantized();
        q != nullptr && !one_channel && (parts.groups == 1 || (codes && q->type().is<qint8>())))
        return of_patches(where.backend.explain_matmul(rows, *q));
    if (one_channel) return {"convolve", "convolve_plane", "one channel per group: there is no product of matrices"};
    return where.backend.explain_convolve();
}

}  // namespace quanto::inline v0::nn::detail
