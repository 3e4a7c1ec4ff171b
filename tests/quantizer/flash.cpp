#include <quanto/quantizer/quantize.hpp>

#include <cstdint>
#include <cstring>

#include <quanto/quantizer/metrics.hpp>

#include "catch.hpp"

using namespace quanto;

namespace {

// clang-format off
// What a training script printed; only its quantized form is linked.
constexpr float trained[4][8] = {
    { 0.31f, -0.12f,  0.08f,  0.27f, -0.44f,  0.02f,  0.19f, -0.05f },
    {-0.21f,  0.33f, -0.17f,  0.11f,  0.29f, -0.38f,  0.07f,  0.15f },
    { 0.05f,  0.04f, -0.02f,  0.41f, -0.13f,  0.22f, -0.31f,  0.09f },
    {-0.48f,  0.16f,  0.25f, -0.07f,  0.12f, -0.29f,  0.36f, -0.03f },
};
// clang-format on

constexpr struct flat_values {
    float x[32]{};
    constexpr flat_values() {
        for (std::size_t i = 0; i != 32; ++i) x[i] = trained[i / 8][i % 8];
    }
} flat;

constexpr auto w = quantize<qint4, axis::first, group{8}>(trained);

static_assert(sizeof w.codes == 4 * 8 / 2, "two codes per byte");
static_assert(w.size() == 32 && w.shape() == extents{4, 8} && w.layout.groups() == 4);
// Half a step of the coarsest row; the roundings (a few ulp of 1) are below 1e-6.
static_assert(max_abs_error(flat.x, w, 32) <= w.scale[3] / 2 + 1e-6f);
static_assert(w(3, 0) == w[24] && w.code(24) == 0, "the least value of a row has code 0");
static_assert(quantize<qint8>(trained).scale[0] == 0.44f / 127);

float infer(float const* x) {
    float y = 0;
    for (std::size_t r = 0; r != 4; ++r)
        for (std::size_t c = 0; c != 8; ++c) y += w(r, c) * x[c];
    return y;
}

// The same numbers from the compiler and from the machine, by both interfaces.
template <QType Q, axis Axis, group Group>
void check() {
    static constexpr auto fixed = quantize<Q, Axis, Group>(trained);
    auto const made = quantize<Q, Axis, Group>(tensor_view<float const>(flat.x, {4, 8}));
    REQUIRE(made);
    auto const at_run_time = quantize<Q, Axis>(tensor_view<float const>(flat.x, {4, 8}), {}, {.group = Group.size});
    REQUIRE(at_run_time);
    qtensor_view<Q> const a = fixed;
    for (auto const& b : {made->view(), at_run_time->view()}) {
        INFO(Q::name << " group " << Group.size);
        REQUIRE(a.packing().bytes() == b.packing().bytes());
        CHECK(std::memcmp(a.codes, b.codes, a.packing().bytes()) == 0);
        for (std::size_t g = 0; g != a.layout.groups(); ++g) {
            CHECK(a.scale(g) == b.scale(g));
            CHECK(a.shift(g) == b.shift(g));
        }
        for (std::size_t i = 0; i != 32; ++i) {
            CHECK(a[i] == b[i]);
            CHECK(fixed[i] == b[i]);
            CHECK(fixed.code(i) == b.code(i));
        }
    }
}

}  // namespace

TEST_CASE("a weight in flash has the numbers of one made at run time") {
    any_qtype::for_each([]<class Q>(Q) {
        check<Q, axis::first, whole_axis>();
        check<Q, axis::first, group{4}>();
        check<Q, axis::first, group{3}>();
        check<Q, axis::last, whole_axis>();
        check<Q, axis::last, group{2}>();
        check<Q, axis::last, group{3}>();
        check<Q, axis::none, whole_axis>();
        check<Q, axis::none, group{16}>();
    });
}

TEST_CASE("a layer computes from a weight in flash") {
    float const x[8] = {1, 0, 0, 0, 0, 0, 0, 0};
    CHECK(infer(x) == ((w(0, 0) + w(1, 0)) + w(2, 0)) + w(3, 0));
}
