#include <quanto/nn/flatten.hpp>
#include <quanto/nn/layer_norm.hpp>
#include <quanto/nn/linear.hpp>
#include <quanto/nn/relu.hpp>
#include <quanto/nn/sequential.hpp>
#include <quanto/nn/softmax.hpp>

#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"

namespace {
using namespace quanto;

Tensor<float> of(extents const& shape, std::vector<float> const& v) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = v[i];
    return t;
}
struct Pair {
    nn::Linear a{3, 2}, b{2, 1};
    static void children(auto& self, auto&& each) {
        each("a", self.a);
        each("b", self.b);
    }
};
struct Net {
    Pair policy;
    nn::Sequential<nn::ReLU, nn::Linear> head{nn::ReLU{}, nn::Linear{1, 1}};
    static void children(auto& self, auto&& each) {
        each("policy", self.policy);
        each("head", self.head);
    }
};
static_assert(nn::Module<nn::Linear> && nn::Module<nn::LayerNorm> && nn::Module<nn::ReLU> && nn::Module<nn::Flatten>);
static_assert(!nn::Module<Net> && nn::HasChildren<Net const> && !nn::HasChildren<nn::Linear>);
}  // namespace

TEST_CASE("modules are visited depth first, parents first, with joined names") {
    Net net;
    std::string names;
    nn::for_each_module(net, [&](std::string_view name, auto&) { names += std::string(name) + ","; });
    CHECK(names == ",policy,policy.a,policy.b,head,head.0,head.1,");
    std::size_t count = 0;
    nn::for_each_module(std::as_const(net), [&](std::string_view, auto const&) { ++count; });
    CHECK(count == 7);
}

TEST_CASE("relu keeps the codes of int8 and the NaN of floats") {
    float const nan = std::numeric_limits<float>::quiet_NaN();
    auto const y = nn::relu(of({4}, {-1.0f, 0.0f, 2.0f, nan}));
    CHECK(y[0] == 0.0f);
    CHECK(y[2] == 2.0f);
    CHECK(is_nan(y[3]));
    auto const q = nn::relu(nn::quantize_activation(of({3}, {-128.0f, -1.0f, 3.0f}), qint8{}, 1.0f));
    REQUIRE(q.is_quantized());
    CHECK(q.scale() == 1.0f);
    CHECK(q[0] == 0.0f);
    CHECK(q[1] == 0.0f);
    CHECK(q[2] == 3.0f);
    auto const f = nn::relu(nn::quantize_activation(of({2}, {-2.0f, 3.0f}), qfloat8{}, 1.0f));
    CHECK_FALSE(f.is_quantized());
    CHECK(f[0] == 0.0f);
    CHECK(f[1] == 3.0f);
}

TEST_CASE("softmax sums to one, and quantizes with the scale of its range") {
    auto const x = of({2, 2}, {0.0f, 0.0f, 1000.0f, 0.0f});
    auto const y = nn::softmax(x);
    CHECK(y[0] == 0.5f);
    CHECK(y[2] == 1.0f);
    CHECK(y[3] == 0.0f);
    auto const q = nn::softmax(nn::quantize_activation(x, qint8{}, 8.0f));
    REQUIRE(q.is_quantized());
    CHECK(q.scale() == 1.0f / 127.0f);
    CHECK(q.codes()[2] == 127);
    CHECK(nn::softmax(Tensor<float>(extents{2, 0})).size() == 0);
}

TEST_CASE("LayerNorm is the formula") {
    nn::LayerNorm norm(of({4}, {1.0f, 2.0f, 1.0f, 1.0f}), of({4}, {0.0f, 0.0f, 0.5f, 0.0f}), 0.0f);
    auto const y = norm(of({1, 4}, {1.0f, -1.0f, 1.0f, -1.0f}));  // mean 0, variance 1
    REQUIRE(y);
    CHECK(y[0] == 1.0f);
    CHECK(y[1] == -2.0f);
    CHECK(y[2] == 1.5f);
    CHECK(y[3] == -1.0f);
    norm.activation = {.type = qint8{}, .output_scale = 0.5f};
    auto const q = norm(of({1, 4}, {1.0f, -1.0f, 1.0f, -1.0f}));
    REQUIRE(q.is_quantized());
    CHECK(q.codes()[2] == 3);
    CHECK(norm(of({1, 3}, {0, 0, 0})).error().message() == "LayerNorm (4): the input has shape (1, 3)");
    CHECK(nn::LayerNorm(4)(of({1, 4}, {0, 0, 0, 0})).error().code() == errc::missing);
}

TEST_CASE("flatten keeps rows and codes") {
    auto const x = of({2, 1, 2}, {1, 2, 3, 4});
    CHECK(nn::flatten(x).shape() == extents{2, 2});
    auto const q = nn::flatten(nn::quantize_activation(x, qint8{}, 1.0f));
    CHECK(q.shape() == extents{2, 2});
    CHECK(q[3] == 4.0f);
}

TEST_CASE("a scale of zero means zeros, and codes are not quantized again") {
    auto const zeros = nn::quantize_activation(of({2}, {0.0f, 5.0f}), qint8{}, 0.0f);
    CHECK(zeros[1] == 0.0f);
    CHECK(nn::quantize_activation(zeros, qint8{}, 3.0f).scale() == 0.0f);
}

TEST_CASE("an error passes through every operation") {
    nn::Activation const bad = error(errc::io, "first");
    for (auto const& y : {nn::relu(bad), nn::softmax(bad), nn::flatten(bad), nn::LayerNorm(3)(bad),
                          nn::Linear(3, 2)(bad), nn::Sequential{nn::ReLU{}, nn::Linear(3, 2)}(bad)}) {
        REQUIRE_FALSE(y);
        CHECK(y.error().message() == "first");
    }
}
