#include <quanto/quantizer/quantize.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <quanto/quantizer/hqq.hpp>
#include <quanto/quantizer/metrics.hpp>

#include "golden/golden.hpp"

#include "catch.hpp"

using namespace golden;

namespace {

// One weight quantized as the case says: what this library has to say about it.
struct ours {
    extents scale_shape;
    std::vector<float> scale, shift, values;
    std::vector<std::uint8_t> codes, packed, zero_points;
    std::size_t lines = 0;
    dtype type = dtype::f32;
    std::string problem;
};

template <QType Q, axis Axis, FloatStorage S, class O>
ours run(any_tensor const& base, weight_case const& c, O const& optimizer) {
    auto const x = elements<S>(base);
    ours out;
    auto const made = quantize<Q, Axis>(
        tensor_view<S const>(x.data(), base.shape()), optimizer,
        {.group = c.group, .integer_zero_point = c.zeropoint, .python_range = c.python_range, .memory = {}});
    if (!made) {
        out.problem = made.error().c_str();
        return out;
    }
    auto const view = made->view();
    auto const& parts = made->parts();
    auto const packing = view.packing();
    out.scale_shape = parts.layout.scale_shape(parts.shape, Q::bits);
    out.lines = parts.layout.lines();
    out.type = parts.scale_type;
    out.packed = raw(parts.codes);
    for (std::size_t i = 0; i != packing.rows * packing.cols; ++i) out.codes.push_back(packing.get(view.codes, i));
    for (std::size_t g = 0; g != parts.layout.groups(); ++g) {
        out.scale.push_back(view.scale(g));
        if (view.integer_zero_point)
            out.zero_points.push_back(view.zero_point(g));
        else if (SubByteQType<Q>)
            out.shift.push_back(view.shift(g));
    }
    out.values.resize(view.size());
    dequantize(view, out.values.data());
    return out;
}

ours run(any_tensor const& base, weight_case const& c) {
    ours out;
    c.qtype.visit([&]<class Q>(Q) {
        visit_float(base.type(), [&]<class S>() {
            auto with = [&]<class O>(O const& optimizer) {
                out = c.along == axis::first ? run<Q, axis::first, S>(base, c, optimizer)
                                             : run<Q, axis::last, S>(base, c, optimizer);
            };
            if constexpr (SubByteQType<Q>) {
                if (c.hqq)
                    with(hqq{});
                else
                    with(max_range{});
            } else {
                with(absmax{});
            }
        });
    });
    return out;
}

void check_exact(io::SafetensorsFile const& file, weight_case const& c) {
    auto const got = run(*file.find(c.base + ".base"), c);
    REQUIRE(got.problem.empty());
    auto want = [&](char const* what) -> any_tensor const& { return *file.find(c.name + what); };
    auto equal = [](auto const& a, auto const& b) {
        auto const d = compare(a, b);
        INFO(d.first);
        CHECK(d.count == 0);
    };
    equal(got.scale, floats(want(".scale")));
    CHECK(got.scale_shape == want(".scale").shape());
    if (!c.hqq) {
        if (file.find(c.name + ".codes") != nullptr) equal(got.codes, raw(want(".codes")));
        equal(got.values, floats(want(".dequantized")));
        if (c.qtype.bits() == 8) return;
        equal(got.packed, raw(want(".packed")));
        if (c.zeropoint)
            equal(got.zero_points, raw(want(".shift")));
        else
            equal(got.shift, floats(want(".shift")));
        return;
    }
    // Python takes the mean over the last dimension only: a weight of rank 4 without group gets other shifts.
    if (want(".shift").size() != got.shift.size()) return;
    auto const shift = floats(want(".shift"));
    float largest = 0.0f;
    for (float s : shift) largest = std::fmax(largest, absolute(s));
    // Sums of a group in another order, and powers: 1e-5 of the largest is the README's tolerance, 170 roundings.
    for (std::size_t g = 0; g != shift.size(); ++g) CHECK(absolute(got.shift[g] - shift[g]) <= 1e-5f * largest);
    // The packed bytes hold as many differences as the codes, or fewer.
    CHECK(static_cast<double>(compare(got.packed, raw(want(".packed"))).count) <=
          1e-3 * static_cast<double>(got.codes.size()));
}

// One unit in the last place of a positive number of that type.
float ulp(float x, dtype type) {
    int exponent = 0;
    std::frexp(x, &exponent);
    return std::ldexp(1.0f, exponent - (type == dtype::f16 ? 11 : 8));
}

// Python rounds every intermediate to 16 bits, this library only what is stored.
void check_16_bits(io::SafetensorsFile const& file, weight_case const& c) {
    auto const got = run(*file.find(c.base + ".base"), c);
    REQUIRE(got.problem.empty());
    auto const scale = floats(*file.find(c.name + ".scale"));
    REQUIRE(got.scale.size() == scale.size());
    bool floored = false;
    for (std::size_t g = 0; g != scale.size(); ++g) {
        if (scale[g] < smallest_normal(got.type)) {
            CHECK(got.scale[g] == smallest_normal(got.type));
            floored = true;
        } else if (c.qtype.bits() == 8) {
            CHECK(got.scale[g] == scale[g]);
        } else {
            CHECK(absolute(got.scale[g] - scale[g]) <= ulp(scale[g], got.type));
        }
    }
    if (floored) return;
    if (c.qtype.bits() < 8) {
        auto const d = compare(got.shift, floats(*file.find(c.name + ".shift")));
        INFO(d.first);
        CHECK(d.count == 0);
    }
    auto const codes = raw(*file.find(c.name + ".codes"));
    REQUIRE(codes.size() == got.codes.size());
    c.qtype.visit([&]<class Q>(Q) {
        int worst = 0;
        for (std::size_t i = 0; i != codes.size(); ++i)
            worst = std::max(worst, std::abs(order_of<Q>(codes[i]) - order_of<Q>(got.codes[i])));
        CHECK(worst <= 1);
    });
}

std::size_t check_file(std::string const& path, bool rounds_like_python = true) {
    auto const file = golden::open(path);
    auto const names = cases(file, ".dequantized");
    for (auto const& name : names) {
        INFO(path << ": " << name);
        auto const c = parse_weight(name);
        REQUIRE(file.find(c.base + ".base") != nullptr);
        if (file.find(c.base + ".base")->type() == dtype::f32 || !rounds_like_python)
            check_exact(file, c);
        else
            check_16_bits(file, c);
    }
    return names.size();
}

}  // namespace

TEST_CASE("weights of Python quanto, f32, come out bit for bit") {
    auto const path = shared() + "/weights_f32.safetensors";
    if (!exists(path)) QUANTO_SKIP("no shared golden vectors");
    CHECK(check_file(path) == 188);
}

TEST_CASE("weights of Python quanto, f16 and bf16, come out within the roundings that it adds") {
    if (!exists(shared() + "/weights_f16.safetensors")) QUANTO_SKIP("no shared golden vectors");
    CHECK(check_file(shared() + "/weights_f16.safetensors") == 60);
    CHECK(check_file(shared() + "/weights_bf16.safetensors") == 62);
}

TEST_CASE("weights of the fixtures come out bit for bit") {
    CHECK(check_file(fixtures() + "/weights.safetensors", false) > 150);
}
