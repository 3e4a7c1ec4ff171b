// The bodies of recorder.hpp.
#pragma once

namespace quanto::inline v0::nn {

QUANTO_BODY void seen_values::add(Tensor<float> const& x) {
    if (magnitudes.total() == 0 && x.size() != 0) lowest = highest = x[0];
    for (float const v : x) {
        lowest = v < lowest ? v : lowest;
        highest = v > highest ? v : highest;
    }
    magnitudes.add(x.data(), x.size());
}

QUANTO_BODY void recorder::input(Activation const& x) {
    if (!x.is_quantized()) return update(input_scale, input_values, input_momentum, x.values(), "the input");
    float largest = 0.0f;
    for (std::size_t r = 0, n = x.has_row_scales() ? x.row_scales().size() : 1; r != n; ++r)
        if (float const s = absolute(x.scale_of_row(r)); s > largest) largest = s;
    input_scale = stored_as(largest, scale_type);
    if (auto const values = x.value(); values && !find_problem(*values, "the input")) input_values.add(*values);
}

QUANTO_BODY void recorder::output(Activation const& y) {
    update(output_scale, output_values, momentum, y.values(), "the output");
}

QUANTO_BODY bool recorder::find_problem(Tensor<float> const& x, std::string_view which) {
    auto const found = quanto::detail::not_finite(x.view(), which);
    if (found && !problem) problem = found;
    return found.has_value();
}

QUANTO_BODY void recorder::update(std::optional<float>& scale, seen_values& seen, double weight, Tensor<float> const& x,
                                  std::string_view which) {
    if (find_problem(x, which)) return;
    seen.add(x);
    scale = stored_as(type.visit([&]<class Q>(Q) {
        if constexpr (ActivationQType<Q>)
            return next_scale<Q>(scale, seen.magnitudes, weight, x);
        else
            return 0.0f;
    }),
                      scale_type);
}

}  // namespace quanto::inline v0::nn
