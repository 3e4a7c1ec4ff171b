#include "finite_difference.hpp"

#include "catch.hpp"

namespace {
using namespace gradient;

template <class M>
void check_module(M& m, Tensor<float> const& x, std::string const& name) {
    check_input(m, x, name);
    check_parameter(
        m, x, &m.weight, values(m.weight.shape(), 11), [&](Tensor<float> const& w) { REQUIRE(m.weight.set(w)); },
        name + " dw");
    check_parameter(
        m, x, &*m.bias, values(m.bias->shape(), 12), [&](Tensor<float> const& b) { *m.bias = b; }, name + " db");
}
nn::Conv2d conv(extents const& weight, nn::conv2d_options const& options) {
    return nn::Conv2d(any_tensor(values(weight, 1)), any_tensor(values({weight.front()}, 2)), options);
}
}  // namespace

TEST_CASE("gradients of Conv2d agree with finite differences") {
    auto plain = conv({3, 2, 3, 3}, {.padding = 1});
    check_module(plain, values({2, 2, 4, 5}, 3), "plain");
    auto strided = conv({3, 2, 2, 3}, {.stride = {2, 1}, .padding = {0, 2}, .dilation = {1, 2}});
    check_module(strided, values({2, 2, 5, 4}, 4), "stride and dilation");
    auto grouped = conv({4, 2, 2, 2}, {.groups = 2});
    check_module(grouped, values({2, 4, 3, 3}, 5), "groups");
    auto depthwise = conv({4, 1, 2, 2}, {.padding = 1, .groups = 2});
    check_module(depthwise, values({1, 2, 3, 3}, 6), "depthwise");
    auto single = conv({2, 3, 1, 1}, {});
    check_module(single, values({3, 3, 2}, 7), "one picture, one tap");
}

TEST_CASE("gradients of Conv1d agree with finite differences") {
    nn::Conv1d m(any_tensor(values({3, 2, 3}, 1)), any_tensor(values({3}, 2)), {.padding = 1});
    check_module(m, values({2, 2, 6}, 3), "Conv1d");
}

// More outputs than a tile has: the sums over tiles are those over one, in another order.
TEST_CASE("gradients of a convolution of many tiles are those of its parts") {
    auto const m = conv({2, 1, 3, 3}, {.padding = 1});
    auto const x = values({4, 1, 20, 20}, 3), dy = values({4, 2, 20, 20}, 4);
    auto const gradient_of = [&](std::size_t first, std::size_t count) {
        nn::Tape tape;
        tape.watch(&m.weight);
        nn::context where;
        where.tape = &tape;
        tensor_view<float const> const part(x.data() + first * 400, extents{count, 1, 20, 20});
        auto const y = m(nn::Activation(Tensor<float>::borrow(part), where));
        Tensor<float> g(extents{count, 2, 20, 20});
        std::copy_n(std::as_const(dy).data() + first * 800, g.size(), g.data());
        REQUIRE(tape.backward(y.node(), std::move(g)));
        return *tape.gradient(&m.weight);
    };
    Tensor<float> const whole = gradient_of(0, 4);
    Tensor<float> sum(whole.shape());
    for (std::size_t i = 0; i != 4; ++i) {
        Tensor<float> const part = gradient_of(i, 1);
        for (std::size_t j = 0; j != sum.size(); ++j) sum[j] += part[j];
    }
    // Two sums of 1,600 products of at most 1: each within 1,600 roundings of 2^-24 of 1,600.
    for (std::size_t j = 0; j != sum.size(); ++j)
        CHECK(std::abs(sum[j] - whole[j]) <= 2 * 1600.0f * 1600.0f * 0x1p-24f);
}

TEST_CASE("gradients of poolings agree with finite differences") {
    // Values that differ by more than 4 h within each window, so that the maximum stays where it is.
    Tensor<float> x({2, 2, 5, 4});
    for (std::size_t i = 0; i != x.size(); ++i) x[i] = static_cast<float>(i * 37 % 80) * 0.125f - 4.0f;
    check_input([](auto const& v) { return nn::max_pool2d(v, 2); }, x, "max");
    check_input([](auto const& v) { return nn::max_pool2d(v, 3, {.stride = size_2d(1), .padding = 1}); }, x,
                "max, padded");
    check_input([](auto const& v) { return nn::avg_pool2d(v, 2); }, x, "average");
    check_input(
        [](auto const& v) {
            return nn::avg_pool2d(v, 3, {.stride = size_2d(2), .padding = 1, .count_padding = false});
        },
        x, "average, padded");
    check_input([](auto const& v) { return nn::adaptive_avg_pool2d(v, {2, 3}); }, x, "adaptive");
}

TEST_CASE("the maximum of codes passes its gradient to the first of the largest codes") {
    Tensor<float> x({1, 2, 2});
    x[1] = x[2] = 1.0f;
    nn::Tape tape;
    nn::context where;
    where.tape = &tape;
    auto const tracked = nn::tracked(nn::Activation(x, where));
    auto const y = nn::max_pool2d(nn::quantize_activation(tracked, qint8{}, 0.25f), 2);
    REQUIRE(y.is_quantized());
    Tensor<float> dy({1, 1, 1});
    dy[0] = 3.0f;
    REQUIRE(tape.backward(y.node(), std::move(dy)));
    for (std::size_t i = 0; i != 4; ++i) CHECK(std::as_const(tracked.node()->gradient)[i] == (i == 1 ? 3.0f : 0.0f));
}

TEST_CASE("gradients of BatchNorm agree with finite differences") {
    nn::BatchNorm m(3);
    m.weight = values({3}, 1);
    m.bias = values({3}, 2);
    m.running_mean = values({3}, 3);
    Tensor<float> var({3});
    for (std::size_t i = 0; i != 3; ++i) var[i] = 0.5f + static_cast<float>(i);
    m.running_var = var;
    auto const x = values({2, 3, 2, 2}, 4);
    check_input(m, x, "BatchNorm");
    check_parameter(
        m, x, &m.weight, values({3}, 1), [&](Tensor<float> const& w) { m.weight = w; }, "BatchNorm dw");
    check_parameter(
        m, x, &m.bias, values({3}, 2), [&](Tensor<float> const& b) { m.bias = b; }, "BatchNorm db");
}
