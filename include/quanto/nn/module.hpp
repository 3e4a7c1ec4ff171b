// A module is any struct that turns an activation into another: `auto operator()(Activation const&) const`. It names
// what it is made of in static functions, which serve the const and the mutable model alike:
//     static void children(auto& self, auto&& each)   { each("fc1", self.fc1); each("fc2", self.fc2); }
//     static void parameters(auto& self, auto&& each) { each("weight", self.weight); each("bias", self.bias); }
//     static void buffers(auto& self, auto&& each)    { each("running_mean", self.running_mean); }
// Parameters are what training changes; buffers are what a module keeps beside, in files too. There is nothing to
// derive from or to register.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

template <class M>
concept Module = requires(M const& m, Activation const& x) {
    { m(x) } -> std::convertible_to<Activation>;
};

namespace detail {
struct visit_anything {
    void operator()(std::string_view, auto&) const {}
};
}  // namespace detail

template <class M>
concept HasChildren = requires(M& m) {
    std::remove_const_t<M>::children(m, detail::visit_anything{});
};

namespace detail {
// Whether a class has a member of that name, of whatever form: then the name is ambiguous beside another.
struct another_children {
    int children;
};
template <class M>
struct beside_another : M, another_children {};
template <class M>
concept NamesChildren = std::is_class_v<M> && !std::is_final_v<M> && !requires {
    &beside_another<M>::children;
};
}  // namespace detail

template <class M>
concept HasParameters = requires(M& m) {
    std::remove_const_t<M>::parameters(m, detail::visit_anything{});
};

template <class M>
concept HasBuffers = requires(M& m) {
    std::remove_const_t<M>::buffers(m, detail::visit_anything{});
};

// It normalizes by what it measures of a batch, while it is tuned: statistics() is the address by which a tape is asked
// to watch() for that, and where what was measured arrives; follow() then moves the running statistics there.
template <class M>
concept HasBatchStatistics = requires(M& m, Tensor<float> const& measured) {
    { std::as_const(m).statistics() } -> std::same_as<void const*>;
    { m.follow(measured) } -> std::same_as<result<success>>;
    { m.reset() } -> std::same_as<result<success>>;  // as after no batch
};

// f(name, tensor) for all that a module itself keeps in files: its parameters, then its buffers.
template <class M, class F>
void for_each_tensor(M& m, F&& f) {
    if constexpr (HasParameters<M>) std::remove_const_t<M>::parameters(m, f);
    if constexpr (HasBuffers<M>) std::remove_const_t<M>::buffers(m, f);
}

// What the workflow takes: a module with parameters, or a struct that names its modules; it need not be callable
// itself.
template <class M>
concept ModuleTree = HasChildren<M> || HasParameters<M>;

// f(name, module) for the model itself (its name is empty) and all below it; depth first, parents before children, the
// order of torch.nn.Module.named_modules(). Names are joined by dots.
template <class M, class F>
void for_each_module(M& m, F&& f, std::string const& name = {}) {
    static_assert(HasChildren<M> || !detail::NamesChildren<std::remove_const_t<M>>,
                  "quanto: a module names its children in: static void children(auto& self, auto&& each)");
    f(std::string_view(name), m);
    if constexpr (HasChildren<M>)
        std::remove_const_t<M>::children(m, [&](std::string_view child_name, auto& child) {
            for_each_module(child, f, name.empty() ? std::string(child_name) : name + '.' + std::string(child_name));
        });
}

}  // namespace quanto::inline v0::nn
