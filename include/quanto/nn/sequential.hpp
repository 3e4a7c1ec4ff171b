// Sequential{a, b, c}(x) = c(b(a(x))). Its children are named "0", "1", .. .
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include <quanto/nn/module.hpp>

namespace quanto::inline v0::nn {

template <Module... Ms>
class Sequential {
public:
    explicit Sequential(Ms... modules) : modules_(std::move(modules)...) {}

    Activation operator()(Activation const& x) const { return run<0>(x); }

    static void children(auto& self, auto&& each) {
        std::apply(
            [&](auto&... modules) {
                std::size_t i = 0;
                (each(std::to_string(i++), modules), ...);
            },
            self.modules_);
    }

    template <std::size_t I>
    auto& get() noexcept {
        return std::get<I>(modules_);
    }
    template <std::size_t I>
    auto const& get() const noexcept {
        return std::get<I>(modules_);
    }

private:
    // What a module gives is the next one's own, to be changed in place.
    template <std::size_t I, class X>
    Activation run(X&& x) const {
        if constexpr (I == sizeof...(Ms))
            return std::forward<X>(x);
        else
            return run<I + 1>(get<I>()(std::forward<X>(x)));
    }

    std::tuple<Ms...> modules_;
};

}  // namespace quanto::inline v0::nn
