#include <quanto/quantizer/quantize.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <quanto/quantizer/metrics.hpp>

#include "golden/golden.hpp"

#include "catch.hpp"

using namespace golden;

// Rows for which Python quanto stores scales of 0, infinity or NaN. What this library does instead:
//     zeros, or a constant group of an affine type   exact, with scale 1
//     NaN, infinity                                  an error that names the index
//     a scale below the smallest normal number       that number

namespace {

enum row : std::size_t {
    ordinary,
    zero,
    minus_zero,
    constant,
    negative_constant,
    one_value,
    positive_only,
    negative_only,
    subnormal_values,
    subnormal_scale,
    largest_values,
    infinity,
    minus_infinity,
    nan_,
    row_count
};

template <QType Q, FloatStorage S>
void check_row(std::vector<S> const& x, std::size_t row, bool integer_zero_point) {
    auto const made = quantize<Q>(tensor_view<S const>(x.data(), {1, x.size()}), default_optimizer<Q>{},
                                  {.integer_zero_point = integer_zero_point});
    if (row >= infinity) {
        REQUIRE_FALSE(made);
        CHECK(made.error().code() == errc::not_finite);
        auto const bad = std::find_if(x.begin(), x.end(), [](S v) { return !is_finite(float(v)); }) - x.begin();
        CHECK(std::string(made.error().c_str()).find("index " + std::to_string(bad) + " ") != std::string::npos);
        return;
    }
    // max - min of the largest values is beyond float: an error, and not a scale of infinity.
    if (SubByteQType<Q> && row == largest_values && !std::is_same_v<S, float16>) {
        REQUIRE_FALSE(made);
        CHECK(made.error().code() == errc::invalid_argument);
        return;
    }
    REQUIRE(made);
    auto const w = made->view();
    CHECK(is_finite(w.scale(0)));
    CHECK(w.scale(0) >= smallest_normal(dtype_of<S>));

    auto exact = [&] {
        for (std::size_t i = 0; i != x.size(); ++i) CHECK(w[i] == float(x[i]));
        CHECK(w.scale(0) == 1.0f);
    };
    bool const is_constant = row == constant || row == negative_constant;
    if (row == zero || row == minus_zero) exact();
    if (is_constant && SubByteQType<Q> && !integer_zero_point) {
        exact();
        for (std::size_t i = 0; i != x.size(); ++i) CHECK(w.code(i) == 0);
    }
    if (row == subnormal_values) CHECK(w.scale(0) == smallest_normal(dtype_of<S>));
    for (std::size_t i = 0; i != x.size(); ++i) CHECK(is_finite(w[i]));
}

}  // namespace

TEST_CASE("degenerate rows are exact, floored or an error that names the index") {
    auto const path = shared() + "/degenerate.safetensors";
    if (!exists(path)) QUANTO_SKIP("no shared golden vectors");
    auto const file = golden::open(path);
    for (std::string const type : {"f32", "f16", "bf16"}) {
        auto const* base = file.find(type + ".base");
        REQUIRE(base != nullptr);
        REQUIRE(base->shape()[0] == row_count);
        visit_float(base->type(), [&]<class S>() {
            auto const all = elements<S>(*base);
            std::size_t const n = base->shape()[1];
            for (std::size_t r = 0; r != row_count; ++r) {
                std::vector<S> const x(all.begin() + static_cast<std::ptrdiff_t>(r * n),
                                       all.begin() + static_cast<std::ptrdiff_t>((r + 1) * n));
                any_qtype::for_each([&]<class Q>(Q) {
                    INFO(type << " " << Q::name << " row " << r);
                    check_row<Q, S>(x, r, false);
                    if constexpr (SubByteQType<Q>) check_row<Q, S>(x, r, true);
                });
            }
        });
    }
}

TEST_CASE("ordinary rows among the degenerate ones are those of Python") {
    auto const path = shared() + "/degenerate.safetensors";
    if (!exists(path)) QUANTO_SKIP("no shared golden vectors");
    auto const file = golden::open(path);
    auto const all = floats(*file.find("f32.base"));
    std::size_t const n = file.find("f32.base")->shape()[1];
    any_qtype::for_each([&]<class Q>(Q) {
        auto const name = "f32." + std::string(Q::name);
        auto const scale = floats(*file.find(name + ".scale")), values = floats(*file.find(name + ".dequantized"));
        for (std::size_t r : {ordinary, one_value, positive_only, negative_only}) {
            INFO(name << " row " << r);
            auto const made = quantize<Q>(tensor_view<float const>(all.data() + r * n, {1, n}));
            REQUIRE(made);
            CHECK(made->view().scale(0) == scale[r]);
            if constexpr (SubByteQType<Q>) {
                // Bit for bit: the shift of a group whose least value is +0 is -0.
                auto const shift = floats(*file.find(name + ".shift"));
                CHECK(bits_of(made->view().shift(0)) == bits_of(shift[r]));
            }
            std::size_t different = 0;
            for (std::size_t i = 0; i != n; ++i) different += bits_of((*made)[i]) != bits_of(values[r * n + i]);
            CHECK(different == 0);
        }
    });
}

TEST_CASE("a file of Python that holds scale 0 and NaN codes is a row of zeros") {
    auto const path = shared() + "/degenerate.safetensors";
    if (!exists(path)) QUANTO_SKIP("no shared golden vectors");
    auto const file = golden::open(path);
    any_qtype::for_each([&]<class Q>(Q) {
        if constexpr (Q::bits == 8) {
            auto const name = "f32." + std::string(Q::name);
            auto const codes = raw(*file.find(name + ".codes"));
            auto const scale = floats(*file.find(name + ".scale"));
            REQUIRE(scale[zero] == 0.0f);
            std::size_t const n = codes.size() / row_count;
            for (std::size_t i = 0; i != n; ++i) CHECK(dequantize_code<Q>(codes[zero * n + i], scale[zero]) == 0.0f);
        }
    });
}
