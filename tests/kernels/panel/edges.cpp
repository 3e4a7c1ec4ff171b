// Operands of products with panels that end exactly at a page which nobody may touch.
#include <quanto/backend/cpu_backend.hpp>
#include <quanto/kernels/panel/digits.hpp>
#include <quanto/testing.hpp>

#include <cstring>

#include "memory.hpp"

#include "catch.hpp"

using namespace quanto;

#if defined(__unix__)
TEST_CASE("products with panels read and write nothing outside their operands") {
    edge_memory edge;
    for (std::string_view const cap : {"portable", "avx2", ""}) {
        cpu_backend const backend({.force_isa = cap});
        for (std::size_t const k : {1u, 5u, 17u, 64u, 100u, 257u})
            for (std::size_t const n : {1u, 16u, 23u})
                for (std::size_t const m : {1u, 3u, 7u, 16u, 19u}) {
                    edge_values<float> x(m * k), y(m * n), bias(n);
                    edge_values<std::int8_t> x8(m * k), y8(m * n), added(m * n);
                    edge_values<bfloat16> x16(m * k);
                    edge_values<float16> y16(m * n);
                    edge_values<float8_e4m3fn> x_float8(m * k), y_float8(m * n);
                    auto const values = testing::test_values(m, k, 1), biases = testing::test_values(1, n, 3);
                    std::memcpy(x.data(), values.data(), m * k * 4);
                    std::memcpy(bias.data(), biases.data(), n * 4);
                    for (std::size_t i = 0; i != m * k; ++i) x8.data()[i] = static_cast<std::int8_t>(i * 37 % 256);
                    matrix_view<float const> const xs(x.data(), m, k);
                    matrix_view<std::int8_t const> const xs8(x8.data(), m, k);
                    matrix_view<float> const ys(y.data(), m, n);
                    for (std::size_t i = 0; i != m * k; ++i) {
                        x16.data()[i] = bfloat16(values[i]);
                        x_float8.data()[i] = float8_e4m3fn(values[i]);
                    }
                    input_matrix const xs16 = matrix_view<bfloat16>(x16.data(), m, k),
                                       xs_float8{matrix_view<float8_e4m3fn>(x_float8.data(), m, k), 0.5f};
                    output_matrix const ys16 = matrix_view<float16>(y16.data(), m, n),
                                        ys8{matrix_view<std::int8_t>(y8.data(), m, n), 0.5f};
                    matrix_view<float8_e4m3fn> const ys_float8(y_float8.data(), m, n);
                    any_qtype::for_each([&]<QType Q>(Q) {
                        auto const w =
                            *quantize<Q>(testing::test_values<float16>(n, k, 2), default_optimizer<Q>{}, {.group = 48});
                        auto const packed = *panels::pack(any_qtensor(w), &edge);
                        // The workspace comes from there, too.
                        product_options o{
                            .bias = {bias.data(), n}, .activation = fused_activation::relu, .memory = &edge};
                        REQUIRE(backend.matmul(xs, packed, ys, o));
                        o.accuracy = product_accuracy::dynamic_int8;
                        REQUIRE(backend.matmul(xs, packed, ys, o));
                        REQUIRE(backend.matmul({xs8, 0.5f}, packed, ys, o));
                        o.accuracy = product_accuracy::exact;
                        REQUIRE(backend.matmul(xs16, packed, ys16, o));
                        o.residual = input_matrix(matrix_view<std::int8_t>(added.data(), m, n), 0.5f);
                        REQUIRE(backend.matmul(xs_float8, packed, {ys_float8, 0.25f}, o));
                        REQUIRE(backend.matmul(xs16, packed, ys8, o));
                    });
                }
    }
}
#endif

TEST_CASE("adversarial operands of products with panels stay within the bound") {
    // Largest and smallest codes, alternating signs: every partial sum of integers is as large as it gets.
    for (std::string_view const cap : {"avx2", ""})
        for (std::size_t const k : {256u, 257u, 1000u, 4096u}) {
            cpu_backend const backend({.force_isa = cap});
            std::size_t const n = 17, m = 9;
            Tensor<float> dense(n, k), x(m, k);
            for (std::size_t i = 0; i != dense.size(); ++i) dense[i] = i % 7 == 0 ? 1.0f : -1.0f;
            for (std::size_t i = 0; i != x.size(); ++i) {
                std::size_t const row = i / k;
                x[i] = row < 3   ? (i % 2 == 0 ? 0x1.fffffep99f : -0x1.fffffep99f)
                       : row < 6 ? (i % 64 == 0 ? 3e4f : 1e-3f * static_cast<float>(i % 5))
                                 : -0x1.fffffep-1f;
            }
            any_qtype::for_each([&]<QType Q>(Q) {
                if constexpr (!Q::is_floating_point) {
                    auto const w = *quantize<Q>(dense, default_optimizer<Q>{}, {.group = k % 128 == 0 ? 128u : 0u});
                    auto const packed = *backend.prepare(any_qtensor(w));
                    detail::digit_layout const digits(packed.layout(), 3);
                    Tensor<float> y(m, n);
                    REQUIRE(backend.matmul(x, packed, y));
                    for (std::size_t r = 0; r != m; ++r)
                        for (std::size_t c = 0; c != n; ++c) {
                            double sum = 0.0, magnitude = 0.0, largest = 0.0, weights = 0.0;
                            for (std::size_t i = 0; i != k; ++i) {
                                double const a = static_cast<double>(x[r * k + i]),
                                             v = static_cast<double>(w[c * k + i]);
                                double const shift = static_cast<double>(
                                    absolute(w.view().shift(w.view().layout.locate(c * k + i).group)));
                                double const size = (v < 0 ? -v : v) + 2.0 * shift;
                                sum += a * v;
                                magnitude += (a < 0 ? -a : a) * size;
                                weights += size;
                                largest = std::max(largest, a < 0 ? -a : a);
                            }
                            double const off = static_cast<double>(y[r * n + c]) - sum;
                            double const most = 0x1p-24 * (static_cast<double>(digits.blocks() + 10) * magnitude +
                                                           1.01 * largest * weights);
                            CAPTURE(Q::name, k, r, c);
                            REQUIRE((off < 0 ? -off : off) <= most);
                        }
                }
            });
        }
}

TEST_CASE("integer products with panels are exact for codes at the ends of their range") {
    // All of x and all of w, in each combination: sums that saturate in 16 bits show, and so do those beyond 2^24.
    for (std::size_t const k : {1u, 4u, 31u, 64u, 130u, 257u, 4096u})
        for (int const a : {-128, 127})
            for (std::size_t const n : {10u, 18u})
                for (bool const largest : {false, true})
                    any_qtype::for_each([&]<QType Q>(Q) {
                        if constexpr (!Q::is_floating_point) {
                            auto parts = quantize<Q>(testing::test_values(n, k, 1))->parts();
                            storage codes = parts.codes;
                            constexpr int most = std::is_same_v<Q, qint8> ? 0x7f : 0xff,
                                          least = std::is_same_v<Q, qint8> ? 0x80 : 0;
                            std::memset(codes.mutable_data(), largest ? most : least, codes.size());
                            parts.codes = std::move(codes);
                            auto const packed = *panels::pack(any_qtensor(Q{}, std::move(parts)));
                            for (std::size_t const m : {1u, 3u, 17u}) {
                                Tensor<std::int8_t> x(m, k);
                                for (auto& v : tensor_view<std::int8_t>(x.view())) v = static_cast<std::int8_t>(a);
                                Tensor<float> portable(m, n), y(m, n);
                                REQUIRE(cpu_backend({.force_isa = "portable"}).matmul({x, 0.02f}, packed, portable));
                                for (std::string_view const cap : {"avx2", ""}) {
                                    CAPTURE(Q::name, cap, m, k, a, largest);
                                    REQUIRE(cpu_backend({.force_isa = cap}).matmul({x, 0.02f}, packed, y));
                                    REQUIRE(std::memcmp(portable.data(), y.data(), y.size() * sizeof(float)) == 0);
                                }
                            }
                        }
                    });
}
