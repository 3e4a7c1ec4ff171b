// initialize(model, seed) gives declared parameters their first values, for training from scratch:
//     a weight (n, ..) and the bias beside it   uniform in +-1 / sqrt(elements of a row), as PyTorch does
//     a table (Embedding)                       normal, of mean 0 and variance 1
//     the scale and offset of a normalization   1 and 0; its running mean and variance 0 and 1, after no batch
// Each tensor's values depend on the seed and on its place in the model only.
#pragma once

#include <concepts>

#include <quanto/core/math.hpp>
#include <quanto/core/random.hpp>
#include <quanto/workflow/quantize.hpp>

namespace quanto::inline v0 {

namespace detail {
// Normally distributed, of mean 0 and variance 1 (ratio of uniforms).
inline float normal(random_numbers& numbers) noexcept {
    for (;;) {
        double const u = static_cast<double>((numbers.next() >> 11) + 1) * 0x1p-53;  // in (0, 1]
        double const v = static_cast<double>(numbers.next() >> 11) * 0x1p-53 - 0.5;
        double const x = 1.7155277699214135 * v / u;  // sqrt(8 / e)
        if (x * x <= -4.0 * math::log(u)) return static_cast<float>(x);
    }
}
inline result<success> assign(any_tensor& to, any_tensor values) noexcept {
    to = std::move(values);
    return success{};
}
inline result<success> assign(nn::Weight& to, any_tensor values) {
    if (to.is_frozen()) return error(errc::invalid_argument, "is frozen: it has its values");
    return to.set(std::move(values));
}
// to[i] = f(), for all i.
template <class P, class F>
result<success> fill(P& to, F const& f) {
    auto values = Tensor<float>::make(to.shape());
    if (!values) return values.error();
    for (std::size_t i = 0; i != values->size(); ++i) (*values)[i] = f();
    auto stored = nn::converted(*values, to.type());
    if (!stored) return stored.error();
    return assign(to, std::move(*stored));
}
}  // namespace detail

// Errors: invalid_argument for a frozen weight, out_of_memory; they name the parameter.
template <nn::ModuleTree M>
result<success> initialize(M& model, std::uint64_t seed = 0) {
    std::optional<error> problem;
    random_numbers seeds(seed);
    nn::for_each_module(model, [&]<class N>(std::string_view module, N& m) {
        float bound = 0.0f;  // of the module's weight
        if constexpr (nn::HasWeight<N>) {
            extents const& shape = m.weight.shape();
            std::size_t const row = shape.front() == 0 ? 0 : shape.numel() / shape.front();
            bound = row == 0 ? 0.0f : 1.0f / math::sqrt(static_cast<float>(row));
        }
        auto const each = [&](std::string_view name, auto& tensor, auto const& f) {
            if (problem) return;
            if (auto const done = detail::fill(tensor, f); !done)
                problem = done.error().within(detail::joined(module, name));
        };
        if constexpr (nn::HasParameters<N>)
            N::parameters(m, [&](std::string_view name, auto& parameter) {
                random_numbers numbers(seeds.next());
                each(name, parameter, [&] {
                    if (nn::Table<N>) return detail::normal(numbers);
                    return nn::HasWeight<N> ? bound * numbers.uniform() : name == "weight" ? 1.0f : 0.0f;
                });
            });
        if constexpr (nn::HasBatchStatistics<N>) {
            if (auto const done = m.reset(); !done && !problem) problem = done.error().within(module);
        }
    });
    if (problem) return *problem;
    return success{};
}

}  // namespace quanto::inline v0
