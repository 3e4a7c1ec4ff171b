// attention(q, k, v): y = softmax(q k^T / sqrt(d)) v, over all leading dimensions, which must be the same; q (.., L, d),
// k (.., S, d), v (.., S, e).
//     int8 q and k multiply exactly; int8 v, too, with the probabilities quantized row by row (dynamic: their largest
//     is code 127). All else is float.
// q may have r times as many heads (the third dimension from the end) as k and v: r consecutive ones share a head.
// MultiHeadAttention: q, k, v, o are Linear; heads are split, attended to and merged again.
#pragma once

#include <quanto/nn/linear.hpp>

namespace quanto::inline v0::nn {

struct attention_options {
    bool causal = false;                 // position l of L sees no position of S after l + S - L
    bool quantize_probabilities = true;  // where v is int8; Python quanto: false
};

// Errors: shapes that do not fit; hidden rows (causal, S < L). Cost: L * S * (d + e) products per
// head, and memory for the L * S scores of all heads.
Activation attention(Activation const& q, Activation const& k, Activation const& v,
                     attention_options const& options = {});

struct MultiHeadAttention {
    Linear q, k, v, o;
    std::size_t heads;
    attention_options options{};

    // Declared only. `kv_heads` (0: as many) divides `heads`, `heads` divides `width`.
    MultiHeadAttention(std::size_t width, std::size_t head_count, std::size_t kv_heads = 0, bool with_bias = true)
        : q(width, width, with_bias),
          k(width, head_count == 0 ? 0 : width / head_count * (kv_heads == 0 ? head_count : kv_heads), with_bias),
          v(k),
          o(width, width, with_bias),
          heads(head_count) {}

    static void children(auto& self, auto&& each) {
        each("q", self.q);
        each("k", self.k);
        each("v", self.v);
        each("o", self.o);
    }

    // x (.., L, width) attends to itself, or to y (.., S, width).
    Activation operator()(Activation const& x) const;
    Activation operator()(Activation const& x, Activation const& y) const;
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/attention.inl>
#endif
