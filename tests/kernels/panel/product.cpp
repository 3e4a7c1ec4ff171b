#include <quanto/kernels/panel/product.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <vector>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/testing.hpp>

#include "kernels/panel/expected.hpp"

#include "catch.hpp"

using namespace quanto;
using test::case_of;

namespace {

// Shapes around the sizes of panels, lines, blocks and tiles.
std::vector<case_of> cases() {
    std::vector<case_of> all;
    std::size_t const ms[] = {1, 2, 3, 5, 8, 13, 16, 17, 64, 129};
    std::size_t const ks[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 128, 129, 172, 255, 256, 257};
    std::size_t const ns[] = {1, 7, 10, 15, 16, 17, 32, 33, 48, 65, 257};
    std::size_t const groups[] = {0, 128, 32, 5, 100, 16, 0, 64};
    for (std::size_t i = 0; i != 120; ++i)
        all.push_back({ms[i % 10], ns[i * 7 % 11], ks[i * 5 % 22], groups[i * 3 % 8]});
    testing::generator g(7);  // and any others
    for (std::size_t i = 0; i != 40; ++i)
        all.push_back({ms[i % 10], 1 + g.bits() % 257, 1 + g.bits() % 257, groups[i % 8]});
    all.push_back({3, 18, 784, 0});
    all.push_back({2, 17, 1536, 0});
    all.push_back({2, 16, 2048, 512});
    all.push_back({5, 33, 784, 0});  // more columns than a block of decoded float8
    all.push_back({27, 40, 600, 100});
    return all;
}

template <QType Q, FloatStorage S>
QTensor<Q> weight(case_of const& c, bool zero_points = false) {
    return *quantize<Q>(testing::test_values<S>(c.n, c.k, static_cast<std::uint32_t>(c.n * 991 + c.k)),
                        default_optimizer<Q>{}, {.group = c.group, .integer_zero_point = zero_points});
}

// x within wider rows, y too; what lies between the rows of y must stay.
struct operands {
    Tensor<float> xs, ys;
    matrix_view<float> x, y;
    explicit operands(case_of const& c, std::uint32_t seed = 5)
        : xs(testing::test_values(c.m, c.k + 3, seed)),
          ys(c.m, c.n + 2),
          x(xs.data() + 1, c.m, c.k, c.k + 3),
          y(ys.data() + 1, c.m, c.n, c.n + 2) {
        for (auto& v : tensor_view<float>(ys.view())) v = -7.0f;
    }
    std::vector<double> row(std::size_t m) const { return {x.row(m), x.row(m) + x.cols}; }
    bool frame_is_whole() const {
        for (std::size_t m = 0; m != y.rows; ++m)
            if (ys[m * y.stride] != -7.0f || ys[m * y.stride + y.cols + 1] != -7.0f) return false;
        return true;
    }
};

constexpr std::string_view caps[] = {"portable", "avx2", ""};

template <QType Q, FloatStorage S>
void check_f32(case_of const& c, bool zero_points = false) {
    CAPTURE(Q::name, c.m, c.n, c.k, c.group);
    auto const w = weight<Q, S>(c, zero_points);
    auto const packed = *panels::pack(any_qtensor(w));
    std::deque<operands> all;
    std::vector<bool> digits;
    for (std::string_view const cap : caps) {
        auto& o = all.emplace_back(c);
        REQUIRE(cpu_backend({.force_isa = cap}).matmul(o.x, packed, o.y));
        CHECK(o.frame_is_whole());
        digits.push_back(!Q::is_floating_point &&
                         choose_panel_kernel(choose_isa(cap), packed, product_input::f32).kernel !=
                             panel_kernel::portable);
    }
    test::expected_values const expected(w.view(), packed.layout());
    for (std::size_t m = 0; m != c.m; ++m) {
        auto const x = all[0].row(m);
        for (std::size_t n = 0; n != c.n; ++n) {
            auto const e = expected(x, n);
            for (std::size_t i = 0; i != all.size(); ++i) {
                double const off = std::abs(static_cast<double>(all[i].y(m, n)) - e.sum);
                if (off <= (digits[i] ? e.by_digits : e.sequential)) continue;  // an assertion takes as long as the sum
                CAPTURE(caps[i], m, n, off, e.sum, e.by_digits, e.sequential);
                FAIL("beyond the bound");
            }
        }
    }
}

void check_int8_exact(cpu_backend const& backend, case_of const& c) {
    CAPTURE(c.m, c.n, c.k, c.group);
    auto parts = weight<qint8, float>(c).parts();
    testing::generator g(3);
    storage codes = *storage::allocate(c.n * c.k);
    for (std::size_t i = 0; i != c.n * c.k; ++i)
        codes.mutable_data()[i] = static_cast<std::byte>(i % 3 == 0 ? 0x80u : g.bits() & 0xffu);
    parts.codes = std::move(codes);
    QTensor<qint8> const w(std::move(parts));
    Tensor<std::int8_t> x(c.m, c.k);
    for (auto& v : tensor_view<std::int8_t>(x.view()))
        v = static_cast<std::int8_t>(g.bits() % 4 == 0 ? -128 : static_cast<int>(g.bits() & 0xffu) - 128);
    Tensor<float> y(c.m, c.n), expected(c.m, c.n);
    REQUIRE(backend.matmul({x, 0.037f}, *backend.prepare(any_qtensor(w)), y));
    matmul_reference(matrix_view<std::int8_t const>(x), 0.037f, w.view(), matrix_view<float>(expected));
    for (std::size_t i = 0; i != y.size(); ++i)
        if (y[i] != expected[i]) FAIL("element " << i << " is " << y[i] << ", not " << expected[i]);
}

}  // namespace

TEST_CASE("products with panels stay within their bound") {
    for (auto const& c : cases()) {
        check_f32<qint2, float>(c);
        check_f32<qint2, float16>(c, true);
        check_f32<qint4, float>(c);
        check_f32<qint4, float16>(c);
        check_f32<qint4, bfloat16>(c, true);
        check_f32<qint8, float>(c);
        check_f32<qint8, bfloat16>(c);
        check_f32<qfloat8_e4m3fn, float>(c);
        check_f32<qfloat8_e4m3fnuz, float16>(c);
        check_f32<qfloat8_e5m2, float>(c);
    }
}

TEST_CASE("int8 times qint8 panels is exact") {
    for (std::string_view const cap : caps)
        for (auto const& c : cases()) check_int8_exact(cpu_backend({.force_isa = cap}), c);
}

TEST_CASE("int8 times qint4 and qint2 panels is the same on every instruction set") {
    auto const check = [&]<QType Q>(Q, case_of const& c, bool zero_points) {
        CAPTURE(Q::name, c.m, c.n, c.k, c.group, zero_points);
        auto const w = weight<Q, float16>(c, zero_points);
        auto const packed = *panels::pack(any_qtensor(w));
        Tensor<std::int8_t> x(c.m, c.k);
        testing::generator g(11);
        for (auto& v : tensor_view<std::int8_t>(x.view()))
            v = static_cast<std::int8_t>(g.bits() % 5 == 0 ? 0x80 : g.bits() & 0xff);
        Tensor<float> portable(c.m, c.n), best(c.m, c.n);
        REQUIRE(cpu_backend({.force_isa = "portable"}).matmul({x, 0.02f}, packed, portable));
        for (std::string_view const cap : {"avx2", ""}) {
            REQUIRE(cpu_backend({.force_isa = cap}).matmul({x, 0.02f}, packed, best));
            CHECK(std::memcmp(portable.data(), best.data(), best.size() * sizeof(float)) == 0);
        }
        // Beside exact sums there are five roundings per group.
        test::expected_values const expected(w.view(), packed.layout());
        for (std::size_t i = 0; i != best.size(); ++i) {
            std::size_t const m = i / c.n, n = i % c.n;
            double sum = 0.0, magnitude = 0.0;
            double const *const value = expected.value.data() + n * c.k, *const size = expected.size.data() + n * c.k;
            std::int8_t const* const row = std::as_const(x).data() + m * c.k;
            for (std::size_t k = 0; k != c.k; ++k) {
                double const a = row[k] * static_cast<double>(0.02f);
                sum += a * value[k];
                magnitude += (a < 0.0 ? -a : a) * size[k];
            }
            double const off = std::abs(static_cast<double>(best[i]) - sum),
                         bound = static_cast<double>(packed.layout().groups() + 6) * 0x1p-24 * magnitude;
            if (off <= bound) continue;
            CAPTURE(m, n, off, bound);
            FAIL("beyond the bound");
        }
    };
    for (auto const& c : cases())
        for (bool const zero_points : {false, true}) check(qint4{}, c, zero_points), check(qint2{}, c, zero_points);
}

TEST_CASE("dynamic int8 rounds x to 255 levels per row and no more") {
    auto const check = [&]<QType Q>(Q, case_of const& c, std::string_view cap) {
        cpu_backend const backend({.force_isa = cap});
        auto const w = weight<Q, float>(c);
        auto const packed = *backend.prepare(any_qtensor(w));
        CAPTURE(Q::name, c.m, c.n, c.k, c.group,
                backend.explain_matmul(c.m, packed, product_input::dynamic_int8).kernel);
        operands o(c);
        REQUIRE(backend.matmul(o.x, packed, o.y, {.accuracy = product_accuracy::dynamic_int8}));
        CHECK(o.frame_is_whole());
        test::expected_values const expected(w.view(), packed.layout());
        std::vector<double> weights(c.n);
        for (std::size_t i = 0; i != c.n * c.k; ++i) weights[i / c.k] += std::abs(expected.value[i]);
        for (std::size_t m = 0; m != c.m; ++m) {
            auto const x = o.row(m);
            double largest = 0.0;
            for (double const v : x) largest = std::max(largest, std::abs(v));
            for (std::size_t n = 0; n != c.n; ++n) {
                auto const e = expected(x, n);
                double const off = std::abs(static_cast<double>(o.y(m, n)) - e.sum),
                             bound = largest / 254.0 * 1.0001 * weights[n] + e.sequential;
                if (off <= bound) continue;
                CAPTURE(m, n, off, bound);
                FAIL("beyond the bound");
            }
        }
    };
    for (auto const& c : cases())
        for (std::string_view const cap : {"avx2", ""})
            check(qint2{}, c, cap), check(qint4{}, c, cap), check(qint8{}, c, cap);
}

TEST_CASE("bias, activation and residual are applied to the finished sum") {
    auto const check = [&]<QType Q>(Q, case_of const& c, std::string_view cap, fused_activation f) {
        auto const w = weight<Q, float>(c);
        auto const bias = testing::test_values(1, c.n, 8), residual = testing::test_values(c.m, c.n + 3, 9);
        cpu_backend const backend({.force_isa = cap});
        auto const packed = *backend.prepare(any_qtensor(w));
        operands plain(c), o(c), added(c);
        REQUIRE(backend.matmul(plain.x, packed, plain.y));
        product_options options{.bias = {bias.data(), c.n}, .activation = f};
        REQUIRE(backend.matmul(o.x, packed, o.y, options));
        matrix_view<float const> const addend(residual.data() + 2, c.m, c.n, c.n + 3);
        options.residual = addend;
        REQUIRE(backend.matmul(added.x, packed, added.y, options));
        CHECK(o.frame_is_whole());
        CHECK(added.frame_is_whole());
        for (std::size_t m = 0; m != c.m; ++m)
            for (std::size_t n = 0; n != c.n; ++n) {
                CAPTURE(Q::name, cap, m, n, static_cast<int>(f));
                double const v = static_cast<double>(plain.y(m, n) + bias[n]);
                double const expected = f == fused_activation::none   ? v
                                        : f == fused_activation::relu ? std::fmax(v, 0.0)
                                        : f == fused_activation::gelu ? 0.5 * v * std::erfc(-v * std::sqrt(0.5))
                                                                      : v / (1.0 + std::exp(-v));
                REQUIRE(std::abs(static_cast<double>(o.y(m, n)) - expected) <=
                        3.1 * 0x1p-24 * std::abs(expected) + 0x1p-149);
                REQUIRE(added.y(m, n) == o.y(m, n) + addend(m, n));
            }
    };
    for (std::string_view const cap : caps)
        for (case_of const c : {case_of{5, 19, 40, 0}, {1, 48, 40, 0}, {9, 7, 300, 32}})
            for (auto const f :
                 {fused_activation::none, fused_activation::relu, fused_activation::gelu, fused_activation::silu}) {
                check(qint4{}, c, cap, f);
                check(qint8{}, c, cap, f);
                check(qfloat8_e4m3fn{}, c, cap, f);
            }
}

TEST_CASE("rows of x that no kernel may sum follow the definition") {
    case_of const c{8, 20, 70, 32};
    float const inf = bit_cast<float>(0x7f80'0000u), nan = bit_cast<float>(0x7fc0'0000u);
    any_qtype::for_each([&]<QType Q>(Q) {
        for (std::string_view const cap : caps) {
            cpu_backend const backend({.force_isa = cap});
            auto const w = weight<Q, float>(c);
            operands o(c), plain(c);
            auto const packed = *backend.prepare(any_qtensor(w));
            REQUIRE(backend.matmul(plain.x, packed, plain.y));
            o.x(1, 3) = nan;
            o.x(2, 69) = inf;
            o.x(4, 40) = -inf;
            o.x(5, 0) = 0x1p120f;
            for (std::size_t k = 0; k != c.k; ++k) o.x(6, k) = 0x1p-149f;
            REQUIRE(backend.matmul(o.x, packed, o.y));
            Tensor<float> expected(c.m, c.n);
            matmul_reference(matrix_view<float const>(o.x), w.view(), matrix_view<float>(expected));
            for (std::size_t m = 0; m != c.m; ++m)
                for (std::size_t n = 0; n != c.n; ++n) {
                    float const y = o.y(m, n), e = expected[m * c.n + n];
                    CAPTURE(Q::name, cap, m, n, y, e);
                    if (m == 1 || m == 2 || m == 4 || m == 5)
                        CHECK((is_nan(e) ? is_nan(y) : y == e));
                    else if (m == 6)
                        CHECK(absolute(y - e) <= 0x1p-126f);  // portable: each group rounds below normal numbers
                    else
                        CHECK(y == plain.y(m, n));
                }
        }
    });
}

TEST_CASE("a float8 weight with codes that are no numbers follows the definition") {
    auto parts = quantize<qfloat8>(testing::test_values(20, 40, 1))->parts();
    storage codes = parts.codes;
    codes.mutable_data()[18 * 40 + 39] = std::byte{0x7f};
    parts.codes = std::move(codes);
    QTensor<qfloat8> const w(std::move(parts));
    cpu_backend const backend;
    auto const packed = *backend.prepare(any_qtensor(w));
    CHECK(backend.explain_matmul(1, packed).kernel == "matmul_qfloat8_e4m3fn_f32_panel_definition");
    auto const x = testing::test_values(3, 40, 2);
    Tensor<float> y(3, 20), expected(3, 20);
    REQUIRE(backend.matmul(x, packed, y));
    matmul_reference(matrix_view<float const>(x), w.view(), matrix_view<float>(expected));
    for (std::size_t i = 0; i != y.size(); ++i) CHECK((i % 20 == 18 ? is_nan(y[i]) : y[i] == expected[i]));
}

TEST_CASE("products with panels do not depend on the number of threads") {
    any_qtype::for_each([&]<QType Q>(Q) {
        for (std::size_t const m : {1u, 17u, 129u, 130u}) {
            case_of const c{m, m == 130 ? 10u : 300u, 784, 112};
            auto const x = testing::test_values(c.m, c.k, 1);
            auto const packed = *panels::pack(any_qtensor(weight<Q, float>(c)));
            for (auto const accuracy : {product_accuracy::exact, product_accuracy::dynamic_int8}) {
                Tensor<float> alone(c.m, c.n);
                REQUIRE(cpu_backend().matmul(x, packed, alone, {.accuracy = accuracy}));
                for (std::size_t threads = 1; threads <= 16; threads += 3) {
                    thread_executor pool(threads);
                    Tensor<float> y(c.m, c.n);
                    REQUIRE(cpu_backend({.executor = executor_ref(pool)}).matmul(x, packed, y, {.accuracy = accuracy}));
                    CHECK(std::memcmp(y.data(), alone.data(), y.size() * sizeof(float)) == 0);
                }
            }
        }
    });
}

TEST_CASE("a product with panels names operands that do not fit") {
    cpu_backend const backend;
    auto const packed = *backend.prepare(any_qtensor(*quantize<qint4>(testing::test_values(3, 4, 1))));
    Tensor<float> const x(2, 5), fits(2, 4);
    Tensor<float> y(2, 3);
    CHECK(backend.matmul(x, packed, y).error().code() == errc::shape_mismatch);
    float const bias[2] = {};
    CHECK(backend.matmul(fits, packed, y, {.bias = bias}).error().code() == errc::shape_mismatch);
    CHECK(backend.matmul(fits, packed, y, {.residual = fits}).error().code() == errc::shape_mismatch);
}
