#include <quanto/kernels/vectorized.hpp>

#include <cstring>

#include <quanto/quantizer/hqq.hpp>
#include <quanto/testing.hpp>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

namespace {

// What is compared; said where it differs.
struct comparison {
    std::string_view type;
    axis along;
    dtype stored;
    extents shape;
    std::size_t group;
    isa target;

    void require(bool same, char const* what) const {
        if (same) return;
        CAPTURE(type, int(along), name(stored), shape.front(), shape.numel(), group, name(target));
        FAIL(what);
    }
};

bool same_bytes(storage const& a, storage const& b) {
    return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
bool same_parts(qtensor_parts const& a, qtensor_parts const& b) {
    return same_bytes(a.codes, b.codes) && same_bytes(a.scale, b.scale) && same_bytes(a.shift, b.shift);
}
template <QType Q>
bool same_values(qtensor_view<Q> const& w, isa target) {
    std::vector<float> values(w.layout.numel() + 1), defined(values);
    dequantize(w, values.data(), vectorized(target));
    dequantize(w, defined.data());
    return std::memcmp(values.data(), defined.data(), values.size() * sizeof(float)) == 0;
}

// Every part of a quantized tensor, and its values, by kernels and by definition.
template <QType Q, axis A, FloatStorage S, class O>
void compare(Tensor<S> const& x, O const& optimizer, quantizer_options const& options) {
    auto const expected = quantize<Q, A>(x, optimizer, options);
    for (isa const target : test::runnable_isas()) {
        comparison const of{Q::name, A, dtype_of<S>, x.shape(), options.group, target};
        auto const made = quantize<Q, A>(x, optimizer, options, vectorized(target));
        of.require(bool(made) == bool(expected), "one is an error");
        if (!expected) {
            of.require(made.error().message() == expected.error().message(), "the errors differ");
            continue;
        }
        of.require(same_parts(made->parts(), expected->parts()), "the parts differ");
        of.require(same_values<Q>(made->view(), target), "the values differ");
    }
}

template <FloatStorage S>
void compare_all(Tensor<S> const& x) {
    any_qtype::for_each([&]<QType Q>(Q) {
        for (std::size_t const group : testing::test_groups) {
            compare<Q, axis::first>(x, default_optimizer<Q>{}, {.group = group});
            compare<Q, axis::last>(x, default_optimizer<Q>{}, {.group = group});
            compare<Q, axis::none>(x, default_optimizer<Q>{}, {.group = group});
            if constexpr (SubByteQType<Q>) {
                compare<Q, axis::first>(x, max_range{}, {.group = group, .integer_zero_point = true});
                compare<Q, axis::first>(x, max_range{},
                                        {.group = group, .integer_zero_point = true, .python_range = true});
                compare<Q, axis::first>(x, hqq{.iterations = 2}, {.group = group});
            }
        }
    });
    SUCCEED();
}

}  // namespace

TEST_CASE("vectorized quantizing gives the bytes of the definition for every type, axis and group") {
    for (auto const& [rows, cols] : testing::test_shapes) {
        compare_all(testing::test_values<float>(rows, cols, 1));
        compare_all(testing::test_values<float16>(rows, cols, 2));
        compare_all(testing::test_values<bfloat16>(rows, cols, 3));
    }
    Tensor<float> const deep(extents{3, 5, 2, 17});
    compare_all(deep);
    compare_all(Tensor<float>(extents{0, 4}));
}

TEST_CASE("vectorized quantizing meets zeros of both signs, constants and the largest floats as the definition") {
    for (unsigned variant = 0; variant != 6; ++variant) {
        Tensor<float> x(6, 200);
        for (std::size_t i = 0; i != x.size(); ++i) {
            float const sign = i * 2654435761u >> 13 & 1 ? -1.0f : 1.0f;
            constexpr float magnitudes[] = {0.0f, 0x1p-149f, 0x1.fffffep127f, 0x1p-126f, 1.0f, 0x1.fffffep126f};
            x[i] = sign * magnitudes[variant];
        }
        compare_all(x);
        for (std::size_t i = 0; i != x.size(); ++i) x[i] = absolute(std::as_const(x)[i]);
        compare_all(x);
    }
}

TEST_CASE("vectorized quantizing names the value that is not finite") {
    for (float const bad : {test::from_bits(0x7fc0'0000u), test::from_bits(0xff80'0000u)})
        for (std::size_t const at : {0u, 63u, 199u, 401u}) {
            auto x = testing::test_values<float>(3, 134, 4);
            x[at] = bad;
            compare_all(x);
        }
}

TEST_CASE("activations by kernels are those of the definition") {
    auto const x = testing::test_values<float>(1, 300, 7);
    for (isa const target : test::runnable_isas())
        any_qtype::for_each([&]<QType Q>(Q) {
            if constexpr (ActivationQType<Q>)
                for (std::size_t const n : test::sizes) {
                    float const scale = absmax_scale<Q>(x.data(), n);
                    CHECK(vectorized(target).absmax(x.data(), n) / Q::qmax == scale);
                    if (scale == 0.0f) continue;
                    std::vector<std::uint8_t> codes(n), expected(n);
                    quantize_activation<Q>(x.data(), n, scale / 2, expected.data());
                    vectorized(target).encode<Q>(x.data(), n, scale / 2, codes.data());
                    CHECK(codes == expected);
                    std::vector<float> values(n);
                    vectorized(target).decode<Q>(codes.data(), n, scale / 2, values.data());
                    for (std::size_t i = 0; i != n; ++i) CHECK(values[i] == dequantize_code<Q>(expected[i], scale / 2));
                }
        });
    CHECK(vectorized().absmax(x.data(), 0) == 0.0f);
}
