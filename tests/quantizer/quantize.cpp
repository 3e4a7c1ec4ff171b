#include <quanto/quantizer/quantize.hpp>

#include <cfloat>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <quanto/quantizer/hqq.hpp>
#include <quanto/quantizer/metrics.hpp>

#include "catch.hpp"

using namespace quanto;

namespace {

template <FloatStorage S>
constexpr double unit = std::is_same_v<S, float>     ? 0x1p-24
                        : std::is_same_v<S, float16> ? 0x1p-11
                                                     : 0x1p-8;
constexpr double u = 0x1p-24, tiny = 0x1p-149;  // half an ulp of f32, relative; the smallest f32

// How far a value may be from what its code stands for. y = x / scale (or (x + shift) / scale) has the nearest code,
// half a step away at most; the extreme of a group has y = qmax (1 + unit of the scale's type) and loses unit * qmax
// < 1/2 by clamping. Beside it come the roundings of f32:
//     8 bits: division u |y|, product u |value|                          float8: half a step = max(|y| 2^-(m+1), least
//     / 2) 2, 4:   sum and division 2u |x + shift|, product u |code scale|, difference u |value| zero point: division u
//     |x|, product u |value|; where x / scale and shift / scale both round up, the largest code
//                 is one too small for max - min, and the rest is a half plus what the scale lost, unit * levels
// `tiny` covers results that are subnormal. A quotient of float8 type may, doubled, be rounded in two binades: 1 + 4u.
template <QType Q, FloatStorage S>
double bound(double x, double scale, double shift, double code, double value, bool integer_zero_point) {
    double const slop = 4 * tiny * (1 + scale);
    if constexpr (Q::is_floating_point) {
        constexpr int m = Q::format::mantissa_bits;
        double const y = std::fabs(x) / scale;
        double const step = std::fmax(std::ldexp(y, -m - 1), static_cast<double>(Q::format::decode(1)) / 2);
        return scale * step * (1 + 4 * u) + u * (std::fabs(x) + std::fabs(value)) * (1 + 4 * u) + slop;
    } else if constexpr (!SubByteQType<Q>) {
        return scale / 2 + u * (std::fabs(x) + std::fabs(value)) * (1 + 4 * u) + slop;
    } else if (integer_zero_point) {
        double const most = static_cast<double>(levels<Q>);
        return scale / 2 + scale * most * 2 * unit<S> + u * (std::fabs(x) + std::fabs(value)) * (1 + 4 * u) + slop;
    } else {
        return scale / 2 + u * (2 * std::fabs(x + shift) + code * scale + std::fabs(value)) * (1 + 4 * u) + slop;
    }
}

template <FloatStorage S>
std::vector<S> hostile(int kind, std::size_t n, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<S> x(n);
    float const largest = std::is_same_v<S, float16> ? float16::max : 0x1p127f;
    for (std::size_t i = 0; i != n; ++i) {
        float v = normal(random);
        bool const odd = random() % 2 != 0;
        switch (kind) {
            case 0:
                break;
            case 1:
                v = v * v * v * v * v;
                break;  // heavy tails
            case 2:
                v = 1000.0f + v;
                break;  // far from 0
            case 3:
                v = -1000.0f - 0.001f * v;
                break;  // nearly constant
            case 4:
                v = odd ? 0.0f : -0.0f;
                break;  // zeros
            case 5:
                v = i == 5 ? -3.0f : 0.0f;
                break;  // one value
            case 6:
                v = std::ldexp(v, -147);
                break;  // subnormal
            case 7:
                v = std::ldexp(v, -124);
                break;  // around the smallest normal
            case 8:
                v = std::ldexp(v, -14);
                break;  // the same for f16
            case 9:
                v = largest / 2.0f * (odd ? 0.99f : -0.97f);
                break;  // the range of half of the type
            case 10:
                v = std::ldexp(v, static_cast<int>(random() % 60) - 30);
                break;  // any exponent
            case 11:
                v = static_cast<float>(static_cast<int>(random() % 31)) / 4;
                break;  // half-way points
            case 12:
                v = odd ? largest : largest / 3;
                break;  // the largest
            default:
                v = i % 7 == 0 ? 1.0f : 1.0f + 0x1p-23f;
                break;  // neighbours
        }
        if (std::is_same_v<S, float16> && absolute(v) > float16::max) v = v < 0 ? -float16::max : float16::max;
        x[i] = S(v);
    }
    return x;
}
constexpr int kinds = 14;

template <QType Q, axis Axis, FloatStorage S>
void check(std::vector<S> const& x, extents const& shape, std::size_t group, bool integer_zero_point) {
    auto const made = quantize<Q, Axis>(tensor_view<S const>(x.data(), shape), default_optimizer<Q>{},
                                        {.group = group, .integer_zero_point = integer_zero_point, .memory = {}});
    REQUIRE(made);
    auto const w = made->view();
    double worst = 0;
    std::size_t bad = 0, at = 0;
    for (std::size_t i = 0; i != x.size(); ++i) {
        std::size_t const g = w.layout.locate(i).group;
        double const v = static_cast<double>(float(x[i])), scale = static_cast<double>(w.scale(g)),
                     value = static_cast<double>(w[i]);
        double const allowed = bound<Q, S>(v, scale, static_cast<double>(w.shift(g)),
                                           static_cast<double>(code_value<Q>(w.code(i))), value, integer_zero_point);
        if (!(std::fabs(v - value) <= allowed)) ++bad, at = i;
        worst = std::fmax(worst, std::fabs(v - value) / allowed);
    }
    INFO("worst " << worst << " at " << at << ": " << float(x[at]) << " -> " << w[at] << ", scale "
                  << w.scale(w.layout.locate(at).group));
    CHECK(bad == 0);
}

template <QType Q, FloatStorage S>
void check_all() {
    std::mt19937 random(5);
    for (int kind = 0; kind != kinds; ++kind)
        for (std::size_t group : {0u, 1u, 4u, 16u, 7u})
            for (bool zero_point : {false, true}) {
                if (zero_point && !SubByteQType<Q>) continue;
                INFO(Q::name << " " << name(dtype_of<S>) << " kind " << kind << " group " << group << " zero point "
                             << zero_point);
                auto const x = hostile<S>(kind, 6 * 32, random);
                check<Q, axis::first>(x, {6, 32}, group, zero_point);
                check<Q, axis::last>(x, {32, 6}, group, zero_point);
                check<Q, axis::none>(x, {6, 4, 8}, group, zero_point);
            }
}

struct no_memory {
    std::size_t left;
    void* allocate(std::size_t size, std::size_t alignment) {
        return left-- == 0 ? (left = 0, nullptr) : ::operator new (size, std::align_val_t{alignment});
    }
    void deallocate(void* p, std::size_t, std::size_t alignment) { ::operator delete (p, std::align_val_t{alignment}); }
};

}  // namespace

TEST_CASE("no value is further from its code than half a step and the roundings on the way") {
    any_qtype::for_each([]<class Q>(Q) {
        check_all<Q, float>();
        check_all<Q, float16>();
        check_all<Q, bfloat16>();
    });
}

TEST_CASE("the largest floats come back finite") {
    // scale = max / qmax is rounded; if up, qmax * scale may be beyond the largest float.
    auto const check_pair = []<class Q, class S>(Q, S high, S low) {
        S const values[2] = {high, low};
        auto const made = quantize<Q>(tensor_view<S const>(values, {1, 2}));
        if (!made) return made.error().code() == errc::invalid_argument && SubByteQType<Q>;  // max - min is beyond
        return is_finite((*made)[0]) && is_finite((*made)[1]);
    };
    any_qtype::for_each([&]<class Q>(Q q) {
        INFO(Q::name);
        int wrong = 0;
        float x = FLT_MAX;
        for (int i = 0; i != 2000; ++i, x = std::nextafterf(x, 0.0f))
            for (float const low : {-x, -x / 3, 0.0f, x - 0x1p127f - 0x1p127f}) wrong += !check_pair(q, x, low);
        for (std::uint16_t i = 0; i != 128; ++i)
            for (std::uint16_t j = 0; j != 128; ++j)
                wrong += !check_pair(q, bfloat16::from_bits(static_cast<std::uint16_t>(0x7f7f - i)),
                                     bfloat16::from_bits(static_cast<std::uint16_t>(0xff7f - 2 * j)));
        CHECK(wrong == 0);
    });
}

TEST_CASE("a value that is not finite is an error with its index") {
    std::vector<float> x(24, 1.0f);
    x[17] = std::numeric_limits<float>::quiet_NaN();
    x[20] = -std::numeric_limits<float>::infinity();
    auto const nan = quantize<qint4>(tensor_view<float const>(x.data(), {4, 6}));
    REQUIRE_FALSE(nan);
    CHECK(nan.error().code() == errc::not_finite);
    CHECK(nan.error().message() == "the value at index 17 is NaN");
    x[17] = 0;
    auto const infinite = quantize<qfloat8>(tensor_view<float const>(x.data(), {4, 6}));
    REQUIRE_FALSE(infinite);
    CHECK(infinite.error().message() == "the value at index 20 is infinite");
}

TEST_CASE("a range beyond float is an error, and no scale of infinity") {
    float const x[4] = {FLT_MAX, -FLT_MAX, 0.0f, 1.0f};
    auto const made = quantize<qint2>(tensor_view<float const>(x, {2, 2}));
    REQUIRE_FALSE(made);
    CHECK(made.error().code() == errc::invalid_argument);
    CHECK(std::string(made.error().c_str()).find("group 0") != std::string::npos);
}

TEST_CASE("quantize reports each allocation that fails") {
    std::vector<float> const x(24, 1.0f);
    tensor_view<float const> const view(x.data(), {4, 6});
    for (std::size_t allocations = 0; allocations != 4; ++allocations) {
        no_memory memory{allocations};
        auto const made = quantize<qint4>(view, max_range{}, {.memory = &memory});
        REQUIRE_FALSE(made);
        CHECK(made.error().code() == errc::out_of_memory);
    }
    no_memory memory{4};
    CHECK(quantize<qint4>(view, max_range{}, {.memory = &memory}));
}

TEST_CASE("zero rows and constant groups come back exactly") {
    float const x[3][4] = {{0, -0.0f, 0, 0}, {0.1f, 0.1f, 0.1f, 0.1f}, {-3e38f, -3e38f, -3e38f, -3e38f}};
    any_qtype::for_each([&]<class Q>(Q) {
        auto const w = quantize<Q>(x);
        CHECK(w.scale[0] == 1.0f);
        for (std::size_t i = 0; i != 4; ++i) CHECK(w(0, i) == 0.0f);
        if constexpr (SubByteQType<Q>)
            for (std::size_t r = 1; r != 3; ++r)
                for (std::size_t i = 0; i != 4; ++i) CHECK(w(r, i) == x[r][i]);
    });
}

TEST_CASE("a zero point covers 0 unless the range of Python is asked for") {
    float const x[3] = {10.0f, 10.5f, 11.0f};
    tensor_view<float const> const view(x, {1, 3});
    auto const ours = quantize<qint4>(view, max_range{}, {.integer_zero_point = true});
    auto const python = quantize<qint4>(view, max_range{}, {.integer_zero_point = true, .python_range = true});
    REQUIRE((ours && python));
    CHECK(max_abs_error(x, *ours, 3) <= 11.0f / 15 / 2 * 1.00001f);
    CHECK((*python)[2] == 15 * (1.0f / 15));  // 10..11 comes back as 1
}

TEST_CASE("module groups are those of Python") {
    CHECK(module_group_size({10, 256}) == 128);
    CHECK(module_group_size({10, 128}) == 0);  // not more than 128: a row is one group
    CHECK(module_group_size({10, 192}) == 96);
    CHECK(module_group_size({10, 160}) == 32);
    CHECK(module_group_size({10, 320}) == 64);
    CHECK(module_group_size({10, 130}) == 0);
    CHECK(module_group_size({8, 16, 3, 3}) == 0);  // 144 = 4.5 * 32
    CHECK(module_group_size({8, 32, 3, 3}) == 96);
    CHECK(module_group_size({0, 16}) == 0);
}

TEST_CASE("hqq never has a larger mean error than max_range") {
    std::mt19937 random(11);
    for (int kind : {0, 1, 2, 10, 11})
        for (std::size_t group : {0u, 8u, 32u}) {
            auto const x = hostile<float>(kind, 4 * 64, random);
            tensor_view<float const> const view(x.data(), {4, 64});
            auto const a = quantize<qint4>(view, max_range{}, {.group = group});
            auto const b = quantize<qint4>(view, hqq{}, {.group = group});
            REQUIRE((a && b));
            double first = 0, second = 0;
            for (std::size_t i = 0; i != x.size(); ++i) {
                first += static_cast<double>(absolute(x[i] - (*a)[i]));
                second += static_cast<double>(absolute(x[i] - (*b)[i]));
            }
            CHECK(second <= first);
        }
}

TEST_CASE("a tensor without elements quantizes to one without codes") {
    Tensor<float> const x(extents{0, 4});
    any_qtype::for_each([&]<class Q>(Q) {
        auto const made = quantize<Q>(x);
        REQUIRE(made);
        CHECK(made->size() == 0);
        CHECK(made->parts().codes.size() == 0);
    });
}

TEST_CASE("a tensor that has a size but no values is an error") {
    auto const q = quantize<qint8>(Tensor<float>());
    REQUIRE_FALSE(q);
    CHECK(q.error().message() == "quantize: an empty tensor");
}
