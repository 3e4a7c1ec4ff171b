// flatten: (n, ..) becomes (n, product of the rest); the elements stay as they are, codes stay codes.
#pragma once

#include <utility>

#include <quanto/nn/module.hpp>
#include <quanto/nn/move.hpp>

namespace quanto::inline v0::nn {

inline Activation flatten(Activation x) {
    if (!x) return x;
    std::size_t const n = x.shape().front(), rest = n == 0 ? 0 : x.size() / n;
    return view(std::move(x), {n, rest});
}

struct Flatten {
    Activation operator()(Activation const& x) const { return flatten(x); }
};

}  // namespace quanto::inline v0::nn
