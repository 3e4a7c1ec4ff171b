#include <quanto/nn/batch_norm.hpp>
#include <quanto/nn/flatten.hpp>
#include <quanto/nn/fold.hpp>
#include <quanto/nn/sequential.hpp>
#include <quanto/workflow/load.hpp>
#include <quanto/workflow/save.hpp>

#include <string>

#include "directory.hpp"
#include "finite_difference.hpp"

#include "catch.hpp"

namespace {
using namespace quanto;

Tensor<float> values(extents const& shape, std::size_t seed) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = static_cast<float>((i + seed) * 7 % 13) * 0.25f - 1.5f;
    return t;
}
any_tensor counter(std::uint64_t n) {
    auto bytes = storage::allocate(8);
    std::memcpy(bytes->mutable_data(), &n, 8);
    return {dtype::i64, {}, std::move(*bytes)};
}
// Variances are squares of powers of two, eps is 0: the formula is exact.
nn::BatchNorm norm(std::size_t channels) {
    nn::BatchNorm n(channels, 0.0f);
    Tensor<float> variance(extents{channels});
    for (std::size_t c = 0; c != channels; ++c) variance[c] = c % 2 == 0 ? 0.25f : 4.0f;
    n.weight = values({channels}, 1);
    n.bias = values({channels}, 2);
    n.running_mean = values({channels}, 3);
    n.running_var = variance;
    n.num_batches_tracked = counter(17);
    return n;
}
float direct(nn::BatchNorm const& n, float x, std::size_t c) {
    return (x - n.running_mean[c]) / (c % 2 == 0 ? 0.5f : 2.0f) * n.weight[c] + n.bias[c];
}
}  // namespace

TEST_CASE("BatchNorm is the formula") {
    auto const n = norm(3);
    for (auto const& shape : {extents{2, 3}, extents{2, 3, 5}, extents{2, 3, 2, 4}}) {
        auto const x = values(shape, 0);
        auto const y = n(x);
        REQUIRE(y.shape() == shape);
        std::size_t const area = x.size() / 6;
        for (std::size_t i = 0; i != x.size(); ++i) CHECK(y[i] == direct(n, x[i], i / area % 3));
        auto const q = n(nn::quantize_activation(x, qint8{}, 0.25f));
        CHECK_FALSE(q.is_quantized());
        CHECK(q[1] == y[1]);
    }
    nn::BatchNorm with_eps = norm(1);
    with_eps.eps = 3.75f;  // 0.25 + 3.75 = 4
    CHECK(with_eps(values({1, 1}, 0))[0] ==
          (values({1, 1}, 0)[0] - with_eps.running_mean[0]) / 2.0f * with_eps.weight[0] + with_eps.bias[0]);
}

TEST_CASE("a BatchNorm that does not fit is an error") {
    CHECK(norm(3)(values({2, 4, 5}, 0)).error().message() == "BatchNorm (3): the input has shape (2, 4, 5)");
    CHECK(norm(3)(values({3}, 0)).error().code() == errc::shape_mismatch);
    CHECK(nn::BatchNorm(3)(values({2, 3}, 0)).error().code() == errc::missing);
    CHECK(norm(3)(error(errc::io, "first")).error().message() == "first");
    CHECK(nn::BatchNorm::identity()(values({2, 4}, 0))[3] == values({2, 4}, 0)[3]);
}

TEST_CASE("a norm folds into the layer before it") {
    auto const check = [](auto layer, auto with_bias, Tensor<float> const& x) {
        for (auto* l : {&layer, &with_bias}) {
            auto n = norm(4);
            auto const before = n((*l)(x));
            REQUIRE(before);
            REQUIRE(nn::fold(*l, n));
            CHECK(n.is_identity());
            auto const after = n((*l)(x));
            REQUIRE(after);
            // All values are multiples of 2^-10 below 2^10: no rounding anywhere.
            for (std::size_t i = 0; i != before.size(); ++i) CHECK(after[i] == before[i]);
            CHECK(nn::fold(*l, n));  // the identity: nothing happens
            CHECK((*l)(x)[0] == after[0]);
        }
    };
    check(nn::Linear(any_tensor(values({4, 5}, 4))), nn::Linear(values({4, 5}, 4), values({4}, 5)), values({3, 5}, 0));
    check(nn::Conv2d(any_tensor(values({4, 2, 3, 3}, 4)), {}, {.padding = 1}),
          nn::Conv2d(values({4, 2, 3, 3}, 4), values({4}, 5), {.padding = 1}), values({2, 2, 5, 5}, 0));
    check(nn::Conv1d(any_tensor(values({4, 1, 3}, 4)), {}, {.groups = 2}),
          nn::Conv1d(values({4, 1, 3}, 4), values({4}, 5), {.groups = 2}), values({2, 2, 5}, 0));
}

TEST_CASE("a norm folds into the Linear behind it, through a flatten") {
    auto n = norm(3);
    nn::Linear fc(values({2, 12}, 4));
    auto const x = values({2, 3, 2, 2}, 0);
    auto const before = fc(nn::flatten(n(x)));
    REQUIRE(before);
    REQUIRE(nn::fold(n, fc));
    auto const after = fc(nn::flatten(n(x)));
    REQUIRE(after);
    REQUIRE(fc.bias);
    for (std::size_t i = 0; i != before.size(); ++i) CHECK(after[i] == before[i]);
}

TEST_CASE("folding a marked weight quantizes it anew, a frozen one is an error") {
    auto n = norm(4);
    nn::Linear fc(values({4, 8}, 4));
    REQUIRE(fc.weight.quantize({qint8{}}));
    REQUIRE(nn::fold(fc, n));
    auto const again = quantize<qint8>(tensor_view<float const>(
        reinterpret_cast<float const*>(fc.weight.master()->bytes().data()), fc.weight.shape()));
    REQUIRE(again);
    for (std::size_t i = 0; i != 32; ++i) CHECK(fc.weight.quantized()->as<qint8>()[i] == (*again)[i]);
    fc.weight.freeze();
    auto other = norm(4);
    CHECK(nn::fold(fc, other).error().message() == "fold: the weight is frozen");
    CHECK_FALSE(other.is_identity());
    nn::Linear wide(values({5, 8}, 4));
    CHECK(nn::fold(wide, other).error().code() == errc::shape_mismatch);
    CHECK(nn::fold(other = norm(3), wide).error().code() == errc::shape_mismatch);
    nn::Linear declared(4, 4);
    CHECK(nn::fold(declared, other = norm(4)).error().code() == errc::missing);
    nn::BatchNorm empty(5);
    CHECK(nn::fold(wide, empty).error().code() == errc::missing);
}

TEST_CASE("a BatchNorm is saved and loaded with PyTorch's names, and its counter") {
    Directory const folder("quanto_batch_norm");
    auto const directory = folder.string();
    nn::Sequential model{nn::Conv2d(values({4, 2, 3, 3}, 4), values({4}, 5)), norm(4)};
    REQUIRE(quantize(model, {.weights = qint8{}}));
    REQUIRE(save(model, directory));
    auto const file = io::open_safetensors(directory + "/model.safetensors");
    REQUIRE(file);
    for (auto const* key : {"1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"})
        CHECK(file->find(key) != nullptr);
    CHECK(file->find("1.num_batches_tracked")->type() == dtype::i64);

    nn::Sequential fresh{nn::Conv2d(2, 4, 3), nn::BatchNorm(4, 0.0f)};
    auto const report = load(fresh, directory);
    if (!report) FAIL(report.error().c_str());
    auto const x = values({1, 2, 4, 4}, 0);
    for (std::size_t i = 0; i != 16; ++i) CHECK(fresh(x)[i] == model(x)[i]);
    std::uint64_t count = 0;
    std::memcpy(&count, fresh.get<1>().num_batches_tracked.bytes().data(), 8);
    CHECK(count == 17);

    nn::Sequential folded{nn::Conv2d(2, 4, 3), nn::BatchNorm::identity()};
    CHECK(load(folded, directory).error().code() == errc::unexpected);
    nn::Sequential wrong{nn::Conv2d(2, 4, 3), nn::BatchNorm(5)};
    CHECK(std::string(load(wrong, directory).error().c_str()).find("1.weight") != std::string::npos);
}

namespace {
// The norm as it is tuned: by the statistics of what comes in.
struct tuned_norm {
    nn::BatchNorm const& norm;
    nn::Activation operator()(nn::Activation const& x) const {
        if (x.tape() != nullptr) {
            x.tape()->watch(norm.statistics());
            return norm(x);
        }
        nn::Tape tape;
        tape.watch(norm.statistics());
        nn::context where;
        where.tape = &tape;
        auto const y = norm(nn::Activation(*x.value(), where)).value();
        return y ? nn::Activation(*y) : nn::Activation(y.error());
    }
};
}  // namespace

TEST_CASE("while it is tuned, a BatchNorm normalizes by the batch, and its running statistics follow") {
    nn::BatchNorm n(2, 0.0f);
    REQUIRE(initialize(n));
    CHECK(n.running_mean[1] == 0.0f);
    CHECK(n.running_var[1] == 1.0f);
    CHECK(n.batches() == 0);
    Tensor<float> x(extents{2, 2, 2});  // channel 0: 1 3 5 7, channel 1: 10 10 12 12
    float const list[] = {1, 3, 10, 10, 5, 7, 12, 12};
    for (std::size_t i = 0; i != 8; ++i) x[i] = list[i];
    nn::Tape tape;
    tape.watch(n.statistics());
    nn::context where;
    where.tape = &tape;
    auto const y = n(nn::Activation(x, where));
    REQUIRE(y);
    CHECK(std::abs(static_cast<double>(y[0]) + 3 / std::sqrt(5.0)) <= 4 * 0x1p-24);  // 1 * 0.447 - 1.789, rounded
    CHECK(y[2] == -1.0f);
    CHECK(y[7] == 1.0f);
    REQUIRE(n.follow(*tape.gradient(n.statistics())));
    CHECK(n.running_mean[0] == 0.1f * 4.0f);
    CHECK(n.running_mean[1] == 0.1f * 11.0f);
    CHECK(n.running_var[0] == 0.9f + 0.1f * (20.0f / 3.0f));
    CHECK(n.running_var[1] == 0.9f + 0.1f * (4.0f / 3.0f));
    CHECK(n.batches() == 1);
    CHECK(n(x)[0] ==
          static_cast<float>(n.channel(0).factor) + static_cast<float>(n.channel(0).offset));  // by the running ones

    tape.clear();
    auto const one = n(nn::Activation(values({1, 2, 1}, 0), where));
    REQUIRE_FALSE(one);
    CHECK(one.error().message() == "BatchNorm: a batch of one value per channel has no variance");
    CHECK(n(values({1, 2, 1}, 0)));
}

TEST_CASE("gradients through the statistics of a batch agree with finite differences") {
    auto n = norm(3);
    tuned_norm const tuned{n};
    for (auto const& shape : {extents{4, 3}, extents{3, 3, 3}, extents{2, 3, 3, 5}}) {
        auto const x = gradient::values(shape, 7);
        gradient::check_input(tuned, x, "BatchNorm");
        gradient::check_parameter(
            tuned, x, &n.weight, gradient::values({3}, 4), [&](Tensor<float> const& w) { n.weight = w; }, "dw");
        gradient::check_parameter(
            tuned, x, &n.bias, gradient::values({3}, 5), [&](Tensor<float> const& b) { n.bias = b; }, "db");
    }
    gradient::check_input(n, gradient::values({2, 3, 5}, 7), "BatchNorm with running statistics");
}
