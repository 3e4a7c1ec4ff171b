// Operations that put tensors side by side. Codes of one type and one scale stay codes (cat: int8 alone, as in Python
// quanto; stack: every type), others become float.
//     cat(parts, d)      along dimension d                    stack(parts, d)   along a new dimension d
#pragma once

#include <initializer_list>
#include <span>

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

Activation cat(std::span<Activation const> parts, std::ptrdiff_t d);
Activation cat(std::initializer_list<Activation> parts, std::ptrdiff_t d);

Activation stack(std::span<Activation const> parts, std::ptrdiff_t d = 0);
Activation stack(std::initializer_list<Activation> parts, std::ptrdiff_t d = 0);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/join.inl>
#endif
