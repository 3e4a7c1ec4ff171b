#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/reference_backend.hpp>
#include <quanto/nn/linear.hpp>
#include <quanto/testing.hpp>

#include <limits>
#include <vector>

#include "memory.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;

Tensor<float> values(extents const& shape, float start) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = start + static_cast<float>(i * 7 % 11) * 0.25f - 1.0f;
    return t;
}
// y[m][n] = sum_k x[m][k] w[n][k] + b[n]; the values are small multiples of 1/4, so that every sum is exact.
template <class W>
float direct(Tensor<float> const& x, W const& w, Tensor<float> const& b, std::size_t m, std::size_t n) {
    float y = 0.0f;
    for (std::size_t k = 0; k != x.cols(); ++k) y += x[m * x.cols() + k] * w[n * x.cols() + k];
    return y + b[n];
}
}  // namespace

TEST_CASE("a float Linear is the formula, whatever the rank of its input") {
    auto const x = values({2, 3, 5}, 0.5f), w = values({4, 5}, 0.25f), b = values({4}, 1.0f);
    nn::Linear const linear(w, b);
    auto const y = linear(x).value();
    REQUIRE(y);
    REQUIRE(y->shape() == extents{2, 3, 4});
    for (std::size_t m = 0; m != 6; ++m)
        for (std::size_t n = 0; n != 4; ++n) CHECK((*y)[m * 4 + n] == direct(x, w, b, m, n));
    CHECK(linear(Tensor<float>(extents{0, 5})).value()->size() == 0);
    CHECK(linear(Tensor<float>(extents{5})).shape() == extents{4});
}

TEST_CASE("a quantized Linear multiplies with its dequantized weights") {
    auto const x = values({3, 64}, 0.5f), w = values({5, 64}, 0.25f), b = values({5}, 1.0f);
    any_qtype::for_each([&](auto q) {
        nn::Linear linear(w, b);
        REQUIRE(linear.weight.quantize({q, 32}));
        INFO(any_qtype(q).name());
        auto const check = [&] {
            auto const y = linear(x);
            REQUIRE(y);
            linear.weight.quantized()->visit([&](auto const& v) {
                for (std::size_t m = 0; m != 3; ++m)
                    for (std::size_t n = 0; n != 5; ++n)  // |y| < 2^8, 65 roundings of 2^-24 each
                        CHECK(y[m * 5 + n] == Catch::Approx(direct(x, v, b, m, n)).margin(65 * 0x1p-16));
            });
        };
        check();
        linear.weight.freeze();
        CHECK(linear.weight.master() == nullptr);
        check();
    });
}

TEST_CASE("int8 activations and int8 weights multiply as integers") {
    auto const x = values({3, 64}, 0.5f), w = values({5, 64}, 0.25f);
    nn::Linear linear{any_tensor(w)};
    REQUIRE(linear.weight.quantize({qint8{}}));
    linear.activation = {.type = qint8{}, .input_scale = 0.01f, .output_scale = 0.5f};
    auto const codes = nn::quantize_activation(x, qint8{}, 0.01f);
    REQUIRE(codes.is_quantized());
    auto const y = linear(codes);
    REQUIRE(y.is_quantized());
    CHECK(y.scale() == 0.5f);
    auto const q = linear.weight.quantized()->as<qint8>();
    for (std::size_t m = 0; m != 3; ++m)
        for (std::size_t n = 0; n != 5; ++n) {
            int sum = 0;
            for (std::size_t k = 0; k != 64; ++k)
                sum +=
                    static_cast<std::int8_t>(codes.codes()[m * 64 + k]) * static_cast<std::int8_t>(q.code(n * 64 + k));
            float const exact = static_cast<float>(sum) * (0.01f * q.scale(n));
            CHECK(y.codes()[m * 5 + n] == symmetric_code<qint8>(exact, 0.5f));
            CHECK(linear(x).codes()[m * 5 + n] == y.codes()[m * 5 + n]);  // a float input is quantized first
        }
}

TEST_CASE("weights of 16 bits are computed in float") {
    auto const x = values({3, 5}, 0.5f), w = values({4, 5}, 0.25f), b = values({4}, 1.0f);
    for (dtype type : {dtype::f16, dtype::bf16}) {
        auto bytes = storage::allocate(w.size() * 2);
        REQUIRE(bytes);
        for (std::size_t i = 0; i != w.size(); ++i) any_tensor::store(type, bytes->mutable_data(), i, w[i]);
        nn::Linear const linear(any_tensor(type, w.shape(), std::move(*bytes)), b);
        auto const y = linear(x);
        REQUIRE(y);
        for (std::size_t i = 0; i != 12; ++i) CHECK(y[i] == direct(x, w, b, i / 4, i % 4));
    }
}

TEST_CASE("shapes that do not fit are an error that flows to the end") {
    nn::Linear const linear(values({4, 5}, 0.25f));
    auto const y = nn::Linear(values({7, 4}, 0.0f))(linear(values({2, 6}, 0.0f)));
    REQUIRE_FALSE(y);
    CHECK(y.error().code() == errc::shape_mismatch);
    CHECK(y.error().message() == "Linear (5 to 4): the input has shape (2, 6)");
    CHECK(y.value().error().message() == y.error().message());
    CHECK_FALSE(linear(Tensor<float>(extents{})));
    CHECK(linear(Tensor<float>()).error().code() == errc::invalid_argument);
    CHECK_FALSE(nn::Linear(values({4, 5}, 0.0f), values({3}, 0.0f))(values({2, 5}, 0.0f)));
    CHECK_FALSE(nn::Linear(any_tensor(values({5}, 0.0f)))(values({2, 5}, 0.0f)));
}

TEST_CASE("a Linear without values is an error, and takes no memory") {
    nn::Linear const linear(1u << 20, 1u << 20);
    CHECK(linear(Tensor<float>(extents{1u << 20})).error().code() == errc::missing);
}

TEST_CASE("a context goes with the data: its backend computes, its memory holds the results") {
    counted_memory memory;
    reference_backend const backend;
    nn::context const where{backend, &memory};
    {
        auto const y = nn::Linear(values({4, 5}, 0.25f))(nn::Activation(values({2, 5}, 0.0f), where));
        REQUIRE(y);
        CHECK(y.where_pointer() == &where);
        CHECK(memory.live == 1);
    }
    CHECK(memory.live == 0);
    no_memory none;
    nn::context const full{backend, &none};
    CHECK(nn::Linear(values({4, 5}, 0.25f))(nn::Activation(values({2, 5}, 0.0f), full)).error().code() ==
          errc::out_of_memory);
}

TEST_CASE("new values are quantized as the old ones were") {
    nn::Weight weight(values({4, 64}, 0.25f));
    REQUIRE(weight.quantize({qint4{}, 32}));
    auto const next = values({4, 64}, 3.0f);
    REQUIRE(weight.set(next));
    auto const q = quantize<qint4>(next, {}, {.group = 32});
    for (std::size_t i = 0; i != next.size(); ++i) CHECK(weight.quantized()->as<qint4>()[i] == (*q)[i]);
    auto const wrong = weight.set(values({4, 63}, 0.0f));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message() == "expected shape (4, 64), found (4, 63)");
    weight.freeze();
    CHECK(weight.quantize({qint8{}}).error().message() == "frozen as qint4, cannot become qint8");
    CHECK(weight.set(next).error().message() == "the weight is frozen");
}

TEST_CASE("a prepared Linear writes the codes that quantizing its output gives") {
    cpu_backend const cpu;
    nn::context const here{cpu};
    Tensor<float> const x = testing::test_values(5, 70, 1), bias = testing::test_values(1, 37, 3);
    for (any_qtype const of_x : {any_qtype(qint8{}), any_qtype(qfloat8_e4m3fn{}), any_qtype(qfloat8_e5m2{})})
        for (any_qtype const of_w : {any_qtype(qint8{}), any_qtype(qint4{}), any_qtype(qfloat8_e4m3fn{})})
            for (bool const quantized_input : {false, true}) {
                Tensor<float> b(extents{37});
                for (std::size_t i = 0; i != 37; ++i) b[i] = bias[i];
                nn::Linear linear(testing::test_values(37, 70, 2), b);
                REQUIRE(linear.weight.quantize({of_w, of_w.bits() == 4 ? 32u : 0u}));
                REQUIRE(linear.weight.prepare(cpu));
                linear.activation.type = of_x;
                linear.activation.output_scale = 0.0173f;
                if (quantized_input) linear.activation.input_scale = 0.031f;
                CAPTURE(of_x.name(), of_w.name(), quantized_input);
                auto const codes = linear(nn::Activation(Tensor<float>::borrow(x.view()), here));
                REQUIRE(codes);
                REQUIRE(codes.is_quantized());
                CHECK(codes.scale() == 0.0173f);
                linear.activation.quantize_output = false;
                auto const floats = linear(nn::Activation(Tensor<float>::borrow(x.view()), here));
                REQUIRE_FALSE(floats.is_quantized());
                auto const expected = nn::quantize_activation(floats, of_x, 0.0173f);
                for (std::size_t i = 0; i != codes.size(); ++i) REQUIRE(codes.codes()[i] == expected.codes()[i]);
            }
}

TEST_CASE("NaN has no code, also where a prepared Linear could write codes") {
    float const nan = std::numeric_limits<float>::quiet_NaN();
    nn::Linear linear(testing::test_values(16, 64, 1), Tensor<float>(extents{16}));
    REQUIRE(linear.weight.quantize({qint8{}}));
    cpu_backend const cpu;
    REQUIRE(linear.weight.prepare(cpu));
    linear.activation = {.type = qint8{}, .output_scale = 0.1f};
    Tensor<float> x = testing::test_values(2, 64, 3);
    REQUIRE(linear(x));
    x[70] = nan;
    CHECK(linear(x).error().code() == errc::not_finite);
    linear.activation.input_scale = 0.01f;
    CHECK(linear(x).error().code() == errc::not_finite);
    x[70] = 0.0f;
    REQUIRE(linear(x));
    Tensor<float> bias(extents{16});
    bias[3] = nan;
    linear.bias = bias;
    CHECK(linear(x).error().code() == errc::not_finite);
}
