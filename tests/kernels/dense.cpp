#include <quanto/kernels/matmul/dense.hpp>

#include <cstring>
#include <limits>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/testing.hpp>

#include "memory.hpp"

#include "catch.hpp"

using namespace quanto;

namespace {

constexpr std::string_view caps[] = {"portable", "avx2", "avx512"};

// y with its stride and surroundings against the definition in double; bound: that of f32 sums in any order, and of
// products that may round once each.
template <FloatStorage W>
bool agrees(cpu_backend const& backend, std::size_t m, std::size_t n, std::size_t k) {
    auto const weight = testing::test_values<W>(n, k + 5, 9);
    auto const values = testing::test_values(m, k + 3, static_cast<std::uint32_t>(m));
    matrix_view<W const> const w(weight.data() + 2, n, k, k + 5);
    matrix_view<float const> const x(values.data() + 1, m, k, k + 3);
    Tensor<float> out(m, n + 2);
    for (auto& v : tensor_view<float>(out.view())) v = -7.0f;
    matrix_view<float> const y(out.data() + 1, m, n, n + 2);
    backend.matmul(x, w, y);
    for (std::size_t i = 0; i != m; ++i) {
        if (out[i * (n + 2)] != -7.0f || out[i * (n + 2) + n + 1] != -7.0f) return false;
        for (std::size_t j = 0; j != n; ++j) {
            double sum = 0.0, magnitude = 0.0;
            for (std::size_t t = 0; t != k; ++t) {
                double const term = static_cast<double>(x(i, t)) * static_cast<double>(static_cast<float>(w(j, t)));
                sum += term;
                magnitude += term < 0.0 ? -term : term;
            }
            double const off = static_cast<double>(y(i, j)) - sum,
                         bound = testing::matmul_bound(k, magnitude) + 0x1p-126;
            if (!(off <= bound && -off <= bound)) return false;
        }
    }
    return true;
}

}  // namespace

TEST_CASE("float weights of every storage type agree with the definition, for ragged shapes") {
    for (std::string_view const cap : caps) {
        cpu_backend const backend({.force_isa = cap});
        for (std::size_t const m : {1u, 2u, 3u, 5u, 8u, 13u, 16u, 17u, 31u, 33u, 64u, 129u})
            for (auto const& [n, k] : {std::pair{1u, 1u},
                                       {7u, 3u},
                                       {24u, 16u},
                                       {25u, 15u},
                                       {49u, 17u},
                                       {10u, 172u},
                                       {31u, 257u},
                                       {70u, 64u},
                                       {121u, 1100u}}) {
                INFO(cap << " M = " << m << " N = " << n << " K = " << k);
                CHECK(agrees<float>(backend, m, n, k));
                CHECK(agrees<float16>(backend, m, n, k));
                CHECK(agrees<bfloat16>(backend, m, n, k));
            }
    }
}

TEST_CASE("every 16-bit value is widened exactly") {
    for (std::string_view const cap : caps) {
        cpu_backend const backend({.force_isa = cap});
        for (std::size_t const m : {1u, 64u}) {  // both forms
            auto const check = [&]<class W>(W) {
                Tensor<W> w(65536, 1);
                for (std::size_t i = 0; i != 65536; ++i) w[i] = W::from_bits(static_cast<std::uint16_t>(i));
                Tensor<float> x(m, 1), y(m, 65536);
                for (std::size_t i = 0; i != m; ++i) x[i] = 1.0f;
                backend.matmul(matrix_view<float const>(x), matrix_view<W const>(w), matrix_view<float>(y));
                std::size_t wrong = 0;
                for (std::size_t i = 0; i != y.size(); ++i) {
                    float const value = static_cast<float>(w[i % 65536]);
                    wrong += is_nan(value) ? !is_nan(y[i]) : y[i] != value;
                }
                CHECK(wrong == 0);
            };
            check(float16{});
            check(bfloat16{});
        }
    }
}

TEST_CASE("NaN and infinity in x reach their own row of y") {
    for (std::string_view const cap : caps)
        for (std::size_t const m : {3u, 40u}) {
            auto x = testing::test_values(m, 33, 1);
            auto const w = testing::test_values(30, 33, 2);
            x[2 * 33 + 32] = std::numeric_limits<float>::quiet_NaN();
            Tensor<float> y(m, 30);
            cpu_backend({.force_isa = cap})
                .matmul(matrix_view<float const>(x), matrix_view<float const>(w), matrix_view<float>(y));
            for (std::size_t i = 0; i != y.size(); ++i) CHECK(is_nan(y[i]) == (i / 30 == 2));
        }
}

TEST_CASE("float products are bit-equal for every number of threads") {
    auto const x = testing::test_values(140, 1100, 1);
    auto const w = testing::test_values<bfloat16>(301, 1100, 2);
    for (std::size_t const m : {1u, 67u, 140u}) {
        Tensor<float> alone(m, 301);
        matrix_view<float const> const rows(x.data(), m, 1100);
        cpu_backend().matmul(rows, matrix_view<bfloat16 const>(w), matrix_view<float>(alone));
        for (std::size_t threads = 1; threads <= 16; ++threads) {
            thread_executor pool(threads);
            Tensor<float> y(m, 301);
            cpu_backend({.executor = executor_ref(pool)})
                .matmul(rows, matrix_view<bfloat16 const>(w), matrix_view<float>(y));
            CHECK(std::memcmp(y.data(), alone.data(), y.size() * sizeof(float)) == 0);
        }
    }
}

TEST_CASE("a float product without memory for its workspace takes the form that needs none") {
    no_memory none;
    auto const x = testing::test_values(40, 50, 1), w = testing::test_values(30, 50, 2);
    Tensor<float> y(40, 30), expected(40, 30);
    cpu_backend().matmul(matrix_view<float const>(x), matrix_view<float const>(w), matrix_view<float>(y),
                         memory_ref(&none));
    matmul_reference(matrix_view<float const>(x), matrix_view<float const>(w), matrix_view<float>(expected));
    for (std::size_t i = 0; i != y.size(); ++i)
        CHECK(absolute(y[i] - expected[i]) <= testing::matmul_bound(50, 50 * 40.0 * 40.0));
}
