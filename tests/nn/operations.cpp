#include <quanto/nn/operations.hpp>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <quanto/nn/strided.hpp>
#include <quanto/testing.hpp>

#include "finite_difference.hpp"
#include "memory.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;
using nn::Activation;
namespace op = nn::operations;

Tensor<float> of(extents const& shape, std::vector<float> const& v) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = v[i];
    return t;
}
Activation int8(extents const& shape, float scale, std::size_t seed = 1) {
    return nn::quantize_activation(gradient::values(shape, seed), qint8{}, scale);
}
Activation by_rows(extents const& shape, std::size_t seed = 1) {
    return nn::quantize_dynamic(gradient::values(shape, seed), qint8{}, nn::activation_scaling::per_row);
}
bool same_values(Activation const& a, Activation const& b) {
    if (!a || !b || a.shape() != b.shape()) return false;
    for (std::size_t i = 0; i != a.size(); ++i)
        if (a[i] != b[i]) return false;
    return true;
}
// The operation on the dequantized operand.
template <class F>
bool agrees(F const& f, Activation const& x) {
    return same_values(f(x), f(Activation(*x.value())));
}
std::string message(Activation const& y) { return y ? "no error" : y.error().c_str(); }
}  // namespace

TEST_CASE("explain says what an operation does with codes, and why") {
    auto const a = int8({2, 3}, 0.01f), b = int8({2, 3}, 0.02f), rows = by_rows({2, 3});
    Activation const f = *a.value();
    Activation const e = nn::quantize_activation(f, qfloat8{}, 0.01f);
    CHECK(explain(op::relu, {&a}).taken == nn::form::ordered);
    CHECK(explain(op::relu, {&a}).reason == "the codes have the order of the values");
    CHECK(explain(op::relu, {&e}).reason == "has no form on float8 codes");
    CHECK(explain(op::gelu, {&a}).reason == "has no form on int8 codes");
    CHECK(explain(op::gelu, {&f}).reason == "all operands are float");
    CHECK(explain(op::cat, {&a, &a}).taken == nn::form::joined);
    CHECK(explain(op::cat, {&a, &b}).reason == "operands of two scales");
    CHECK(explain(op::cat, {&f, &a}).reason == "an operand is float");
    CHECK(explain(op::stack, {&a, &e}).reason == "operands of two types");
    CHECK(explain(op::cat, {&a, &rows}).reason == "operands have a scale per row");
    CHECK(explain(op::matmul, {&a, &rows}).taken == nn::form::product);
    CHECK(explain(op::softmax, {&e}).operation == "softmax");
    CHECK_FALSE(explain(op::matmul, {&e, &e}));
}

TEST_CASE("moving operations keep codes and scales, also those of rows that stay whole") {
    auto const x = int8({2, 3, 4}, 0.01f), rows = by_rows({2, 3, 4});
    auto const check = [&](auto const& f, bool keeps_rows) {
        for (auto const& v : {x, rows}) {
            CHECK(agrees(f, v));
            CHECK(f(v).is_quantized() == (keeps_rows || !v.has_row_scales()));
        }
        CHECK(f(x).scale() == 0.01f);
    };
    check([](Activation const& v) { return nn::transpose(v, 0, 1); }, true);
    check([](Activation const& v) { return nn::transpose(v, 1, 2); }, false);
    check([](Activation const& v) { return nn::slice(v, -1, 1, 3); }, true);
    check([](Activation const& v) { return nn::slice(v, 1, 0, 3, 2); }, true);
    check([](Activation const& v) { return nn::select(v, 0, 1); }, true);
    check([](Activation const& v) { return nn::expand(nn::unsqueeze(v, 0), {3, 2, 3, 4}); }, true);
    check([](Activation const& v) { return nn::expand(nn::slice(v, 2, 0, 1), {2, 3, 5}); }, false);
    check([](Activation const& v) { return nn::view(v, {6, 4}); }, true);
    check([](Activation const& v) { return nn::view(v, {2, 12}); }, false);
    check([](Activation const& v) { return nn::index(v, std::vector<std::size_t>{1, 0, 1}); }, true);
    check([](Activation const& v) { return nn::split(v, 2, 1)[1]; }, true);
    CHECK(nn::chunk(x, 2, 1).size() == 2);
    CHECK(nn::chunk(x, 2, 1)[1].shape() == extents{2, 1, 4});
    CHECK(nn::unbind(x, 0)[1].shape() == extents{3, 4});
    CHECK(nn::slice(x, 0, 1, 1).size() == 0);
    CHECK(nn::index(x, std::vector<std::size_t>{}).shape() == extents{0, 3, 4});
    CHECK(nn::slice(by_rows({2, 3}), 1, 0, 0).shape() == extents{2, 0});
}

TEST_CASE("what has a scale per row is joined as float, also with itself and alone") {
    auto const rows = by_rows({2, 3});
    auto const all = nn::eq(rows, rows);
    REQUIRE(all);
    for (bool same : *all) CHECK(same);
    CHECK(agrees([](auto const& v) { return nn::cat({v}, 0); }, rows));
    CHECK(agrees([](auto const& v) { return nn::stack({v}); }, rows));
    CHECK(agrees([&](auto const& v) { return nn::where(*all, v, v); }, rows));
    CHECK(explain(op::cat, {&rows}).reason == "operands have a scale per row");
    CHECK(explain(op::relu, {&rows}).taken == nn::form::ordered);
}

TEST_CASE("numbers scale codes only where that keeps them exact") {
    for (auto const& x : {int8({2, 3}, 0.01f), by_rows({2, 3}), int8({2, 3}, 0.0f)}) {
        CHECK((x * -2.0f).is_quantized());
        CHECK((x / 4.0f).is_quantized());
        CHECK((x * 0.0f).is_quantized());
        CHECK((-x).is_quantized());
        CHECK(agrees([](auto const& v) { return v * -2.0f; }, x));
        CHECK(agrees([](auto const& v) { return -v; }, x));
        CHECK(agrees([](auto const& v) { return nn::relu(-v); }, x));
        CHECK(nn::relu(-x).is_quantized());
    }
    auto const x = int8({2, 3}, 0.01f);
    CHECK_FALSE((x * 1e-37f).is_quantized());  // the scale would be subnormal
    CHECK(same_values(x * 1e-37f, Activation(*x.value()) * 1e-37f));
    CHECK_FALSE((x / 0.0f).is_quantized());
    CHECK_FALSE((x * std::numeric_limits<float>::infinity()).is_quantized());
    Tensor<std::uint8_t> code({1});
    code[0] = 0x80;
    CHECK((-Activation(qint8{}, code, 0.5f))[0] == 64.0f);
}

TEST_CASE("max pooling keeps codes whose order is that of the values") {
    auto const x = int8({1, 4, 4}, 0.01f), rows = by_rows({1, 4, 4});
    auto const pool = [](Activation const& v) { return nn::max_pool2d(v, 2); };
    for (auto const& v : {x, -x, rows}) CHECK(agrees(pool, v));
    CHECK(pool(x).is_quantized());
    CHECK_FALSE(pool(-x).is_quantized());
    CHECK_FALSE(pool(rows).is_quantized());
}

TEST_CASE("where keeps codes if the scale holds the other value") {
    Tensor<bool> mask({3});
    mask[1] = true;
    auto const x = int8({2, 3}, 0.01f);
    CHECK(nn::where(mask, x, 1.27f).is_quantized());
    CHECK_FALSE(nn::where(mask, x, 1.29f).is_quantized());
    CHECK_FALSE(nn::where(mask, x, std::numeric_limits<float>::quiet_NaN()).is_quantized());
    auto const y = nn::masked_fill(x, mask, -std::numeric_limits<float>::infinity());
    CHECK(y[4] == -std::numeric_limits<float>::infinity());
    CHECK(y[3] == x[3]);
    CHECK(nn::where(mask, x, -x).is_quantized() == false);
    CHECK(nn::where(mask, x, int8({2, 3}, 0.01f, 2)).is_quantized());
}

TEST_CASE("batched products of int8 codes are exact, with every kind of scale") {
    for (auto const& a : {int8({2, 3, 5}, 0.01f), by_rows({2, 3, 5})})
        for (auto const& b : {int8({2, 4, 5}, 0.02f, 2), by_rows({2, 4, 5}, 2), int8({4, 5}, 0.02f, 3)}) {
            auto const y = nn::matmul_transposed(a, b);
            REQUIRE(y.shape() == extents{2, 3, 4});
            for (std::size_t i = 0; i != 2; ++i)
                for (std::size_t m = 0; m != 3; ++m)
                    for (std::size_t n = 0; n != 4; ++n) {
                        std::size_t const ra = i * 3 + m, rb = (b.shape().rank() == 3 ? i * 4 : 0) + n;
                        int sum = 0;
                        for (std::size_t k = 0; k != 5; ++k)
                            sum += static_cast<std::int8_t>(a.codes()[ra * 5 + k]) *
                                   static_cast<std::int8_t>(b.codes()[rb * 5 + k]);
                        float const want =
                            a.has_row_scales()
                                ? rounded(static_cast<float>(sum) * b.scale_of_row(rb)) * a.scale_of_row(ra)
                                : static_cast<float>(sum) * (a.scale() * b.scale_of_row(rb));
                        CHECK(y[(i * 3 + m) * 4 + n] == want);
                    }
        }
    CHECK(same_values(nn::matmul(int8({3, 5}, 0.01f), nn::transpose(int8({4, 5}, 0.02f), 0, 1)),
                      nn::matmul_transposed(int8({3, 5}, 0.01f), int8({4, 5}, 0.02f))));
    CHECK(nn::matmul(of({2, 0}, {}), of({0, 3}, {}))[5] == 0.0f);
    CHECK(same_values(nn::matmul(by_rows({2, 3, 5}), nn::transpose(int8({4, 5}, 0.02f), 0, 1)),
                      nn::matmul_transposed(by_rows({2, 3, 5}), int8({4, 5}, 0.02f))));
    CHECK(same_values(nn::matmul(int8({3, 4}, 0.01f), by_rows({4, 5})),
                      nn::matmul(*int8({3, 4}, 0.01f).value(), *by_rows({4, 5}).value())));
}

TEST_CASE("products repeat leading dimensions of either side as expand does") {
    for (auto const& [a, b] : {std::pair{extents{2, 1, 1, 3, 5}, extents{1, 4, 2, 5, 6}},
                               {extents{4, 1, 3, 5}, extents{2, 5, 6}},
                               {extents{3, 5}, extents{2, 1, 3, 2, 1, 2, 5, 6}}}) {
        extents all = nn::repeated(a, b), wide_a = all, wide_b = all;
        for (std::size_t d = 1; d != 3; ++d) {
            wide_a[all.rank() - d] = a[a.rank() - d];
            wide_b[all.rank() - d] = b[b.rank() - d];
        }
        auto const x = int8(a, 0.01f), y = int8(b, 0.02f, 2);
        CHECK(same_values(nn::matmul(x, y), nn::matmul(nn::expand(x, wide_a), nn::expand(y, wide_b))));
        CHECK(same_values(nn::matmul(*x.value(), *y.value()),
                          nn::matmul(*nn::expand(x, wide_a).value(), *nn::expand(y, wide_b).value())));
    }
    CHECK(message(nn::matmul(of({2, 1, 1}, {1, 2}), of({3, 1, 1}, {1, 2, 3}))) ==
          "matmul: leading dimensions of (2) and (3)");
}

TEST_CASE("operations refuse shapes that do not fit, and name them") {
    Activation const x = of({2, 3}, {1, 2, 3, 4, 5, 6}), y = of({2, 2}, {1, 2, 3, 4});
    CHECK(message(x + y) == "add: shapes (2, 3) and (2, 2)");
    CHECK(message(nn::matmul(x, y)) == "matmul: (2, 3) times (2, 2)");
    CHECK(message(nn::view(x, {4})) == "view: 6 elements as (4)");
    CHECK(message(nn::transpose(x, 0, 2)) == "transpose: no dimension 2 in shape (2, 3)");
    CHECK(message(nn::sum(x, -3)) == "sum: no dimension -3 in shape (2, 3)");
    CHECK(message(nn::permute(x, {0, 0})) == "permute: (0, 0) does not order the dimensions of (2, 3)");
    CHECK(message(nn::slice(x, 1, 2, 4)) == "slice: 2 to 4 in steps of 1 of a dimension of 3");
    CHECK(message(nn::select(x, 1, 3)) == "select: index 3 of a dimension of 3");
    CHECK(message(nn::expand(x, {2, 4})) == "expand: (2, 3) does not repeat to (2, 4)");
    CHECK(message(nn::cat({x, y}, 1)) == "no error");
    CHECK(message(nn::cat({x, y}, 0)) == "cat: (2, 2) beside (2, 3)");
    CHECK(message(nn::cat({}, 0)) == "cat: of nothing");
    CHECK(message(nn::stack({x, y})) == "stack: (1, 2, 2) beside (1, 2, 3)");
    CHECK(message(nn::split(x, 0, 1)[0]) == "split: parts of 0");
    CHECK(message(nn::split(x, std::vector<std::size_t>{1, 1}, 1)[0]) == "split: parts of 2 of a dimension of 3");
    CHECK(message(nn::index(x, std::vector<std::size_t>{2})) == "index: row 2 of 2");
    CHECK(message(nn::where(Tensor<bool>(extents{4}), x, 0.0f)) == "where: a mask of shape (4) for (2, 3)");
    CHECK_FALSE(nn::lt(x, y));
    CHECK_FALSE(nn::argmax(of({2, 0}, {}), 1));
}

TEST_CASE("errors pass through every functional operation") {
    Activation const bad = error(errc::io, "first"), x = of({2, 2}, {1, 2, 3, 4});
    Tensor<bool> const mask(extents{2, 2});
    for (auto const& y : {bad + x,
                          x - bad,
                          bad * bad,
                          x / bad,
                          bad * 2.0f,
                          1.0f / bad,
                          -bad,
                          nn::abs(bad),
                          nn::clamp(bad, 0, 1),
                          nn::relu6(bad),
                          nn::sigmoid(bad),
                          nn::tanh(bad),
                          nn::gelu(bad),
                          nn::silu(bad),
                          nn::to(bad, dtype::f16),
                          nn::log_softmax(bad),
                          nn::view(bad, {1}),
                          nn::transpose(bad, 0, 1),
                          nn::permute(bad, {0}),
                          nn::expand(bad, {1}),
                          nn::slice(bad, 0, 0, 1),
                          nn::select(bad, 0, 0),
                          nn::split(bad, 1, 0)[0],
                          nn::chunk(bad, 1, 0)[0],
                          nn::unbind(bad, 0)[0],
                          nn::index(bad, {}),
                          nn::unsqueeze(bad, 0),
                          nn::squeeze(bad, 0),
                          nn::unflatten(bad, 0, {1}),
                          nn::cat({x, bad}, 0),
                          nn::stack({bad, x}),
                          nn::where(mask, bad, 0.0f),
                          nn::where(mask, x, bad),
                          nn::masked_fill(bad, mask, 0.0f),
                          nn::matmul(x, bad),
                          nn::matmul(bad, x),
                          nn::matmul_transposed(bad, x),
                          nn::sum(bad, 0),
                          nn::mean(bad, 0),
                          nn::amax(bad, 0)})
        CHECK(message(y) == "first");
    CHECK_FALSE(nn::eq(x, bad));
    CHECK_FALSE(nn::argmax(bad, 0));
}

TEST_CASE("gradients of the functional operations agree with finite differences") {
    using gradient::check_input;
    using gradient::values;
    auto const x = values({2, 3, 4}, 1);
    Activation const other = values({2, 3, 4}, 2), row = values({4}, 3), m = values({2, 5, 4}, 4);
    Tensor<bool> mask({2, 3, 4});
    for (std::size_t i = 0; i != mask.size(); ++i) mask[i] = i % 3 == 0;
    std::vector<std::size_t> const picks{1, 0, 1};
    struct one {
        char const* name;
        std::function<Activation(Activation const&)> f;
    };
    for (auto const& [name, f] :
         {one{"neg", nn::neg}, one{"abs", nn::abs}, one{"sigmoid", nn::sigmoid}, one{"tanh", nn::tanh},
          one{"gelu", nn::gelu}, one{"silu", nn::silu}, one{"relu6", nn::relu6}, one{"log_softmax", nn::log_softmax}})
        check_input(f, x, name);
    check_input([](auto const& v) { return nn::clamp(v, -2.0f, 2.0f); }, x, "clamp");
    check_input([](auto const& v) { return v * 3.0f - 1.0f; }, x, "mul number");
    check_input([](auto const& v) { return v / 3.0f; }, x, "div number");
    check_input([&](auto const& v) { return v + other; }, x, "add");
    check_input([&](auto const& v) { return other - v; }, x, "sub");
    check_input([&](auto const& v) { return v * v * row; }, x, "mul, repeated");
    check_input([&](auto const& v) { return other / (v * v + 2.0f) + row / (v * v + 1.0f); }, x, "div");
    check_input([&](auto const& v) { return other + v; }, values({4}, 5), "add, repeated");
    check_input([](auto const& v) { return nn::transpose(v, 0, 2); }, x, "transpose");
    check_input([](auto const& v) { return nn::slice(v, 1, 0, 3, 2); }, x, "slice");
    check_input([](auto const& v) { return nn::expand(v, {2, 3, 4}); }, values({3, 1}, 6), "expand");
    check_input([&](auto const& v) { return nn::index(v, picks); }, x, "index");
    check_input([&](auto const& v) { return nn::cat({other, v, v}, 1); }, x, "cat");
    check_input([&](auto const& v) { return nn::stack({v, other}, 1); }, x, "stack");
    check_input([&](auto const& v) { return nn::where(mask, v, other) + nn::where(mask, other, v); }, x, "where");
    check_input([&](auto const& v) { return nn::masked_fill(v, mask, 3.0f); }, x, "masked_fill");
    check_input([](auto const& v) { return nn::sum(v, 1); }, x, "sum");
    check_input([](auto const& v) { return nn::mean(v, -1); }, x, "mean");
    check_input([](auto const& v) { return nn::amax(v, 1); }, of({2, 2}, {1, 2, 3, 0.5f}), "amax");
    check_input([&](auto const& v) { return nn::matmul_transposed(v, m); }, x, "matmul, left");
    check_input([&](auto const& v) { return nn::matmul_transposed(m, v); }, x, "matmul, right");
    check_input([&](auto const& v) { return nn::matmul(m, nn::transpose(v, 1, 2)); }, x, "matmul");
    check_input([&](auto const& v) { return nn::matmul_transposed(m, v); }, values({3, 4}, 7), "matmul, repeated");
    Activation const w = values({2, 4, 5}, 8);
    check_input([&](auto const& v) { return nn::matmul(v, w); }, x, "matmul, left");
    check_input([&](auto const& v) { return nn::matmul(v, w); }, values({1, 3, 4}, 9), "matmul, left, repeated");
    check_input([&](auto const& v) { return nn::matmul(m, v); }, values({4, 3}, 10), "matmul, right, repeated");
}

TEST_CASE("activation functions change in place what nobody else has, and nothing else") {
    struct one {
        char const* name;
        Activation (*f)(Activation);
    };
    for (auto const& [name, f] :
         {one{"relu", nn::relu}, one{"gelu", nn::gelu}, one{"silu", nn::silu}, one{"tanh", nn::tanh}}) {
        CAPTURE(name);
        counted_memory memory;
        cpu_backend const cpu;
        nn::context const here{.backend = cpu, .memory = &memory};
        Tensor<float> const x = testing::test_values(3, 37, 1);
        Activation const expected = f(Activation(x));
        REQUIRE(expected);
        auto const agrees = [&](Activation const& y) {
            return y && std::memcmp(y.values().data(), expected.values().data(), x.size() * sizeof(float)) == 0;
        };
        auto const untouched = [&](Activation const& given) {
            return std::memcmp(given.values().data(), x.data(), x.size() * sizeof(float)) == 0;
        };
        auto copy = Tensor<float>::make(x.shape(), &memory);
        REQUIRE(copy);
        std::memcpy(copy->data(), x.data(), x.size() * sizeof(float));
        Activation own(std::move(*copy), here);
        Activation const shared = Activation(own).shared(), borrowed(Tensor<float>::borrow(x.view()), here);
        for (Activation const* const given : {&std::as_const(own), &shared, &borrowed}) {
            CHECK(agrees(f(*given)));
            CHECK(untouched(*given));
        }
        std::size_t const before = memory.calls;
        float const* const elements = std::as_const(own).values().data();
        Activation const y = f(std::move(own));
        CHECK(agrees(y));
        CHECK(y.values().data() == elements);
        CHECK(memory.calls == before);
    }
    Tensor<std::uint8_t> codes(2, 40);
    for (std::size_t i = 0; i != codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i * 7);
    for (float const scale : {0.5f, -0.5f}) {
        Activation const q(qint8{}, codes, scale), y = nn::relu(q);
        for (std::size_t i = 0; i != codes.size(); ++i) CHECK(y[i] == (q[i] > 0.0f ? q[i] : 0.0f));
        CHECK(std::memcmp(q.codes().data(), std::as_const(codes).data(), codes.size()) == 0);
    }
}
