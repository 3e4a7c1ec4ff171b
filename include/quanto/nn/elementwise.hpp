// Operations on each element for itself, in float unless the table says otherwise:
//     add, sub, mul, div (and + - * /) of two tensors, the smaller one repeated, or of a tensor and a number
//     neg, abs, clamp, relu6, sigmoid, tanh, gelu (with erf), silu, to (another storage type of floats)
// A number times a quantized tensor is the same codes under another scale; so is -x, for which -128 is no exception.
#pragma once

#include <utility>

#include <quanto/nn/operations.hpp>

namespace quanto::inline v0::nn {

Activation add(Activation const& a, Activation const& b);
Activation sub(Activation const& a, Activation const& b);
Activation mul(Activation const& a, Activation const& b);
Activation div(Activation const& a, Activation const& b);
Activation add(Activation const& x, float s);
Activation mul(Activation const& x, float s);
Activation div(Activation const& x, float s);
Activation div(float s, Activation const& x);
Activation neg(Activation const& x);

Activation operator+(Activation const& a, Activation const& b);
Activation operator-(Activation const& a, Activation const& b);
Activation operator*(Activation const& a, Activation const& b);
Activation operator/(Activation const& a, Activation const& b);
Activation operator+(Activation const& x, float s);
Activation operator+(float s, Activation const& x);
Activation operator-(Activation const& x, float s);
Activation operator-(float s, Activation const& x);
Activation operator*(Activation const& x, float s);
Activation operator*(float s, Activation const& x);
Activation operator/(Activation const& x, float s);
Activation operator/(float s, Activation const& x);
Activation operator-(Activation const& x);

Activation abs(Activation x);
// NaN stays.
Activation clamp(Activation x, float low, float high, operation const& o = operations::clamp);
Activation relu6(Activation x);
Activation sigmoid(Activation x);
Activation tanh(Activation x);
// x * P(normal variable < x)
Activation gelu(Activation x);
// x * sigmoid(x)
Activation silu(Activation x);

// The values as a storage type holds them; of codes, the scale. Precondition: is_float_storage(type).
Activation to(Activation const& x, dtype type);

struct ReLU6 {
    Activation operator()(Activation x) const { return relu6(std::move(x)); }
};
struct GELU {
    Activation operator()(Activation x) const { return gelu(std::move(x)); }
};
struct SiLU {
    Activation operator()(Activation x) const { return silu(std::move(x)); }
};
struct Sigmoid {
    Activation operator()(Activation x) const { return sigmoid(std::move(x)); }
};
struct Tanh {
    Activation operator()(Activation x) const { return tanh(std::move(x)); }
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/elementwise.inl>
#endif
