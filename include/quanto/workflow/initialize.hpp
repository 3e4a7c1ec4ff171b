// initialize(model, seed) gives declared parameters their first values, for training from scratch:
//     a weight (n, ..) and the bias beside it   uniform in +-1 / sqrt(elements of a row), as PyTorch does
//     the scale and offset of a normalization   1 and 0
// Each tensor's values depend on the seed and on its place in the model only.
#pragma once

#include <cmath>
#include <concepts>

#include <quanto/core/random.hpp>
#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

// Errors: invalid_argument for a frozen weight, out_of_memory; they name the parameter.
template <nn::ModuleTree M>
result<success> initialize(M& model, std::uint64_t seed = 0) {
    std::optional<error> problem;
    random_numbers seeds(seed);
    nn::for_each_module(model, [&]<class N>(std::string_view module, N& m) {
        if constexpr (nn::HasParameters<N>) {
            float bound = 0.0f;  // of the module's weight
            if constexpr (nn::HasWeight<N>) {
                extents const& shape = m.weight.shape();
                std::size_t const row = shape.front() == 0 ? 0 : shape.numel() / shape.front();
                bound = row == 0 ? 0.0f : 1.0f / std::sqrt(static_cast<float>(row));
            }
            N::parameters(m, [&]<class P>(std::string_view name, P& parameter) {
                random_numbers numbers(seeds.next());
                if (problem) return;
                auto values = Tensor<float>::make(parameter.shape());
                if (!values) {
                    problem = values.error().within(detail::joined(module, name));
                    return;
                }
                for (std::size_t i = 0; i != values->size(); ++i)
                    (*values)[i] = nn::HasWeight<N> ? bound * numbers.uniform() : name == "weight" ? 1.0f : 0.0f;
                auto stored = nn::converted(*values, parameter.type());
                auto const done = [&]() -> result<success> {
                    if (!stored) return stored.error();
                    if constexpr (std::same_as<P, nn::Weight>) {
                        if (parameter.is_frozen()) return error(errc::invalid_argument, "is frozen: it has its values");
                        return parameter.set(std::move(*stored));
                    } else {
                        parameter = std::move(*stored);
                        return success{};
                    }
                }();
                if (!done) problem = done.error().within(detail::joined(module, name));
            });
        }
    });
    if (problem) return *problem;
    return success{};
}

}  // namespace quanto::inline v0
