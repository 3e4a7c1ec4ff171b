#include "finite_difference.hpp"

#include <vector>

#include "catch.hpp"

namespace {
using namespace gradient;

// Gives `left` blocks, then none.
struct failing_memory {
    std::size_t left = 0;
    void* allocate(std::size_t size, std::size_t alignment) {
        if (left == 0) return nullptr;
        --left;
        return ::operator new (size, std::align_val_t{alignment}, std::nothrow);
    }
    void deallocate(void* p, std::size_t, std::size_t alignment) { ::operator delete (p, std::align_val_t{alignment}); }
};
}  // namespace

TEST_CASE("gradients of Linear agree with finite differences") {
    nn::Linear m(values({4, 5}, 1), any_tensor(values({4}, 2)));
    auto const x = values({2, 3, 5}, 3);
    check_input(m, x, "Linear");
    check_parameter(
        m, x, &m.weight, values({4, 5}, 1), [&](Tensor<float> const& w) { REQUIRE(m.weight.set(w)); }, "Linear dw");
    check_parameter(
        m, x, &*m.bias, values({4}, 2), [&](Tensor<float> const& b) { *m.bias = b; }, "Linear db");
}

TEST_CASE("gradients of relu, softmax, flatten and LayerNorm agree with finite differences") {
    check_input([](nn::Activation const& x) { return nn::relu(x); }, values({3, 4}, 1), "relu");
    check_input([](nn::Activation const& x) { return nn::softmax(x); }, values({3, 4}, 2), "softmax");
    check_input([](nn::Activation const& x) { return nn::flatten(x); }, values({3, 2, 2}, 3), "flatten");
    nn::LayerNorm m(any_tensor(values({6}, 4)), any_tensor(values({6}, 5)));
    auto const x = values({3, 6}, 6);
    check_input(m, x, "LayerNorm");
    check_parameter(
        m, x, &m.weight, values({6}, 4), [&](Tensor<float> const& w) { m.weight = w; }, "LayerNorm dw");
    check_parameter(
        m, x, &*m.bias, values({6}, 5), [&](Tensor<float> const& b) { *m.bias = b; }, "LayerNorm db");
}

TEST_CASE("gradients add up where a value is used more than once") {
    nn::Linear const m(values({4, 4}, 1));
    check_input([&](nn::Activation const& x) { return m(nn::relu(m(m(x)))); }, values({2, 4}, 3), "chain");
}

TEST_CASE("a quantized Linear passes gradients straight through, with the values that it multiplied") {
    auto const w = values({3, 4}, 1), x = values({2, 4}, 2), dy = values({2, 3}, 3);
    for (any_qtype type : {any_qtype(qint8{}), any_qtype(qint4{}), any_qtype(qint2{}), any_qtype(qfloat8{})}) {
        nn::Linear m(w, any_tensor(values({3}, 4)));
        REQUIRE(m.weight.quantize({type}));
        m.activation = {.type = qint8{}, .input_scale = 0.0078125f, .output_scale = 0.03125f};
        nn::Tape tape;
        tape.watch(&m.weight);
        tape.watch(&*m.bias);
        nn::context where;
        where.tape = &tape;
        auto const tracked = nn::tracked(nn::Activation(x, where));
        auto const y = m(tracked);
        REQUIRE(y.is_quantized());
        REQUIRE(tape.backward(y.node(), dy));

        // Sums of 2 to 4 terms: as many roundings.
        auto const q = nn::quantize_activation(x, qint8{}, 0.0078125f);
        auto const near = [](float got, double want, double magnitude) {
            CHECK(std::abs(static_cast<double>(got) - want) <= 8 * 0x1p-24 * magnitude);
        };
        m.weight.quantized()->visit([&](auto const& v) {
            for (std::size_t i = 0; i != 2; ++i)
                for (std::size_t k = 0; k != 4; ++k) {
                    double dx = 0, magnitude = 0;
                    for (std::size_t n = 0; n != 3; ++n) {
                        double const term = static_cast<double>(dy[i * 3 + n]) * static_cast<double>(v[n * 4 + k]);
                        dx += term, magnitude += std::abs(term);
                    }
                    near(std::as_const(tracked.node()->gradient)[i * 4 + k], dx, magnitude);
                }
        });
        for (std::size_t n = 0; n != 3; ++n)
            for (std::size_t k = 0; k != 4; ++k)
                near((*tape.gradient(&m.weight))[n * 4 + k],
                     static_cast<double>(dy[n]) * static_cast<double>(q[k]) +
                         static_cast<double>(dy[3 + n]) * static_cast<double>(q[4 + k]),
                     4.0);
        CHECK((*tape.gradient(&*m.bias))[1] == dy[1] + dy[4]);
    }
}

TEST_CASE("where the tape says so, clamped activations pass no gradient") {
    Tensor<float> x({4});
    for (std::size_t i = 0; i != 4; ++i) x[i] = static_cast<float>(i) * 1.5f - 2.5f;  // -2.5, -1, 0.5, 2
    for (bool const masked : {false, true}) {
        nn::Tape tape({}, masked);
        nn::context where;
        where.tape = &tape;
        auto const tracked = nn::tracked(nn::Activation(x, where));
        auto const q = nn::quantize_activation(tracked, qint8{}, 1.0f / 64.0f);  // holds -2 .. 1.98
        REQUIRE(tape.backward(q.node(), values({4}, 1)));
        auto const& dx = std::as_const(tracked.node()->gradient);
        CHECK((dx[0] == 0.0f) == masked);
        CHECK(dx[1] != 0.0f);
        CHECK(dx[2] != 0.0f);
        CHECK((dx[3] == 0.0f) == masked);
    }
}

TEST_CASE("an operation without a gradient on the way is an error, beside the way it is not") {
    nn::Tape tape;
    nn::context where;
    where.tape = &tape;
    auto const constant = nn::Activation(values({2, 2}, 1), where);
    auto const forgetful = [](nn::Activation const& x) { return nn::like(x, *x.value()); };
    nn::Linear const m(values({2, 2}, 2));
    tape.watch(&m.weight);
    CHECK(tape.backward(m(forgetful(constant)).node(), values({2, 2}, 3)));
    tape.clear();
    auto const done = tape.backward(forgetful(m(constant)).node(), values({2, 2}, 3));
    REQUIRE_FALSE(done);
    CHECK(done.error().code() == errc::unsupported);
}

TEST_CASE("a tape runs backward once, and forgets what was recorded when it is cleared") {
    nn::Linear const m(values({2, 2}, 2));
    nn::Tape tape;
    tape.watch(&m.weight);
    nn::context where;
    where.tape = &tape;
    auto const y = m(nn::Activation(values({2, 2}, 1), where));
    REQUIRE(tape.backward(y.node(), values({2, 2}, 3)));
    float const once = (*tape.gradient(&m.weight))[0];
    CHECK(tape.backward(y.node(), values({2, 2}, 3)).error().code() == errc::invalid_argument);
    tape.clear();
    CHECK_FALSE(*tape.gradient(&m.weight));
    REQUIRE(tape.backward(m(nn::Activation(values({2, 2}, 1), where)).node(), values({2, 2}, 3)));
    CHECK((*tape.gradient(&m.weight))[0] == once);
    CHECK(tape.gradient(&tape) == nullptr);
}

TEST_CASE("without memory a recorded pass ends in an error") {
    nn::Linear const m(values({3, 3}, 2), any_tensor(values({3}, 4)));
    nn::LayerNorm const norm(any_tensor(values({3}, 4)), any_tensor(values({3}, 5)));
    bool complete = false;
    for (std::size_t allowed = 0; !complete && allowed != 100; ++allowed) {
        failing_memory memory{allowed};
        nn::Tape tape(&memory);
        tape.watch(&m.weight);
        nn::context where{nn::context{}.backend, &memory, &tape};
        auto const y = nn::softmax(norm(nn::relu(m(nn::Activation(values({2, 3}, 1), where)))));
        auto const done = y ? tape.backward(y.node(), values({2, 3}, 3)) : result<success>(y.error());
        complete = static_cast<bool>(done);
        if (!done) CHECK(done.error().code() == errc::out_of_memory);
    }
    CHECK(complete);
}
