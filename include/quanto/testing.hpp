// For the tests of backends and kernels, without a test framework:
//     check_backend_conformance(b)  every product of a backend against the definition: all qtypes, groups, ragged
//                                   shapes, a sample of all N and K up to 257, strides, zero points, 16-bit scales, and
//                                   codes at the ends of their range; of a BatchingBackend also batches. The error
//                                   names the first case that fails.
//     matmul_bound(K, magnitude)    what f32 accumulation in any order may be off by, plus the roundings of the weight:
//                                   (K + 4) * 2^-24 * magnitude, magnitude = sum_k |x| * (|code * scale| + |shift|)
//     test_values(rows, cols, seed) deterministic values: mostly in -1 .. 1, some of them -0, subnormal, outliers
#pragma once

#include <span>

#include <quanto/backend/backend.hpp>
#include <quanto/kernels/matmul/reference.hpp>
#include <quanto/quantizer/quantize.hpp>

namespace quanto::inline v0::testing {

constexpr double matmul_bound(std::size_t k, double magnitude) noexcept {
    return static_cast<double>(k + 4) * 0x1p-24 * magnitude;
}

class generator {
public:
    constexpr explicit generator(std::uint32_t seed) noexcept : state_(seed * 2654435761u + 1u) {}
    constexpr std::uint32_t bits() noexcept {
        state_ = state_ * 1664525u + 1013904223u;
        return state_ >> 8;
    }
    // One value in 16 is hostile: 0, -0, the smallest subnormal, an outlier.
    constexpr float value() noexcept {
        constexpr float hostile[] = {0.0f, -0.0f, 0x1p-149f, 40.0f};
        if (bits() % 16 == 0) return hostile[bits() % 4];
        return static_cast<float>(bits()) * 0x1p-23f - 1.0f;
    }

private:
    std::uint32_t state_;
};

template <FloatStorage S = float>
Tensor<S> test_values(std::size_t rows, std::size_t cols, std::uint32_t seed) {
    Tensor<S> t(rows, cols);
    generator g(seed);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = static_cast<S>(g.value());
    return t;
}

inline constexpr std::size_t test_groups[] = {0, 16, 32, 100, 128};
inline constexpr std::size_t test_shapes[][2] = {{1, 1}, {3, 7}, {5, 33}, {8, 64}, {13, 96}, {33, 257}, {70, 256}};
inline constexpr std::size_t test_batches[] = {1, 2, 3, 5, 8, 13, 17};
inline constexpr std::size_t test_samples = 48;  // of N and K in 1 .. 257

namespace detail {
template <class... Parts>
error disagreement(std::string_view type, std::size_t m, std::size_t n, std::size_t k, std::size_t group,
                   Parts const&... parts) noexcept {
    return error(errc::invalid_argument, "matmul ", type, ", M = ", m, ", N = ", n, ", K = ", k, ", group ", group,
                 ": ", parts...);
}

// A y of NaN, which stay where a backend adds to y or leaves something out.
inline Tensor<float> unset(std::size_t rows, std::size_t cols) {
    Tensor<float> y(rows, cols);
    for (float& v : y.view()) v = bit_cast<float>(0x7fc0'0000u);
    return y;
}

// Compares y, with stride, with the definition. w(n, k) and magnitude_of(n, k) give the weight and what it rounds to.
template <class W, class A>
result<success> compare(std::string_view type, std::size_t group, matrix_view<float const> x,
                        matrix_view<float const> y, W const& w, A const& magnitude_of) {
    for (std::size_t m = 0; m != y.rows; ++m)
        for (std::size_t n = 0; n != y.cols; ++n) {
            double sum = 0.0, magnitude = 0.0;
            for (std::size_t k = 0; k != x.cols; ++k) {
                double const a = static_cast<double>(x(m, k));
                sum += a * static_cast<double>(w(n, k));
                magnitude += (a < 0.0 ? -a : a) * magnitude_of(n, k);
            }
            double const off = static_cast<double>(y(m, n)) - sum;
            double const bound = matmul_bound(x.cols, magnitude) + 0x1p-126;  // results below normal numbers
            if (!(off <= bound && -off <= bound))
                return disagreement(type, y.rows, y.cols, x.cols, group, "y[", m, "][", n, "] is beyond the bound");
        }
    return success{};
}

template <Backend B, QType Q, FloatStorage S>
result<success> check_qtype(B const& backend, std::size_t n, std::size_t k, std::size_t group, bool zero_point,
                            std::span<std::size_t const> batches = test_batches) {
    auto const dense = test_values<S>(n, k, static_cast<std::uint32_t>(n * 1000 + k));
    auto const made = quantize<Q>(dense, default_optimizer<Q>{}, {.group = group, .integer_zero_point = zero_point});
    if (!made) return made.error();
    qtensor_view<Q> const w = made->view();
    Tensor<float> values(n, k), shifts(n, k);  // read once, not for each element of y
    for (std::size_t i = 0; i != n * k; ++i) values[i] = w[i], shifts[i] = absolute(w.shift(w.layout.locate(i).group));
    float const *const value = values.data(), *const shift = shifts.data();
    for (std::size_t const rows : batches) {
        auto const wider = test_values(rows, k + 3, static_cast<std::uint32_t>(rows));
        matrix_view<float const> const x(wider.data() + 1, rows, k, k + 3);
        Tensor<float> out(rows, n + 2);
        for (auto& v : tensor_view<float>(out.view())) v = -7.0f;
        matrix_view<float> const y(out.data() + 1, rows, n, n + 2);
        backend.matmul(x, w, y);
        auto ok = compare(
            Q::name, group, x, y, [&](std::size_t r, std::size_t c) { return value[r * k + c]; },
            [&](std::size_t r, std::size_t c) {  // |code * scale| <= |w| + |shift|
                return static_cast<double>(absolute(value[r * k + c])) + 2.0 * static_cast<double>(shift[r * k + c]);
            });
        if (!ok) return ok;
        for (std::size_t m = 0; m != rows; ++m)
            if (out[m * (n + 2)] != -7.0f || out[m * (n + 2) + n + 1] != -7.0f)
                return disagreement(Q::name, rows, n, k, group, "wrote outside y");
    }
    return success{};
}

template <Backend B>
result<success> check_float(B const& backend, std::size_t n, std::size_t k,
                            std::span<std::size_t const> batches = test_batches) {
    auto const weight = test_values(n, k + 5, 9);
    matrix_view<float const> const w(weight.data() + 2, n, k, k + 5);
    for (std::size_t const rows : batches) {
        auto const x = test_values(rows, k, static_cast<std::uint32_t>(rows));
        auto y = unset(rows, n);
        backend.matmul(matrix_view<float const>(x), w, matrix_view<float>(y));
        auto ok = compare("f32", 0, x, y, w,
                          [&](std::size_t r, std::size_t c) { return static_cast<double>(absolute(w(r, c))); });
        if (!ok) return ok;
    }
    return success{};
}

template <Backend B>
result<success> check_int8(B const& backend, std::size_t n, std::size_t k, std::size_t group,
                           std::span<std::size_t const> batches = test_batches) {
    auto const made = quantize<qint8>(test_values(n, k, 5), absmax{}, {.group = group});
    if (!made) return made.error();
    auto parts = made->parts();
    auto codes = storage::allocate(n * k);
    if (!codes) return codes.error();
    generator g(3);
    for (std::size_t i = 0; i != n * k; ++i)  // many of them -128, which no quantizer makes
        codes->mutable_data()[i] = static_cast<std::byte>(i % 3 == 0 ? 0x80u : g.bits() & 0xffu);
    parts.codes = std::move(*codes);
    QTensor<qint8> const w(std::move(parts));
    for (std::size_t const rows : batches) {
        Tensor<std::int8_t> x(rows, k);
        for (auto& v : tensor_view<std::int8_t>(x.view()))
            v = static_cast<std::int8_t>(g.bits() % 4 == 0 ? -128 : static_cast<int>(g.bits() & 0xffu) - 128);
        auto y = unset(rows, n);
        Tensor<float> expected(rows, n);
        backend.matmul(matrix_view<std::int8_t const>(x), 0.037f, w.view(), matrix_view<float>(y));
        matmul_reference(matrix_view<std::int8_t const>(x), 0.037f, w.view(), matrix_view<float>(expected));
        for (std::size_t i = 0; i != y.size(); ++i)
            if (y[i] != expected[i]) return disagreement("int8", rows, n, k, group, "element ", i, " is not exact");
    }
    return success{};
}

// All codes of x and of w at the ends of their range, in each combination: sums that saturate in 16 bits, or that
// exceed the floats that are exact, show.
template <Backend B>
result<success> check_extremes(B const& backend, std::size_t n, std::size_t k) {
    for (int const a : {-128, 127})
        for (int const b : {-128, 127}) {
            auto made = quantize<qint8>(test_values(n, k, 5));
            if (!made) return made.error();
            auto parts = made->parts();
            auto codes = storage::allocate(n * k);
            if (!codes) return codes.error();
            for (std::size_t i = 0; i != n * k; ++i) codes->mutable_data()[i] = static_cast<std::byte>(b & 0xff);
            parts.codes = std::move(*codes);
            QTensor<qint8> const w(std::move(parts));
            Tensor<std::int8_t> x(3, k);
            for (auto& v : tensor_view<std::int8_t>(x.view())) v = static_cast<std::int8_t>(a);
            auto y = unset(3, n);
            Tensor<float> expected(3, n);
            backend.matmul(matrix_view<std::int8_t const>(x), 0.037f, w.view(), matrix_view<float>(y));
            matmul_reference(matrix_view<std::int8_t const>(x), 0.037f, w.view(), matrix_view<float>(expected));
            for (std::size_t i = 0; i != y.size(); ++i)
                if (y[i] != expected[i])
                    return disagreement("int8, extreme codes", 3, n, k, 0, "element ", i, " is not exact");
        }
    return success{};
}

// Three heads in the rows of one tensor, each w shared by them all: floats within the bound, int8 exact.
template <BatchingBackend B, class X, class W>
result<success> check_batch(B const& backend, std::size_t m, std::size_t n, std::size_t k, batch_axis axis) {
    constexpr std::size_t heads = 3;
    bool const by_n = axis == batch_axis::n;
    auto const fill = [](auto tensor, std::uint32_t seed) {
        generator g(seed);
        for (auto& v : tensor.view())
            if constexpr (std::is_same_v<X, std::int8_t>)
                v = static_cast<X>(static_cast<int>(g.bits() & 0xffu) - 128);
            else
                v = static_cast<std::remove_reference_t<decltype(v)>>(g.value());
        return tensor;
    };
    auto const x = fill(Tensor<X>(m, heads * k), 1);
    auto const w = fill(Tensor<W>(by_n ? n : k, by_n ? k : n), 2);
    auto y = unset(m, heads * n);
    Tensor<float> expected(m, heads * n);
    matrix_view<X const> const first(x.data(), m, k, heads * k);
    batch_product p{{1, 1, heads}, {}, {}, {matrix_view<float>(y.data(), m, n, heads * n), {0, 0, n}}, axis};
    if constexpr (std::is_same_v<X, std::int8_t>)
        p.x = {{first, 0.037f}, {0, 0, k}}, p.w = {{w, 0.02f}, {}};
    else
        p.x = {first, {0, 0, k}}, p.w = {w, {}};
    if (auto ok = backend.matmul(p, memory_ref()); !ok) return ok;
    if constexpr (!std::is_same_v<X, std::int8_t>) {
        for (std::size_t h = 0; h != heads; ++h) {
            matrix_view<X const> const of_head(x.data() + h * k, m, k, heads * k);
            auto const value = [&](std::size_t r, std::size_t c) {
                return static_cast<float>(by_n ? w[r * k + c] : w[c * n + r]);
            };
            auto ok = compare(name(dtype_of<W>), 0, of_head,
                              matrix_view<float const>(y.data() + h * n, m, n, heads * n), value,
                              [&](std::size_t r, std::size_t c) { return static_cast<double>(absolute(value(r, c))); });
            if (!ok) return ok;
        }
    } else {
        p.y.first.data = expected.data();
        matmul_reference(p);
        for (std::size_t i = 0; i != y.size(); ++i)
            if (y[i] != expected[i]) return disagreement("int8, a batch", m, n, k, 0, "element ", i, " is not exact");
    }
    return success{};
}
}  // namespace detail

template <Backend B>
result<success> check_backend_conformance(B const& backend) {
    result<success> ok = success{};
    auto const also = [&](auto const& check) {
        if (ok) ok = check();
    };
    for (auto const& [n, k] : test_shapes) {
        std::size_t const rows = n, cols = k;
        also([&] { return detail::check_float(backend, rows, cols); });
        for (std::size_t const group : test_groups) {
            also([&] { return detail::check_int8(backend, rows, cols, group); });
            any_qtype::for_each([&]<QType Q>(Q) {
                also([&] { return detail::check_qtype<B, Q, float>(backend, rows, cols, group, false); });
                also([&] { return detail::check_qtype<B, Q, float16>(backend, rows, cols, group, true); });
                also([&] { return detail::check_qtype<B, Q, bfloat16>(backend, rows, cols, group, false); });
            });
        }
    }
    if constexpr (BatchingBackend<B>)
        for (auto const& [n, k] : test_shapes)
            for (std::size_t const m : test_batches) {
                std::size_t const rows = n, cols = k;
                also([&] {
                    return detail::check_batch<B, std::int8_t, std::int8_t>(backend, m, rows, cols, batch_axis::n);
                });
                for (auto const axis : {batch_axis::n, batch_axis::k}) {
                    also([&] { return detail::check_batch<B, float, float>(backend, m, rows, cols, axis); });
                    also([&] { return detail::check_batch<B, float, float16>(backend, m, rows, cols, axis); });
                    also([&] { return detail::check_batch<B, float, bfloat16>(backend, m, rows, cols, axis); });
                }
            }
    generator g(7);
    for (std::size_t i = 0; i != test_samples; ++i) {
        std::size_t const n = 1 + g.bits() % 257, k = 1 + g.bits() % 257, rows = test_batches[i % 7];
        std::size_t const group = test_groups[i % 5];
        std::span<std::size_t const> const batch(&rows, 1);
        also([&] { return detail::check_float(backend, n, k, batch); });
        also([&] { return detail::check_int8(backend, n, k, group, batch); });
        also([&] { return detail::check_extremes(backend, n, k); });
        any_qtype::for_each([&]<QType Q>(Q) {
            also([&] { return detail::check_qtype<B, Q, float>(backend, n, k, group, i % 2 == 0, batch); });
        });
    }
    return ok;
}

}  // namespace quanto::inline v0::testing
