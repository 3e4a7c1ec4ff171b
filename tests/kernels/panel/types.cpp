// Products with panels whose x, y and residual are of every element type.
#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/kernels/convert/element.hpp>
#include <quanto/testing.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/panel/expected.hpp"

#include "catch.hpp"

using namespace quanto;
using test::case_of;

namespace {

constexpr std::string_view caps[] = {"portable", "avx2", ""};

constexpr case_of cases[] = {{1, 1, 1, 0},     {1, 7, 33, 16},    {2, 16, 64, 0},    {3, 17, 100, 32},
                             {4, 33, 31, 0},   {5, 10, 172, 0},   {7, 48, 129, 64},  {8, 23, 257, 5},
                             {13, 16, 128, 0}, {17, 65, 40, 100}, {27, 40, 600, 100}};

template <class F>
void for_each_element(F const& f) {
    for (auto const t : {dtype::f32, dtype::f16, dtype::bf16, dtype::i8, dtype::e4m3fn, dtype::e4m3fnuz, dtype::e5m2})
        visit_element(t, f);
}

// A matrix of T within wider rows, and its values. What lies between the rows must stay.
template <class T>
struct matrix_of {
    static constexpr std::uint8_t frame = 0x5a;
    std::size_t rows, cols, stride;
    float scale;
    std::vector<T> elements;

    matrix_of(std::size_t r, std::size_t c, float s) : rows(r), cols(c), stride(c + 3), scale(s), elements(r * stride) {
        std::memset(static_cast<void*>(elements.data()), frame, elements.size() * sizeof(T));
    }
    matrix_of(std::size_t r, std::size_t c, float s, std::uint32_t seed) : matrix_of(r, c, s) {
        testing::generator g(seed);
        for (std::size_t i = 0; i != rows * cols; ++i) {
            T& to = elements[i / cols * stride + i % cols + 1];
            float const v = g.value();
            if constexpr (CodeElement<T>)
                to = bit_cast<T>(symmetric_code<qtype_of<T>>(v, scale));
            else
                to = static_cast<T>(v);
        }
    }
    template <class Void>
    any_matrix_view<Void> view() {
        matrix_view<std::conditional_t<std::is_const_v<Void>, T const, T>> const m(elements.data() + 1, rows, cols,
                                                                                   stride);
        if constexpr (CodeElement<T>)
            return {m, scale};
        else
            return m;
    }
    T const& operator()(std::size_t r, std::size_t c) const { return elements[r * stride + c + 1]; }
    float value(std::size_t r, std::size_t c) const {
        if constexpr (CodeElement<T>)
            return dequantize_code<qtype_of<T>>(bit_cast<std::uint8_t>((*this)(r, c)), scale);
        else
            return static_cast<float>((*this)(r, c));
    }
    bool frame_is_whole() const {
        auto const stays = [&](std::size_t i) {
            std::uint8_t bytes[sizeof(T)];
            std::memcpy(bytes, elements.data() + i, sizeof(T));
            return std::all_of(bytes, bytes + sizeof(T), [](std::uint8_t b) { return b == frame; });
        };
        for (std::size_t r = 0; r != rows; ++r)
            for (std::size_t const c : {std::size_t{0}, cols + 1, cols + 2})
                if (!stays(r * stride + c)) return false;
        return true;
    }
};

template <QType Q>
QTensor<Q> weight(case_of const& c) {
    return *quantize<Q>(testing::test_values<float16>(c.n, c.k, static_cast<std::uint32_t>(c.n * 991 + c.k)),
                        default_optimizer<Q>{}, {.group = c.group});
}

template <class T>
void check_values(test::expected_values const& expected, matrix_of<T> const& x, Tensor<float> const& y, bool digits) {
    std::vector<double> row(x.cols);
    for (std::size_t m = 0; m != x.rows; ++m) {
        for (std::size_t k = 0; k != x.cols; ++k) row[k] = static_cast<double>(x.value(m, k));
        for (std::size_t n = 0; n != y.cols(); ++n) {
            auto const e = expected(row, n);
            double const off = std::abs(static_cast<double>(y[m * y.cols() + n]) - e.sum);
            if (off <= (digits ? e.by_digits : e.sequential)) continue;  // an assertion takes longer than the sum
            CAPTURE(name(dtype_of<T>), m, n, off, e.sum, e.by_digits, e.sequential);
            FAIL("beyond the bound");
        }
    }
}

}  // namespace

TEST_CASE("x of every element type is multiplied by its values") {
    for (std::string_view const cap : caps)
        for (case_of const& c : cases)
            any_qtype::for_each([&]<QType Q>(Q) {
                cpu_backend const backend({.force_isa = cap});
                auto const w = weight<Q>(c);
                auto const packed = *backend.prepare(any_qtensor(w));
                test::expected_values const expected(w.view(), packed.layout());
                for_each_element([&]<class T>(T) {
                    if constexpr (std::is_same_v<T, std::int8_t> && !Q::is_floating_point) return;  // product.cpp
                    matrix_of<T> x(c.m, c.k, 0.037f, static_cast<std::uint32_t>(c.m * 31 + c.k));
                    Tensor<float> y(c.m, c.n);
                    CAPTURE(Q::name, cap, c.m, c.n, c.k, c.group);
                    REQUIRE(backend.matmul(x.template view<void const>(), packed, y));
                    bool const digits = !Q::is_floating_point &&
                                        choose_panel_kernel(choose_isa(cap), packed, product_input::f32).kernel !=
                                            panel_kernel::portable;
                    check_values(expected, x, y, digits);
                });
            });
}

TEST_CASE("y of every element type is the float result, rounded once") {
    for (std::string_view const cap : caps)
        for (case_of const& c : cases)
            any_qtype::for_each([&]<QType Q>(Q) {
                cpu_backend const backend({.force_isa = cap});
                auto const packed = *backend.prepare(any_qtensor(weight<Q>(c)));
                matrix_of<float> x(c.m, c.k, 1.0f, 5);
                matrix_of<std::int8_t> x8(c.m, c.k, 0.02f, 6);
                auto const bias = testing::test_values(1, c.n, 8);
                for (auto const& from : {x.view<void const>(), x8.view<void const>()})
                    for (auto const f : {fused_activation::none, fused_activation::gelu}) {
                        product_options const options{.bias = {bias.data(), c.n}, .activation = f};
                        Tensor<float> expected(c.m, c.n);
                        REQUIRE(backend.matmul(from, packed, expected, options));
                        for_each_element([&]<class T>(T) {
                            matrix_of<T> y(c.m, c.n, 0.0371f);
                            REQUIRE(backend.matmul(from, packed, y.template view<void>(), options));
                            CHECK(y.frame_is_whole());
                            for (std::size_t m = 0; m != c.m; ++m)
                                for (std::size_t n = 0; n != c.n; ++n) {
                                    float const v = expected[m * c.n + n];
                                    bool same;
                                    if constexpr (CodeElement<T>)
                                        same =
                                            bit_cast<std::uint8_t>(y(m, n)) == symmetric_code<qtype_of<T>>(v, y.scale);
                                    else
                                        same = y(m, n) == static_cast<T>(v);
                                    if (same) continue;
                                    CAPTURE(Q::name, name(dtype_of<T>), cap, c.m, c.n, c.k, m, n, v);
                                    REQUIRE(same);
                                }
                        });
                    }
            });
}

TEST_CASE("a residual of every element type is added in float") {
    case_of const c{9, 39, 70, 32};
    for (std::string_view const cap : caps)
        any_qtype::for_each([&]<QType Q>(Q) {
            cpu_backend const backend({.force_isa = cap});
            auto const packed = *backend.prepare(any_qtensor(weight<Q>(c)));
            auto const x = testing::test_values(c.m, c.k, 5);
            Tensor<float> plain(c.m, c.n), y(c.m, c.n);
            REQUIRE(backend.matmul(x, packed, plain));
            for_each_element([&]<class T>(T) {
                matrix_of<T> residual(c.m, c.n, 0.01f, 9);
                REQUIRE(backend.matmul(x, packed, y, {.residual = residual.template view<void const>()}));
                for (std::size_t i = 0; i != y.size(); ++i)
                    REQUIRE(y[i] == plain[i] + residual.value(i / c.n, i % c.n));
            });
        });
}

TEST_CASE("y may be its own residual, also where rows follow the definition and where they are many") {
    auto const check = [&]<class T>(cpu_backend const& backend, panels const& packed, Tensor<float> const& x, T) {
        matrix_of<T> residual(x.rows(), packed.rows(), 0.01f, 9), y(residual), apart(x.rows(), packed.rows(), 0.01f);
        REQUIRE(
            backend.matmul(x, packed, apart.template view<void>(), {.residual = residual.template view<void const>()}));
        REQUIRE(backend.matmul(x, packed, y.template view<void>(), {.residual = y.template view<void const>()}));
        CHECK(std::memcmp(y.elements.data(), apart.elements.data(), y.elements.size() * sizeof(T)) == 0);
    };
    for (std::string_view const cap : caps)
        for (case_of const c : {case_of{1, 20, 64, 0}, {9, 39, 70, 32}, {20, 12, 64, 0}})
            any_qtype::for_each([&]<QType Q>(Q) {
                cpu_backend const backend({.force_isa = cap});
                auto const packed = *backend.prepare(any_qtensor(weight<Q>(c)));
                auto x = testing::test_values(c.m, c.k, 5);
                for (bool ordinary : {true, false}) {
                    for_each_element([&]<class T>(T t) { check(backend, packed, x, t); });
                    if (ordinary) x[c.k - 1] = bit_cast<float>(0x7f80'0000u), x[(c.m - 1) * c.k] = 3e38f;
                }
            });
    case_of const many{60000, 20, 8, 0};
    auto const packed = *panels::pack(any_qtensor(weight<qint4>(many)));
    check(cpu_backend(), packed, testing::test_values(many.m, many.k, 5), 0.0f);
}

TEST_CASE("values that codes and small floats cannot hold saturate, become infinite or stay NaN") {
    // w is the identity: y = x.
    std::size_t const n = 24;
    float const inf = bit_cast<float>(0x7f80'0000u), nan = bit_cast<float>(0x7fc0'0000u);
    float const values[] = {0.0f,     -0.0f,     1e6f,  -1e6f,     inf,       -inf,       nan,          65504.0f,
                            65519.0f, 65520.0f,  3e38f, 0x1p-149f, 0x1p-25f,  0x1.8p-24f, 0x1p-24f,     63.5f,
                            -63.5f,   0x1.01p0f, 0.25f, -0.75f,    0x1.03p0f, 1.25f,      0x1.ffep-15f, 126.5f};
    for (std::string_view const cap : caps) {
        cpu_backend const backend({.force_isa = cap});
        Tensor<float> x(n, n), identity(n, n);
        for (std::size_t i = 0; i != n; ++i) identity[i * n + i] = 1.0f;
        auto const packed = *backend.prepare(any_qtensor(*quantize<qfloat8_e5m2>(identity)));
        for (std::size_t i = 0; i != n; ++i) x[i * n + i] = values[i];
        Tensor<float> expected(n, n);
        REQUIRE(backend.matmul(x, packed, expected));
        for_each_element([&]<class T>(T) {
            matrix_of<T> y(n, n, 0.5f);
            REQUIRE(backend.matmul(x, packed, y.template view<void>()));
            for (std::size_t i = 0; i != n * n; ++i) {
                float const v = expected[i];
                CAPTURE(name(dtype_of<T>), cap, i, v);
                if constexpr (CodeElement<T>)
                    CHECK(bit_cast<std::uint8_t>(y(i / n, i % n)) == symmetric_code<qtype_of<T>>(v, y.scale));
                else
                    CHECK((is_nan(v) ? is_nan(static_cast<float>(y(i / n, i % n)))
                                     : y(i / n, i % n) == static_cast<T>(v)));
            }
        });
    }
}

TEST_CASE("many rows of another type, converted in rounds, are those of floats") {
    // 49 and more rows of 20000 columns are more than one round.
    case_of const c{53, 18, 20000, 128};
    auto const check = [&]<QType Q>(Q) {
        auto const packed = *panels::pack(any_qtensor(weight<Q>(c)));
        matrix_of<float16> x(c.m, c.k, 1.0f, 3);
        matrix_of<float> residual(c.m, c.n, 1.0f, 4);
        Tensor<float> values(c.m, c.k), expected(c.m, c.n), y(c.m, c.n);
        for (std::size_t i = 0; i != values.size(); ++i) values[i] = x.value(i / c.k, i % c.k);
        product_options const options{.residual = residual.view<void const>()};
        REQUIRE(cpu_backend().matmul(values, packed, expected, options));
        thread_executor pool(3);
        REQUIRE(cpu_backend({.executor = executor_ref(pool)}).matmul(x.view<void const>(), packed, y, options));
        CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0);
    };
    check(qint4{});
    check(qfloat8{});
}

TEST_CASE("elements are stored as their definitions have them, without a branch") {
    auto const check = [](float v) {
        for_each_element([&]<class T>(T) {
            bool same = true;
            if constexpr (std::is_same_v<T, std::int8_t>)
                same = static_cast<std::uint8_t>(detail::element_bits<T>(v)) == symmetric_code<qint8>(v, 1.0f);
            else if constexpr (!std::is_same_v<T, float>)
                same = static_cast<decltype(T::bits)>(detail::element_bits<T>(v)) == T(v).bits;
            if (same) return;
            CAPTURE(name(dtype_of<T>), bit_cast<std::uint32_t>(v));
            REQUIRE(same);
        });
    };
    for (std::uint64_t u = 0; u < std::uint64_t{1} << 32; u += 9973)
        check(bit_cast<float>(static_cast<std::uint32_t>(u)));
    // Every value of 12 bits of mantissa, and its neighbours: ties of all types.
    for (std::uint32_t u = 0; u != 1u << 21; ++u)
        for (std::uint32_t const off : {0xffff'ffffu, 0u, 1u}) check(bit_cast<float>((u << 11) + off));
    SUCCEED();
}
