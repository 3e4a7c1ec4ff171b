// The codes of an 8-bit weight (outputs, C, taps..) in the order in which convolutions multiply prepared weights: taps
// first, (outputs, taps, C'), where C' is C rounded up to a quad of a panel, with codes of value 0. The C' inputs of a
// tap then lie side by side, too, in a picture whose channels are innermost.
#pragma once

#include <utility>

#include <quanto/kernels/panel/layout.hpp>
#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0::nn::detail {

// f(index in (outputs, C, taps..), index in (outputs, taps, C')).
template <class F>
void for_each_tap(extents const& shape, F const& f) noexcept {
    std::size_t const outputs = shape[0], channels = shape[1], padded = ceil_div(channels, panel_layout::quad) * 4;
    std::size_t taps = 1;
    for (std::size_t d = 2; d != shape.rank(); ++d) taps *= shape[d];
    for (std::size_t o = 0, i = 0; o != outputs; ++o)
        for (std::size_t c = 0; c != channels; ++c)
            for (std::size_t t = 0; t != taps; ++t, ++i) f(i, (o * taps + t) * padded + c);
}

// The scales of the result are views. Precondition: 8 bits, rank > 2. Errors: out_of_memory.
inline result<any_qtensor> taps_first(any_qtensor const& q, memory_ref memory) {
    auto const& p = q.parts();
    std::size_t const channels = p.shape[1], padded = ceil_div(channels, panel_layout::quad) * panel_layout::quad;
    qtensor_parts made;
    made.shape = {p.shape[0], channels == 0 || p.shape[0] == 0 ? 0 : q.size() / p.shape[0] / channels * padded};
    made.layout = grouping(made.shape, axis::first, whole_axis);
    auto codes = storage::allocate(made.shape.numel(), memory);
    if (!codes) return codes.error();
    std::byte* const to = codes->mutable_data();
    for_each_tap(p.shape, [&, from = p.codes.data()](std::size_t i, std::size_t j) { to[j] = from[i]; });
    made.codes = std::move(*codes);
    made.scale = p.scale.slice(0, p.scale.size());
    made.scale_type = p.scale_type;
    return any_qtensor(q.type(), std::move(made));
}

// The way back, to a weight of that shape.
inline result<any_qtensor> channels_first(any_qtensor q, extents const& shape, memory_ref memory) {
    qtensor_parts made = q.parts();
    made.shape = shape;
    made.layout = grouping(shape, axis::first, whole_axis);
    auto codes = storage::allocate(shape.numel(), memory);
    if (!codes) return codes.error();
    std::byte* const to = codes->mutable_data();
    for_each_tap(shape, [&, from = q.parts().codes.data()](std::size_t i, std::size_t j) { to[i] = from[j]; });
    made.codes = std::move(*codes);
    return any_qtensor(q.type(), std::move(made));
}

}  // namespace quanto::inline v0::nn::detail
