#include <quanto/nn/attention.hpp>

#include "finite_difference.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;
using gradient::values;

// By the definition, in double, from the values of q, k, v (heads, length, d); query heads share k and v.
std::vector<double> by_definition(nn::Activation const& q, nn::Activation const& k, nn::Activation const& v,
                                  bool causal) {
    std::size_t const heads = q.shape()[0], length = q.shape()[1], d = q.shape()[2], seen = k.shape()[1],
                      e = v.shape()[2], shared = heads / k.shape()[0];
    std::vector<double> y(heads * length * e);
    for (std::size_t h = 0; h != heads; ++h)
        for (std::size_t l = 0; l != length; ++l) {
            std::vector<double> p(seen);
            double sum = 0;
            for (std::size_t s = 0; s != seen; ++s) {
                double score = 0;
                for (std::size_t i = 0; i != d; ++i)
                    score += static_cast<double>(q[(h * length + l) * d + i]) *
                             static_cast<double>(k[(h / shared * seen + s) * d + i]);
                p[s] = causal && s + length > l + seen ? 0.0 : std::exp(score / std::sqrt(static_cast<double>(d)));
                sum += p[s];
            }
            for (std::size_t s = 0; s != seen; ++s)
                for (std::size_t i = 0; i != e; ++i)
                    y[(h * length + l) * e + i] += p[s] / sum * static_cast<double>(v[(h / shared * seen + s) * e + i]);
        }
    return y;
}
float worst(nn::Activation const& y, std::vector<double> const& want) {
    if (!y || y.size() != want.size()) return 1e9f;
    double w = 0;
    for (std::size_t i = 0; i != want.size(); ++i) w = std::max(w, std::abs(static_cast<double>(y[i]) - want[i]));
    return static_cast<float>(w);
}
nn::Activation int8(extents const& shape, std::size_t seed) {
    return nn::quantize_activation(values(shape, seed), qint8{}, 1.0f / 127.0f);
}
nn::MultiHeadAttention module(std::size_t kv_heads) {
    nn::MultiHeadAttention m(8, 4, kv_heads);
    std::size_t seed = 1;
    for (auto* const linear : {&m.q, &m.k, &m.v, &m.o})
        *linear = nn::Linear(any_tensor(values(linear->weight.shape(), seed)),
                             any_tensor(values({linear->out_features()}, seed + 10))),
        ++seed;
    return m;
}
}  // namespace

// Values are in -1 .. 1, scores in -sqrt(d) .. sqrt(d), so that float errors stay below 100 units of 2^-24. Quantized
// probabilities are off by half a step, max p / 254 <= 1 / 254, in each of S terms.
TEST_CASE("attention is the formula, causal or not, with shared heads or not") {
    for (bool const causal : {false, true})
        for (std::size_t const kv_heads : {4u, 2u, 1u}) {
            std::size_t const seen = 5;
            auto const q = values({4, 3, 8}, 1), k = values({kv_heads, seen, 8}, 2), v = values({kv_heads, seen, 6}, 3);
            CHECK(worst(nn::attention(q, k, v, {.causal = causal}), by_definition(q, k, v, causal)) <= 100 * 0x1p-24f);
            auto const q8 = int8({4, 3, 8}, 1), k8 = int8({kv_heads, seen, 8}, 2), v8 = int8({kv_heads, seen, 6}, 3);
            auto const want = by_definition(q8, k8, v8, causal);
            CHECK(worst(nn::attention(q8, k8, v8, {.causal = causal, .quantize_probabilities = false}), want) <=
                  100 * 0x1p-24f);
            CHECK(worst(nn::attention(q8, k8, v8, {.causal = causal}), want) <= static_cast<float>(seen) / 254.0f);
        }
    auto const x = values({2, 3, 4}, 1);
    CHECK(nn::attention(x, values({2, 3, 5}, 1), x).error().message() ==
          "attention: (2, 3, 4), (2, 3, 5) and (2, 3, 4)");
    CHECK_FALSE(nn::attention(values({3, 3, 4}, 1), x, x));
    CHECK_FALSE(nn::attention(values({2, 4, 4}, 1), x, x, {.causal = true}));
}

TEST_CASE("MultiHeadAttention splits heads, attends and merges them") {
    auto const x = values({2, 3, 8}, 9);
    for (std::size_t const kv_heads : {4u, 2u}) {
        auto const m = module(kv_heads);
        auto const y = m(x);
        REQUIRE(y.shape() == extents{2, 3, 8});
        for (std::size_t b = 0; b != 2; ++b) {
            nn::Activation const row = nn::select(x, 0, b);
            auto const split = [](nn::Activation const& z) {
                return nn::transpose(nn::unflatten(z, -1, {z.shape().back() / 2, 2}), 0, 1);
            };
            auto const heads = by_definition(split(m.q(row)), split(m.k(row)), split(m.v(row)), false);
            Tensor<float> merged(extents{3, 8});
            for (std::size_t h = 0; h != 4; ++h)
                for (std::size_t l = 0; l != 3; ++l)
                    for (std::size_t i = 0; i != 2; ++i)
                        merged[l * 8 + h * 2 + i] = static_cast<float>(heads[(h * 3 + l) * 2 + i]);
            auto const want = m.o(merged);
            for (std::size_t i = 0; i != want.size(); ++i)  // o adds 8 such terms, of weights up to 1
                CHECK(absolute(y[b * 24 + i] - want[i]) <= 1000 * 0x1p-24f);
        }
    }
    auto const m = module(4);
    CHECK(m(values({2, 3, 7}, 1)).error().code() == errc::shape_mismatch);
    CHECK(m(values({8}, 1)).error().message() == "MultiHeadAttention (4 heads): the input has shape (8)");
    CHECK(m(values({3, 8}, 1)).shape() == extents{3, 8});
    CHECK(m(values({3, 8}, 1), values({5, 8}, 2)).shape() == extents{3, 8});
    CHECK(nn::MultiHeadAttention(8, 0)(x).error().code() == errc::shape_mismatch);
    CHECK(nn::MultiHeadAttention(8, 3)(x).error().message() ==
          "MultiHeadAttention: 8 features of q and 6 of k are not 3 heads, shared or not");
    CHECK(nn::MultiHeadAttention(8, 4, 3)(x).error().message() ==
          "MultiHeadAttention: 8 features of q and 6 of k are not 4 heads, shared or not");
}

TEST_CASE("gradients of MultiHeadAttention agree with finite differences") {
    auto m = module(2);
    auto const x = values({1, 3, 8}, 9);
    gradient::check_input(m, x, "MultiHeadAttention");
    m.options.causal = true;
    gradient::check_input(m, x, "MultiHeadAttention, causal");
    gradient::check_parameter(
        m, x, &m.k.weight, values({4, 8}, 2), [&](Tensor<float> const& w) { REQUIRE(m.k.weight.set(w)); },
        "MultiHeadAttention dk");
}
