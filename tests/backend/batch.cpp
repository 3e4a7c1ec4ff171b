#include <quanto/backend/backend_ref.hpp>
#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/reference_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/testing.hpp>

#include <cmath>
#include <cstring>

#include "../memory.hpp"
#include "catch.hpp"

using namespace quanto;

namespace {

struct case_of {
    std::size_t m, n, k;
};
constexpr case_of cases[] = {{1, 1, 1},    {1, 64, 300}, {2, 17, 33},  {3, 100, 7},  {5, 33, 64},    {13, 64, 31},
                             {16, 15, 16}, {17, 250, 8}, {40, 48, 64}, {97, 500, 5}, {100, 65, 130}, {19, 70, 600}};

// Values of T in the layout of attention: (batches, rows, heads, cols) and some elements more at the end of a row of
// heads; a batch of batches x heads x repeats.
template <class T>
struct heads_of {
    std::size_t rows, cols, heads, stride;
    std::vector<T> elements;

    heads_of(std::size_t batches, std::size_t r, std::size_t h, std::size_t c, std::uint32_t seed)
        : rows(r), cols(c), heads(h), stride(h * c + 5), elements(batches * r * stride) {
        testing::generator g(seed);
        for (T& e : elements)
            if constexpr (std::is_same_v<T, std::int8_t>)
                e = static_cast<T>(g.bits() % 3 == 0 ? 0x80 : g.bits() & 0xff);
            else
                e = static_cast<T>(g.value());
    }
    // The matrix of (batch, head), whose rows step over the other heads.
    auto matrix() { return matrix_view<T>(elements.data(), rows, cols, stride); }
    batch_index steps() const { return {rows * stride, cols}; }
};

template <class X, class W>
void check_batch(cpu_backend const& backend, case_of const& c, batch_axis axis, memory_ref memory = {}) {
    std::size_t const batches = 2, shared = 2, repeats = 3;  // three heads of x to each of w
    heads_of<X> x(batches, c.m, shared * repeats, c.k, 1);
    heads_of<W> w(batches, axis == batch_axis::n ? c.n : c.k, shared, axis == batch_axis::n ? c.k : c.n, 2);
    heads_of<float> y(batches, c.m, shared * repeats, c.n, 3);
    auto const before = y.elements;
    auto expected = y;
    auto const view = [](auto matrix) {
        if constexpr (std::is_same_v<X, std::int8_t>)
            return input_matrix(matrix, 0.037f);
        else
            return input_matrix(matrix);
    };
    batch_product p{{batches, shared, repeats},
                    {view(x.matrix()), {x.steps()[0], repeats * c.k, c.k}},
                    {view(w.matrix()), w.steps()},
                    {y.matrix(), {y.steps()[0], repeats * c.n, c.n}},
                    axis};
    CAPTURE(c.m, c.n, c.k, name(p.w.first.type), axis == batch_axis::n, backend.explain_matmul(p).kernel);
    REQUIRE(backend.matmul(p, memory));
    p.y.first = expected.matrix();
    matmul_reference(p);
    for (std::size_t i = 0; i != y.elements.size(); ++i) {
        std::size_t const column = i % y.stride, m = i / y.stride % c.m, batch = i / y.stride / c.m;
        if (column >= shared * repeats * c.n) {
            REQUIRE(y.elements[i] == before[i]);  // between the rows of y
            continue;
        }
        if constexpr (std::is_same_v<X, std::int8_t>) {
            REQUIRE(y.elements[i] == expected.elements[i]);
        } else {
            std::size_t const head = column / c.n, n = column % c.n;
            double magnitude = 0.0;
            for (std::size_t k = 0; k != c.k; ++k) {
                std::size_t const row = axis == batch_axis::n ? n : k, at = axis == batch_axis::n ? k : n;
                float const a = x.elements[(batch * c.m + m) * x.stride + head * c.k + k];
                auto const b = w.elements[(batch * w.rows + row) * w.stride + head / repeats * w.cols + at];
                magnitude += std::abs(static_cast<double>(a) * static_cast<double>(static_cast<float>(b)));
            }
            REQUIRE(std::abs(static_cast<double>(y.elements[i]) - static_cast<double>(expected.elements[i])) <=
                    testing::matmul_bound(c.k, magnitude) + 0x1p-126);
        }
    }
}

}  // namespace

TEST_CASE("batches of strided products stay within their bound, and those of int8 are exact") {
    no_memory none;
    for (std::string_view const cap : {"portable", "avx2", ""})
        for (case_of const& c : cases) {
            cpu_backend const backend({.force_isa = cap});
            for (auto const axis : {batch_axis::n, batch_axis::k}) {
                check_batch<float, float>(backend, c, axis);
                check_batch<float, float16>(backend, c, axis);
                check_batch<float, bfloat16>(backend, c, axis);
            }
            check_batch<float, bfloat16>(backend, c, batch_axis::n, &none);
            for (auto const axis : {batch_axis::n, batch_axis::k})
                check_batch<std::int8_t, std::int8_t>(backend, c, axis);
        }
}

// (2, M, K) times (2, 3, N, K), x repeated: dimensions of both, and of one alone.
TEST_CASE("int8 batches have a scale per row of either side, or of none, in any number of dimensions") {
    for (std::string_view const cap : {"portable", "avx2", ""})
        for (case_of const& c : cases)
            for (int const scales : {0, 1, 2, 3}) {
                heads_of<std::int8_t> const x(2, c.m, 1, c.k, 1), w(6, c.n, 1, c.k, 2);
                auto const of_x = testing::test_values(2, c.m, 3), of_w = testing::test_values(6, c.n, 4);
                std::size_t const x_step = c.m * x.stride, w_step = c.n * w.stride;
                batch_product p{{2, 1, 3},
                                {{matrix_view(x.elements.data(), c.m, c.k, x.stride), 0.3f}, {x_step, 7, 0}},
                                {{matrix_view(w.elements.data(), c.n, c.k, w.stride), 0.7f}, {3 * w_step, 0, w_step}}};
                if ((scales & 1) != 0) p.x_scales = of_x.data();
                if ((scales & 2) != 0) p.w_scales = of_w.data();
                Tensor<float> y(6 * c.m, c.n), expected(6 * c.m, c.n);
                p.y = {matrix_view<float>(y.data(), c.m, c.n), {3 * c.m * c.n, 0, c.m * c.n}};
                REQUIRE(cpu_backend({.force_isa = cap}).matmul(p));
                p.y.first = matrix_view<float>(expected.data(), c.m, c.n);
                matmul_reference(p);
                CAPTURE(c.m, c.n, c.k, cap, scales);
                CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0);
            }
    Tensor<std::int8_t> const x(1, 1), w(1, 1);
    Tensor<float> y(1, 1);
    float const scale = 1.0f;
    batch_product const p{.x = {{x, 1.0f}}, .w = {{w, 1.0f}}, .y = {y}, .w_rows = batch_axis::k, .w_scales = &scale};
    CHECK(cpu_backend().matmul(p).error().code() == errc::unsupported);
}

TEST_CASE("batches do not depend on the number of threads") {
    for (auto const& [axis, m] :
         {std::pair{batch_axis::n, 130u}, {batch_axis::n, 3u}, {batch_axis::k, 130u}, {batch_axis::k, 3u}}) {
        std::size_t const heads = 5, n = 520, k = 64;
        heads_of<float> x(1, m, heads, k, 1), y(1, m, heads, n, 3), alone = y;
        heads_of<bfloat16> w(1, axis == batch_axis::n ? n : k, heads, axis == batch_axis::n ? k : n, 2);
        batch_product p{{1, heads, 1}, {x.matrix(), x.steps()}, {w.matrix(), w.steps()}, {}, axis};
        p.y = {alone.matrix(), alone.steps()};
        REQUIRE(cpu_backend().matmul(p));
        p.y = {y.matrix(), y.steps()};
        for (std::size_t threads = 1; threads <= 16; threads += 3) {
            thread_executor pool(threads);
            REQUIRE(cpu_backend({.executor = executor_ref(pool)}).matmul(p));
            CHECK(std::memcmp(y.elements.data(), alone.elements.data(), y.elements.size() * sizeof(float)) == 0);
        }
    }
}

TEST_CASE("a backend without batches multiplies them all the same") {
    reference_backend const plain;
    std::size_t const heads = 3, m = 4, n = 6, k = 5;
    for (auto const axis : {batch_axis::n, batch_axis::k}) {
        heads_of<float> x(1, m, heads, k, 1), y(1, m, heads, n, 3), expected = y;
        heads_of<float> w(1, axis == batch_axis::n ? n : k, heads, axis == batch_axis::n ? k : n, 2);
        batch_product p{{1, heads, 1}, {x.matrix(), x.steps()}, {w.matrix(), w.steps()}, {y.matrix(), y.steps()}, axis};
        REQUIRE(backend_ref(plain).matmul(p));
        CHECK(backend_ref(plain).explain_matmul(p).kernel == "reference");
        p.y.first = expected.matrix();
        matmul_reference(p);
        CHECK(y.elements == expected.elements);
    }
}

TEST_CASE("a batch names operands that do not fit") {
    Tensor<float> x(2, 5), w(3, 4), y(2, 3);
    Tensor<std::int8_t> codes(3, 5);
    cpu_backend const backend;
    CHECK(backend.matmul(batch_product{.x = {x}, .w = {w}, .y = {y}}).error().code() == errc::shape_mismatch);
    CHECK(backend.matmul(batch_product{.x = {x}, .w = {{codes, 1.0f}}, .y = {y}}).error().code() == errc::unsupported);
}

TEST_CASE("a batch names row scales of matrices that share rows") {
    std::size_t const heads = 2, n = 3;
    heads_of<std::int8_t> const x(1, n, heads, 4, 1);
    Tensor<float> y(heads * n, n);
    Tensor<float> const scales(1, n);
    batch_product p{{heads},
                    {{matrix_view(x.elements.data(), n, 4, x.stride), 1.0f}, {4}},
                    {{matrix_view(x.elements.data(), n, 4, x.stride), 1.0f}, {4}},
                    {matrix_view<float>(y.data(), n, n), {n * n}}};
    cpu_backend const backend;
    REQUIRE(backend.matmul(p));
    p.x_scales = std::as_const(scales).data();
    CHECK(backend.matmul(p).error().message() ==
          "a batch of products: a scale per row, where several matrices share a row");
    p.x.steps = {0};
    REQUIRE(backend.matmul(p));
    std::swap(p.x_scales, p.w_scales);
    CHECK(!backend.matmul(p));
}

TEST_CASE("a batch names sums that overflow, and counts that do") {
    std::size_t const k = longest_int8_sum + 1;
    Tensor<std::int8_t> x(1, k), w(1, k);
    Tensor<float> y(1, 1);
    cpu_backend const backend;
    for (std::size_t i = 0; i != k; ++i) x[i] = w[i] = -128;
    batch_product p{.x = {{x, 1.0f}}, .w = {{w, 1.0f}}, .y = {y}};
    CHECK(backend.matmul(p).error().message() == "a batch of products: 131072 products of int8 may overflow an int32");
    p.x.first.cols = p.w.first.cols = k - 1;
    REQUIRE(backend.matmul(p));
    CHECK(y[0] == 16384.0f * 131071.0f);
    p.counts = {std::size_t{1} << 32, std::size_t{1} << 32};
    CHECK(!backend.matmul(p));
}
