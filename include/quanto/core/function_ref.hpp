// function_ref<R(A...)> = a callable that somebody else owns: two pointers, no allocation, no virtual call.
// Precondition: the callable outlives the reference (passing a temporary to a parameter is fine).
#pragma once

#include <type_traits>
#include <utility>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

template <class Signature>
class function_ref;

template <class R, class... A>
class function_ref<R(A...)> {
public:
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> && std::is_invocable_r_v<R, F&, A...>)
        function_ref(F&& f)
    noexcept
        : object_(const_cast<void*>(static_cast<void const*>(&f))), call_([](void* object, A... a) -> R {
              return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<A>(a)...);
          }) {}

    R operator()(A... a) const { return call_(object_, std::forward<A>(a)...); }

private:
    void* object_;
    R (*call_)(void*, A...);
};

}  // namespace quanto::inline v0
