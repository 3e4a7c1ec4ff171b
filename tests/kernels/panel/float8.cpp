// Products with panels of float8: all finite codes, x of float and bfloat16 of every size.
#include <quanto/kernels/panel/float8.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/testing.hpp>

#include "kernels/panel/expected.hpp"

#include "catch.hpp"

using namespace quanto;
using test::case_of;

namespace {

std::vector<case_of> cases() {
    std::vector<case_of> all;
    std::size_t const ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17, 20, 24, 25, 49, 64, 129};
    std::size_t const ns[] = {1, 7, 10, 15, 16, 17, 32, 33, 48, 65};
    std::size_t const groups[] = {0, 128, 32, 5, 100, 16, 64};
    for (std::size_t k = 1; k <= 257; k += k < 20 ? 1 : 13)
        all.push_back({ms[k * 7 % 17], ns[k * 3 % 10], k, groups[k * 5 % 7]});
    for (std::size_t const m : ms) all.push_back({m, 17, 37, 16});
    std::size_t const wide[] = {0, 100, 560};
    for (std::size_t const group : wide) all.push_back({27, 40, 600, group});  // more than is decoded at once
    all.push_back({200, 33, 300, 0});                                          // and more tiles
    return all;
}

// Codes of every magnitude, subnormal and largest ones among them, with scales of S.
template <QType Q, FloatStorage S>
QTensor<Q> weight(case_of const& c) {
    auto parts = quantize<Q>(testing::test_values<S>(c.n, c.k, static_cast<std::uint32_t>(c.n * 991 + c.k)),
                             default_optimizer<Q>{}, {.group = c.group})
                     ->parts();
    storage codes = *storage::allocate(c.n * c.k);
    testing::generator g(static_cast<std::uint32_t>(c.n + c.k));
    for (std::size_t i = 0; i != c.n * c.k; ++i) {
        std::uint32_t const bits = g.bits();
        std::uint32_t const magnitude = bits % 4 == 0    ? bits / 4 % (1u << Q::format::mantissa_bits)
                                        : bits % 16 == 1 ? Q::format::finite_codes - 1u
                                                         : bits / 16 % Q::format::finite_codes;
        std::uint32_t const sign = magnitude == 0 ? 0u : bits & 0x80u;  // in e4m3fnuz -0 is NaN
        codes.mutable_data()[i] = static_cast<std::byte>(magnitude | sign);
    }
    parts.codes = std::move(codes);
    return QTensor<Q>(std::move(parts));
}

// Rows of x: ordinary, outliers beside small numbers, all subnormal, largest that may be summed, 0.
template <class T>
std::vector<T> rows_of_x(std::size_t rows, std::size_t cols) {
    std::vector<T> x(rows * cols);
    testing::generator g(static_cast<std::uint32_t>(rows * 31 + cols));
    for (std::size_t i = 0; i != x.size(); ++i) {
        float const v = g.value();
        std::size_t const kind = i / cols % 5;
        x[i] = static_cast<T>(kind == 0   ? v
                              : kind == 1 ? (i % 13 == 0 ? v * 0x1p90f : v * 0x1p-30f)
                              : kind == 2 ? v * 0x1p-130f
                              : kind == 3 ? (v < 0 ? -0x1.fcp99f : 0x1.fcp99f)
                                          : 0.0f);
    }
    return x;
}

// The bound in float8.hpp. Rows of x are scaled by about their largest number: what that makes subnormal is rounded, and
// by vdpbf16ps lost, numbers and sums.
template <QType Q, FloatStorage S, class T>
void check(std::string_view cap, case_of const& c) {
    CAPTURE(Q::name, cap, sizeof(T), c.m, c.n, c.k, c.group);
    cpu_backend const backend({.force_isa = cap});
    auto const w = weight<Q, S>(c);
    auto const packed = *backend.prepare(any_qtensor(w));
    auto const values = rows_of_x<T>(c.m, c.k);
    matrix_view<T const> const x(values.data(), c.m, c.k);
    Tensor<float> y(c.m, c.n);
    REQUIRE(backend.matmul(x, packed, y));
    test::expected_values const expected(w.view(), packed.layout());
    std::vector<double> weights(c.n), row(c.k);
    for (std::size_t i = 0; i != c.n * c.k; ++i)
        weights[i / c.k] += expected.size[i] +
                            std::abs(static_cast<double>(packed.scale(i / c.k, i % c.k / packed.layout().group))) + 1.0;
    for (std::size_t m = 0; m != c.m; ++m) {
        double largest = 0.0;
        for (std::size_t k = 0; k != c.k; ++k) {
            row[k] = static_cast<double>(static_cast<float>(x(m, k)));
            largest = std::max(largest, std::abs(row[k]));
        }
        for (std::size_t n = 0; n != c.n; ++n) {
            auto const e = expected(row, n);
            double const lost = (std::is_same_v<T, bfloat16> ? 0x1p-125 : 0x1p-149) * largest * weights[n],
                         off = std::abs(static_cast<double>(y[m * c.n + n]) - e.sum);
            if (off <= e.sequential + lost) continue;  // an assertion takes longer than the sum
            CAPTURE(m, n, largest, off, e.sum, e.sequential, lost);
            FAIL("beyond the bound");
        }
    }
}

}  // namespace

TEST_CASE("products with float8 panels stay within their bound for codes and x of every size") {
    for (auto const& c : cases())
        for (std::string_view const cap : {"portable", "avx2", ""}) {
            check<qfloat8_e4m3fn, float, float>(cap, c);
            check<qfloat8_e4m3fnuz, bfloat16, float>(cap, c);
            check<qfloat8_e5m2, float16, float>(cap, c);
            check<qfloat8_e4m3fn, bfloat16, bfloat16>(cap, c);
            check<qfloat8_e4m3fnuz, float16, bfloat16>(cap, c);
            check<qfloat8_e5m2, float, bfloat16>(cap, c);
        }
}

TEST_CASE("rows of bfloat16 that may not be summed follow the definition, others stay as they are") {
    case_of const c{30, 20, 70, 32};
    cpu_backend const backend;
    auto const packed = *backend.prepare(any_qtensor(weight<qfloat8, float>(c)));
    auto values = rows_of_x<bfloat16>(c.m, c.k);
    Tensor<float> plain(c.m, c.n), y(c.m, c.n);
    matrix_view<bfloat16 const> const x(values.data(), c.m, c.k);
    REQUIRE(backend.matmul(x, packed, plain));
    values[1 * c.k + 3] = bit_cast<bfloat16>(std::uint16_t{0x7fc0});
    values[2 * c.k + 69] = bit_cast<bfloat16>(std::uint16_t{0x7f80});
    values[26 * c.k] = static_cast<bfloat16>(0x1p120f);
    REQUIRE(backend.matmul(x, packed, y));
    for (std::size_t m = 0; m != c.m; ++m)
        for (std::size_t n = 0; n != c.n; ++n) {
            if (m != 1 && m != 2 && m != 26) {
                REQUIRE(y[m * c.n + n] == plain[m * c.n + n]);
                continue;
            }
            double sum = 0.0;
            for (std::size_t k = 0; k != c.k; ++k)
                sum +=
                    static_cast<double>(static_cast<float>(x(m, k))) * static_cast<double>(packed.value<qfloat8>(n, k));
            auto const e = static_cast<float>(sum);
            CAPTURE(m, n);
            CHECK((is_nan(e) ? is_nan(y[m * c.n + n]) : y[m * c.n + n] == e));
        }
}

TEST_CASE("float8 times bfloat16 does not depend on the number of threads, and is explained") {
    case_of const c{29, 300, 784, 112};
    auto const packed = *panels::pack(any_qtensor(weight<qfloat8, float>(c)));
    auto const values = rows_of_x<bfloat16>(c.m, c.k);
    matrix_view<bfloat16 const> const x(values.data(), c.m, c.k);
    cpu_backend const backend;
    Tensor<float> alone(c.m, c.n);
    REQUIRE(backend.matmul(x, packed, alone));
    for (std::size_t threads = 1; threads <= 16; threads += 3) {
        thread_executor pool(threads);
        Tensor<float> y(c.m, c.n);
        REQUIRE(cpu_backend({.executor = executor_ref(pool)}).matmul(x, packed, y));
        CHECK(std::memcmp(y.data(), alone.data(), y.size() * sizeof(float)) == 0);
    }
    auto const choice = choose_isa();
    CHECK(backend.explain_matmul(c.m, packed, product_input::bf16).kernel ==
          (choice.bf16                    ? "matmul_qfloat8_e4m3fn_bf16_panel_avx512bf16"
           : choice.target == isa::avx512 ? "matmul_qfloat8_e4m3fn_bf16_panel_avx512"
           : choice.target == isa::avx2   ? "matmul_qfloat8_e4m3fn_bf16_panel_avx2"
                                          : "matmul_qfloat8_e4m3fn_bf16_panel_portable"));
}
