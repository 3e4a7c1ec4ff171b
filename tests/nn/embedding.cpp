#include <quanto/nn/embedding.hpp>

#include <quanto/backend/reference_backend.hpp>

#include "finite_difference.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;
using gradient::values;

Tensor<std::int32_t> ids(extents const& shape, std::vector<std::int32_t> const& v) {
    Tensor<std::int32_t> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = v[i];
    return t;
}
}  // namespace

TEST_CASE("Embedding gives the rows of its table, quantized or not") {
    auto const table = values({5, 36}, 1);
    auto const at = ids({2, 2}, {4, 0, 1, 4});
    auto const check = [&](nn::Embedding const& m, auto const& row) {
        auto const y = m(at);
        REQUIRE(y);
        REQUIRE(y.shape() == extents{2, 2, 36});
        for (std::size_t i = 0; i != 4; ++i)
            for (std::size_t j = 0; j != 36; ++j) CHECK(y[i * 36 + j] == row(static_cast<std::size_t>(at[i]) * 36 + j));
    };
    check(nn::Embedding(any_tensor(table)), [&](std::size_t i) { return table[i]; });
    any_qtype::for_each([&](any_qtype type) {
        for (std::size_t const group : {0u, 16u}) {
            nn::Embedding m{any_tensor(table)};
            REQUIRE(m.weight.quantize({type, type.bits() == 8 ? 0 : group}));
            any_qtensor const q = *m.weight.quantized();
            m.weight.freeze();
            check(m, [&](std::size_t i) { return q.visit([&](auto const& v) { return v[i]; }); });
        }
    });
}

TEST_CASE("Embedding refuses ids beyond its table, and tables that are not there") {
    nn::Embedding const m{any_tensor(values({5, 3}, 1))};
    CHECK(m(ids({2}, {0, 5})).error().message() == "Embedding: the id at index 1 is not one of 5");
    CHECK(m(ids({1}, {-1})).error().code() == errc::invalid_argument);
    CHECK(nn::Embedding(5, 3)(ids({1}, {0})).error().code() == errc::missing);
    CHECK(m(ids({0}, {})).shape() == extents{0, 3});
}

TEST_CASE("gradients of Embedding add up over the ids") {
    nn::Embedding m{any_tensor(values({4, 2}, 1))};
    nn::Tape tape;
    tape.watch(&m.weight);
    nn::context where;
    where.tape = &tape;
    auto const at = ids({3}, {2, 0, 2});
    auto const y = m(at, &where);
    auto const dy = values({3, 2}, 2);
    REQUIRE(tape.backward(y.node(), dy));
    auto const& dw = *tape.gradient(&m.weight);
    REQUIRE(dw.shape() == extents{4, 2});
    for (std::size_t j = 0; j != 2; ++j) {
        CHECK(dw[j] == dy[2 + j]);
        CHECK(dw[2 + j] == 0.0f);
        CHECK(dw[4 + j] == dy[j] + dy[4 + j]);
    }
}
