#include <quanto/backend/reference_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/nn/conv1d.hpp>
#include <quanto/nn/conv2d.hpp>
#include <quanto/nn/pooling.hpp>
#include <quanto/nn/relu.hpp>
#include <quanto/nn/sequential.hpp>
#include <quanto/workflow/calibration.hpp>
#include <quanto/workflow/freeze.hpp>
#include <quanto/workflow/initialize.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "memory.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;

// Small multiples of 1/4: every sum below is exact.
Tensor<float> values(extents const& shape, std::size_t seed) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = static_cast<float>((i + seed) * 7 % 13) * 0.25f - 1.5f;
    return t;
}

struct Case {
    std::size_t images, channels, outputs, groups;
    size_2d in;
    window taps;
};
std::vector<Case> const cases{
    {2, 3, 5, 1, {7, 6}, {{3, 3}, {1}, {1}, {1}}},       {1, 4, 6, 2, {9, 8}, {{3, 2}, {2, 1}, {0, 1}, {1}}},
    {3, 6, 6, 6, {5, 9}, {{3, 3}, {1}, {2}, {1}}},       {1, 6, 12, 6, {8, 8}, {{2, 3}, {2, 3}, {1, 0}, {2, 1}}},
    {2, 2, 3, 1, {1, 1}, {{1, 1}, {1}, {0}, {1}}},       {1, 3, 2, 1, {4, 5}, {{3, 3}, {1}, {5, 4}, {1}}},
    {1, 16, 7, 1, {12, 11}, {{3, 3}, {1}, {2}, {2}}},    {4, 8, 8, 4, {3, 3}, {{3, 3}, {1}, {0}, {1}}},
    {1, 1, 1, 1, {40, 40}, {{5, 5}, {1}, {2}, {1}}},     {2, 5, 20, 5, {6, 6}, {{1, 1}, {3}, {0}, {1}}},
    {1, 19, 33, 1, {4, 37}, {{2, 3}, {1}, {1, 2}, {1}}}, {2, 2, 2, 1, {3, 70}, {{1, 9}, {1, 2}, {0, 4}, {1, 3}}},
    {1, 64, 16, 1, {6, 6}, {{3, 3}, {1}, {1}, {1}}},     {1, 3, 2, 1, {4, 5}, {{3, 3}, {1000}, {1001}, {1}}},
};

// The definition. x(image, c, iy, ix), w(o, c of the group, i, j): any operands.
template <class T, class X, class W>
std::vector<T> direct(Case const& c, size_2d out, X const& x, W const& w) {
    std::vector<T> y;
    std::size_t const per_in = c.channels / c.groups, per_out = c.outputs / c.groups;
    auto const signed_size = [](std::size_t n) { return static_cast<std::ptrdiff_t>(n); };
    for (std::size_t n = 0; n != c.images; ++n)
        for (std::size_t o = 0; o != c.outputs; ++o)
            for (std::size_t oy = 0; oy != out.height; ++oy)
                for (std::size_t ox = 0; ox != out.width; ++ox) {
                    T sum = 0;
                    for (std::size_t k = 0; k != per_in; ++k)
                        for (std::size_t i = 0; i != c.taps.kernel.height; ++i)
                            for (std::size_t j = 0; j != c.taps.kernel.width; ++j) {
                                auto const iy = signed_size(oy * c.taps.stride.height + i * c.taps.dilation.height) -
                                                signed_size(c.taps.padding.height);
                                auto const ix = signed_size(ox * c.taps.stride.width + j * c.taps.dilation.width) -
                                                signed_size(c.taps.padding.width);
                                if (iy < 0 || ix < 0 || iy >= signed_size(c.in.height) || ix >= signed_size(c.in.width))
                                    continue;
                                std::size_t const plane = n * c.channels + o / per_out * per_in + k;
                                sum += x((plane * c.in.height + static_cast<std::size_t>(iy)) * c.in.width +
                                         static_cast<std::size_t>(ix)) *
                                       w(((o * per_in + k) * c.taps.kernel.height + i) * c.taps.kernel.width + j);
                            }
                    y.push_back(sum);
                }
    return y;
}

nn::Conv2d make(Case const& c, bool bias) {
    return nn::Conv2d(
        values({c.outputs, c.channels / c.groups, c.taps.kernel.height, c.taps.kernel.width}, 3),
        bias ? std::optional<any_tensor>(values({c.outputs}, 5)) : std::nullopt,
        {.stride = c.taps.stride, .padding = c.taps.padding, .dilation = c.taps.dilation, .groups = c.groups});
}
Tensor<float> input(Case const& c) { return values({c.images, c.channels, c.in.height, c.in.width}, 1); }
}  // namespace

TEST_CASE("the number of outputs of a window is PyTorch's") {
    CHECK(*window{{3}, {1}, {1}, {1}}.outputs({56, 56}) == size_2d(56, 56));
    CHECK(*window{{3, 2}, {2, 3}, {0, 1}, {2, 1}}.outputs({9, 10}) == size_2d(3, 4));
    CHECK(*window{{5}, {1}, {0}, {1}}.outputs({5, 5}) == size_2d(1, 1));
    CHECK(window{{5}, {1}, {0}, {1}}.outputs({4, 5}).error().code() == errc::shape_mismatch);
    for (window const& w : {window{{0}}, window{{1}, {0}}, window{{1}, {1}, {0}, {0}}})
        CHECK(w.outputs({4, 4}).error().code() == errc::invalid_argument);
    std::size_t const huge = static_cast<std::size_t>(-1);
    for (window const& w : {window{{huge}}, window{{2}, {1}, {huge / 2}}, window{{3}, {1}, {0}, {huge / 2}}})
        CHECK_FALSE(w.outputs({4, 4}));
}

TEST_CASE("a float Conv2d is the formula, for every stride, padding, dilation and group") {
    for (auto const& c : cases)
        for (bool bias : {false, true}) {
            auto const conv = make(c, bias);
            auto const x = input(c), w = values(conv.weight.shape(), 3), b = values({c.outputs}, 5);
            auto const out = *c.taps.outputs(c.in);
            auto const want = direct<float>(
                c, out, [&](std::size_t i) { return x[i]; }, [&](std::size_t i) { return w[i]; });
            auto const y = conv(x);
            if (!y) FAIL(y.error().c_str());
            REQUIRE(y.shape() == extents{c.images, c.outputs, out.height, out.width});
            for (std::size_t i = 0; i != want.size(); ++i)
                CHECK(y[i] == want[i] + (bias ? b[i / out.area() % c.outputs] : 0.0f));
        }
}

TEST_CASE("a quantized Conv2d multiplies with its dequantized weights") {
    for (auto const& c : cases)
        any_qtype::for_each([&](auto q) {
            auto conv = make(c, true);
            REQUIRE(conv.weight.quantize({q, q.bits < 8 ? std::size_t{9} : 0}));
            conv.weight.freeze();
            auto const x = input(c), b = values({c.outputs}, 5);
            auto const out = *c.taps.outputs(c.in);
            auto const y = conv(x);
            if (!y) FAIL(y.error().c_str());
            conv.weight.quantized()->visit([&](auto const& w) {
                auto const want = direct<float>(
                    c, out, [&](std::size_t i) { return x[i]; }, [&](std::size_t i) { return w[i]; });
                // k products below 4 each: two sums with k + 1 roundings of at most 2^-24 of 4 k.
                float const k = static_cast<float>(c.channels / c.groups * c.taps.kernel.area());
                for (std::size_t i = 0; i != want.size(); ++i)
                    CHECK(absolute(y[i] - want[i] - b[i / out.area() % c.outputs]) <= (k + 4) * 4 * k * 0x1p-23f);
            });
        });
}

TEST_CASE("int8 codes and int8 weights are convolved as integers, exactly") {
    for (auto const& c : cases)
        for (bool bias : {false, true}) {
            auto conv = make(c, bias);
            REQUIRE(conv.weight.quantize({qint8{}}));
            auto const codes = nn::quantize_activation(input(c), qint8{}, 0.011f);
            auto const w = conv.weight.quantized()->as<qint8>();
            auto const b = values({c.outputs}, 5);
            auto const out = *c.taps.outputs(c.in);
            auto const sums = direct<std::int32_t>(
                c, out, [&](std::size_t i) { return static_cast<std::int8_t>(codes.codes()[i]); },
                [&](std::size_t i) { return static_cast<std::int8_t>(w.codes[i]); });
            auto const y = conv(codes);
            if (!y) FAIL(y.error().c_str());
            REQUIRE_FALSE(y.is_quantized());
            conv.activation = {.type = qint8{}, .output_scale = 0.37f};
            auto const q = conv(codes);
            REQUIRE(q.is_quantized());
            CHECK(q.scale() == 0.37f);
            for (std::size_t i = 0; i != sums.size(); ++i) {
                std::size_t const o = i / out.area() % c.outputs;
                float exact = rounded(static_cast<float>(sums[i]) * (0.011f * w.scale(o)));
                if (bias) exact += b[o];
                CHECK(y[i] == exact);
                CHECK(q.codes()[i] == symmetric_code<qint8>(exact, 0.37f));
            }
        }
}

TEST_CASE("prepared weights give the same integers, and floats within the same bound") {
    for (auto const& c : cases)
        any_qtype::for_each([&](auto q) {
            auto conv = make(c, true);
            REQUIRE(conv.weight.quantize({q, q.bits < 8 ? std::size_t{9} : 0}));
            conv.weight.freeze();
            nn::Activation const x = input(c), codes = nn::quantize_activation(x, qint8{}, 0.25f);
            auto const as_float = conv(x), as_codes = conv(codes);
            auto const before = conv.weight.quantized()->parts();
            REQUIRE(conv.weight.prepare(nn::context{}.backend));
            for (bool released : {false, true}) {
                if (released) conv.weight.release_portable();
                CHECK((conv.weight.quantized() == nullptr) == (released && conv.weight.prepared() != nullptr));
                auto const portable = conv.weight.portable();
                REQUIRE(portable);
                auto const& after = portable->parts();
                CHECK(after.shape == before.shape);
                for (auto part : {&qtensor_parts::codes, &qtensor_parts::scale, &qtensor_parts::shift}) {
                    REQUIRE((after.*part).size() == (before.*part).size());
                    CHECK(std::equal((before.*part).data(), (before.*part).data() + (before.*part).size(),
                                     (after.*part).data()));
                }
                auto const y = conv(x), z = conv(codes);
                if (!y) FAIL(y.error().c_str());
                float const k = static_cast<float>(c.channels / c.groups * c.taps.kernel.area());
                for (std::size_t i = 0; i != y.size(); ++i) {
                    CHECK(absolute(y[i] - as_float[i]) <= (k + 4) * 4 * k * 0x1p-23f);
                    if (any_qtype(q).template is<qint8>())
                        CHECK(z[i] == as_codes[i]);
                    else
                        CHECK(absolute(z[i] - as_codes[i]) <= (k + 4) * 4 * k * 0x1p-23f);
                }
            }
        });
}

TEST_CASE("codes that are written at once are those of the float output") {
    float const infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (auto const& c : cases)
        for (float const odd : {0.5f, infinity, -infinity, nan}) {
            auto conv = make(c, true);
            auto b = values({c.outputs}, 5);
            b[c.outputs / 2] = odd;
            conv.bias = b;
            REQUIRE(conv.weight.quantize({qint8{}}));
            conv.activation = {.type = qint8{}, .output_scale = 0.11f, .quantize_output = false};
            auto const codes = nn::quantize_activation(input(c), qint8{}, 0.011f);
            auto const want = nn::quantize_activation(conv(codes), qint8{}, 0.11f);
            conv.activation.quantize_output = true;
            for (bool prepared : {false, true}) {
                if (prepared) REQUIRE(conv.weight.prepare(nn::context{}.backend));
                auto const y = conv(codes);
                REQUIRE(bool(y) == bool(want));
                if (!y) {
                    CHECK(y.error().code() == errc::not_finite);  // NaN
                    CHECK(y.error().message() == want.error().message());
                    continue;
                }
                REQUIRE(y.is_quantized());
                CHECK(y.scale() == 0.11f);
                for (std::size_t i = 0; i != want.size(); ++i) CHECK(y.codes()[i] == want.codes()[i]);
            }
        }
}

TEST_CASE("codes in the middle between two are rounded as by definition") {
    Tensor<float> w(extents{1, 1, 1, 1});
    w[0] = 127.0f;  // code 127, scale 1
    nn::Conv2d conv(w);
    REQUIRE(conv.weight.quantize({qint8{}}));
    REQUIRE(conv.weight.prepare(nn::context{}.backend));
    Tensor<float> x(extents{1, 16, 16});
    for (std::size_t i = 0; i != x.size(); ++i) x[i] = static_cast<float>(i) - 128.0f;
    auto const codes = nn::quantize_activation(x, qint8{}, 1.0f);
    // y / scale = x / 2, near x / 2, far beyond the codes, infinite.
    for (float const scale : {254.0f, 253.99998f, 254.00002f, 1e-4f, 1e-38f, 1e-42f, 1e38f}) {
        conv.activation = {.type = qint8{}, .output_scale = scale, .quantize_output = false};
        auto const want = nn::quantize_activation(conv(codes), qint8{}, scale);
        conv.activation.quantize_output = true;
        auto const y = conv(codes);
        REQUIRE(y.is_quantized());
        for (std::size_t i = 0; i != want.size(); ++i) CHECK(y.codes()[i] == want.codes()[i]);
    }
}

TEST_CASE("threads change nothing of a convolution") {
    thread_executor threads(3);
    cpu_backend const cpu({.executor = threads});
    nn::context const here{cpu};
    auto conv = make({2, 40, 40, 1, {24, 24}, {{3}, {1}, {1}, {1}}}, true);
    auto const x = values({2, 40, 24, 24}, 1);
    auto const same = [&](nn::Activation const& alone, nn::Activation const& together) {
        REQUIRE(together);
        for (std::size_t i = 0; i != alone.size(); ++i) CHECK(together[i] == alone[i]);
    };
    same(conv(x), conv(nn::Activation(x, here)));
    REQUIRE(conv.weight.quantize({qint8{}}));
    REQUIRE(conv.weight.prepare(here.backend));
    same(conv(nn::quantize_activation(x, qint8{}, 0.011f)),
         conv(nn::quantize_activation(nn::Activation(x, here), qint8{}, 0.011f)));
}

TEST_CASE("a float input stays float unless it is asked to be quantized") {
    auto conv = make(cases[0], true);
    REQUIRE(conv.weight.quantize({qint8{}}));
    conv.activation = {.type = qint8{}, .input_scale = 0.25f, .quantize_output = false};
    auto const x = input(cases[0]);
    auto const as_float = conv(x), as_codes = conv(nn::quantize_activation(x, qint8{}, 0.25f));
    conv.quantize_input = true;
    auto const quantized = conv(x);
    REQUIRE(quantized);
    std::size_t different = 0;
    for (std::size_t i = 0; i != quantized.size(); ++i) {
        CHECK(quantized[i] == as_codes[i]);
        different += quantized[i] != as_float[i];
    }
    CHECK(different != 0);
    // Without a scale there is nothing to quantize with.
    conv.activation.input_scale.reset();
    CHECK(conv(x)[0] == as_float[0]);
}

TEST_CASE("a picture needs no batch, and a batch may be empty") {
    auto const conv = make(cases[0], true);
    auto const x = values({3, 7, 6}, 1);
    auto const y = conv(x), batched = conv(values({1, 3, 7, 6}, 1));
    REQUIRE(y.shape() == extents{5, 7, 6});
    for (std::size_t i = 0; i != y.size(); ++i) CHECK(y[i] == batched[i]);
    CHECK(conv(Tensor<float>(extents{0, 3, 7, 6})).shape() == extents{0, 5, 7, 6});
}

TEST_CASE("Conv1d is a Conv2d on pictures of height 1") {
    for (std::size_t groups : {1u, 2u, 4u})
        for (any_qtype const type : {any_qtype(qint8{}), any_qtype(qint4{})}) {
            nn::conv1d_options const o{.stride = 2, .padding = 3, .dilation = 2, .groups = groups};
            nn::Conv1d line(values({8, 4 / groups, 3}, 3), values({8}, 5), o);
            nn::Conv2d flat(values({8, 4 / groups, 1, 3}, 3), values({8}, 5),
                            {.stride = {1, 2}, .padding = {0, 3}, .dilation = {1, 2}, .groups = groups});
            REQUIRE(line.weight.quantize({type}));
            REQUIRE(flat.weight.quantize({type}));
            auto const x = values({2, 4, 11}, 1);
            auto const y = line(x), z = flat(values({2, 4, 1, 11}, 1));
            REQUIRE(y.shape() == extents{2, 8, 7});
            REQUIRE(z.shape() == extents{2, 8, 1, 7});
            for (std::size_t i = 0; i != y.size(); ++i) CHECK(y[i] == z[i]);
            CHECK(line(values({4, 11}, 1)).shape() == extents{8, 7});
            CHECK(nn::Conv1d(4, 8, 3, o)(x).error().code() == errc::missing);
        }
}

TEST_CASE("16-bit weights are convolved in float") {
    auto const w = values({5, 3, 3, 3}, 3);
    for (dtype type : {dtype::f16, dtype::bf16}) {
        auto bytes = storage::allocate(w.size() * 2);
        REQUIRE(bytes);
        for (std::size_t i = 0; i != w.size(); ++i) any_tensor::store(type, bytes->mutable_data(), i, w[i]);
        auto const x = values({1, 3, 4, 4}, 1);
        auto const y = nn::Conv2d(any_tensor(type, w.shape(), std::move(*bytes)))(x), z = nn::Conv2d(any_tensor(w))(x);
        REQUIRE(y);
        for (std::size_t i = 0; i != y.size(); ++i) CHECK(y[i] == z[i]);
    }
}

TEST_CASE("shapes that do not fit a convolution are errors that say which") {
    nn::Conv2d const conv(values({5, 3, 3, 3}, 3), values({5}, 0));
    auto const message = [](nn::Activation const& y) { return std::string(y.error().message()); };
    CHECK(message(conv(values({2, 4, 7, 7}, 0))) == "Conv2d (3 to 5): the input has shape (2, 4, 7, 7)");
    CHECK(message(conv(values({3, 7}, 0))) == "Conv2d (3 to 5): the input has shape (3, 7)");
    CHECK(message(conv(values({3}, 0))) == "Conv2d (3 to 5): the input has shape (3)");
    CHECK(message(conv(values({1, 3, 2, 7}, 0))).starts_with("Conv2d: a window of 3 x 3"));
    CHECK(conv(values({2, 4, 7, 7}, 0)).error().code() == errc::shape_mismatch);
    nn::Activation const x = values({1, 3, 7, 7}, 0);
    std::string const own = "Conv2d: its own weight, bias and groups disagree: ";
    CHECK(message(nn::Conv2d(any_tensor(values({5, 3, 3}, 0)))(x)) == own + "(5, 3, 3)");
    CHECK(message(nn::Conv2d(any_tensor(values({5}, 0)))(x)) == own + "(5)");
    CHECK(message(nn::Conv2d(values({5, 3, 3, 3}, 0), values({4}, 0))(x)) == own + "(5, 3, 3, 3)");
    CHECK(message(nn::Conv2d(values({5, 3, 3, 3}, 0), {}, {.groups = 2})(x)) == own + "(5, 3, 3, 3)");
    CHECK(message(nn::Conv2d(values({5, 3, 3, 3}, 0), {}, {.groups = 0})(x)) == own + "(5, 3, 3, 3)");
    CHECK(nn::Conv2d(values({5, 3, 3, 3}, 0), {}, {.stride = 0})(x).error().code() == errc::invalid_argument);
    CHECK(message(nn::Conv1d(any_tensor(values({5, 3, 3, 3}, 0)))(x)).starts_with("Conv1d: its own"));
    CHECK(nn::Conv2d(3, 5, 3)(x).error().message() == "Conv2d (3 to 5): no values were loaded");
    CHECK(message(conv(error(errc::io, "first"))) == "first");
}

TEST_CASE("a convolution computes with the backend, and in the memory, of its context") {
    counted_memory memory;
    no_memory none;
    reference_backend const backend;
    for (auto const& c : cases) {
        nn::context const where{backend, &memory}, full{backend, &none};
        {
            auto const conv = make(c, true);
            auto const y = conv(nn::Activation(input(c), where)), z = conv(input(c));
            REQUIRE(y);
            CHECK(y.where_pointer() == &where);
            CHECK(memory.live == 1);
            for (std::size_t i = 0; i != y.size(); ++i) CHECK(y[i] == z[i]);
            CHECK(conv(nn::Activation(input(c), full)).error().code() == errc::out_of_memory);
        }
        CHECK(memory.live == 0);
    }
}

TEST_CASE("streamlining keeps the codes that an int8 convolution reads, through relu and max pooling") {
    nn::Sequential model{make({1, 3, 4, 1, {8, 8}, {{3}, {1}, {1}, {1}}}, true), nn::ReLU{}, nn::MaxPool2d{2},
                         make({1, 4, 4, 1, {4, 4}, {{3}, {1}, {1}, {1}}}, true)};
    REQUIRE(quantize(model, {.weights = qint8{}, .activations = qint8{}}));
    Calibration calibrate{model};
    REQUIRE(model(values({1, 3, 8, 8}, 1)));
    auto const report = calibrate.finish();
    REQUIRE(report);
    CHECK(report->rows[0].output_quantized);
    CHECK_FALSE(report->rows[1].output_quantized);
    CHECK(*report->rows[1].input.scale == *report->rows[0].output.scale);
    freeze(model);
    auto const y = model(values({1, 3, 8, 8}, 1));
    REQUIRE(y);
    CHECK_FALSE(y.is_quantized());

    // Float weights read floats: codes would only be dequantized.
    nn::Sequential other{make({1, 3, 4, 1, {8, 8}, {{3}, {1}, {1}, {1}}}, true),
                         make({1, 4, 4, 1, {8, 8}, {{3}, {1}, {1}, {1}}}, true)};
    REQUIRE(quantize(other, {.activations = qint8{}}));
    Calibration calibrate_other{other};
    REQUIRE(other(values({1, 3, 8, 8}, 1)));
    CHECK_FALSE(calibrate_other.finish()->rows[0].output_quantized);
}

TEST_CASE("a convolution explains which kernel it takes") {
    cpu_backend const best, portable({.force_isa = "portable"});
    nn::context const here{.backend = best}, plain{.backend = portable};
    nn::Conv2d dense(8, 16, 3, {.padding = 1});
    REQUIRE(initialize(dense, 1));
    CHECK(dense.explain(plain).kernel == "convolve_f32_portable");
    CHECK(dense.explain(plain).op == "convolve");
    CHECK_FALSE(dense.explain(plain).reason.empty());
    nn::Conv2d planes(8, 8, 3, {.groups = 8});
    REQUIRE(initialize(planes, 1));
    CHECK(planes.explain(here).kernel == "convolve_plane");
    REQUIRE(dense.weight.quantize({qint8{}}));
    REQUIRE(dense.weight.prepare(best));
    if (dense.weight.prepared() == nullptr) return;
    CHECK(dense.explain(here).op == "matmul of patches");
    CHECK(dense.explain(here).kernel.find("matmul_qint8_f32_panel_") == 0);
    dense.activation.type = qint8{};
    dense.activation.input_scale = 0.5f;
    auto const codes = dense.explain(here);
    std::string_view const product = best.explain_matmul(1, *dense.weight.prepared(), product_input::int8).kernel;
    bool const direct = product.ends_with("_avx512vnni") || product.ends_with("_avx2");
    CHECK(codes.op == (direct ? "convolve" : "matmul of patches"));
    CHECK(codes.kernel.find(direct ? "convolve_int8_panel_" : "matmul_qint8_int8_panel_") == 0);
    CHECK(codes.kernel.substr(codes.kernel.rfind('_')) == product.substr(product.rfind('_')));
}
