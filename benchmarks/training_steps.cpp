// One step of training in float: forward, backward, Adam; compared with its products alone, 2 M N K each: y = x w^T,
// dw = dy^T x and, but for the first layer, dx = dy w.
#include <quanto/quanto.hpp>

#include <cmath>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

constexpr std::size_t batch = 64;

// The networks of the example.
struct Mlp {
    nn::Linear fc1{784, 256}, fc2{256, 128}, fc3{128, 10};

    nn::Activation operator()(nn::Activation const& x) const { return fc3(nn::relu(fc2(nn::relu(fc1(x))))); }
    static void children(auto& self, auto&& each) {
        each("fc1", self.fc1);
        each("fc2", self.fc2);
        each("fc3", self.fc3);
    }
    static extents input() { return {batch, 784}; }
    static double operations() {
        return 2.0 * static_cast<double>(batch) * (2 * 784 * 256 + 3 * (256 * 128 + 128 * 10));
    }
};
struct Cnn {
    nn::Conv2d conv1{1, 32, 3, {.padding = 1}}, conv2{32, 64, 3, {.padding = 1}}, conv3{64, 128, 3, {.padding = 1}};
    nn::BatchNorm norm1{32}, norm2{64}, norm3{128};
    nn::Linear fc1{1152, 256}, fc2{256, 10};

    nn::Activation operator()(nn::Activation const& x) const {
        auto const a = nn::max_pool2d(nn::relu(norm1(conv1(x))), 2);
        auto const b = nn::max_pool2d(nn::relu(norm2(conv2(a))), 2);
        auto const c = nn::max_pool2d(nn::relu(norm3(conv3(b))), 2);
        return fc2(nn::relu(fc1(nn::flatten(c))));
    }
    static void children(auto& self, auto&& each) {
        each("conv1", self.conv1);
        each("norm1", self.norm1);
        each("conv2", self.conv2);
        each("norm2", self.norm2);
        each("conv3", self.conv3);
        each("norm3", self.norm3);
        each("fc1", self.fc1);
        each("fc2", self.fc2);
    }
    static extents input() { return {batch, 1, 28, 28}; }
    static double operations() {
        double const products = 3.0 * (14 * 14 * 64 * 288 + 7 * 7 * 128 * 576 + 1152 * 256 + 256 * 10);
        return 2.0 * static_cast<double>(batch) * (2.0 * 28 * 28 * 32 * 9 + products);
    }
};

template <class Network>
subject training_step(tuner_options const& options, std::optional<any_qtype> weights = {}) {
    struct state {
        Network network;
        std::optional<Tuner<Network, adam>> tuner;
        Tensor<float> x;
        std::vector<std::uint8_t> labels;
        result<float> loss = 0.0f;
    };
    auto s = std::make_shared<state>();
    bool ready = static_cast<bool>(initialize(s->network, 1));
    if (weights) ready = ready && quantize(s->network, {.weights = weights});
    s->x = random_values(1, Network::input().numel(), 2).reshaped(Network::input());
    for (std::size_t i = 0; i != batch; ++i) s->labels.push_back(static_cast<std::uint8_t>(i * 7 % 10));
    s->tuner.emplace(s->network, adam{}, options);
    return {0, Network::operations(), [s] { s->loss = s->tuner->step(s->x, s->labels); },
            [s, ready]() -> std::string {
                if (!ready) return "the network could not be prepared";
                if (!s->loss) return s->loss.error().c_str();
                return std::abs(*s->loss - std::log(10.0f)) < 1.5f ? "" : "not the loss of a network that guesses";
            }};
}

}  // namespace

void add_training_steps(table& t) {
    auto const rows = [&]<class Network>(Network, std::string const& name) {
        std::string const title = "training step, " + name + ", 64 images";
        t.add({title, limit::fma_f32, 0.5}, [] { return training_step<Network>({.shards = 1}); });
        t.add({title, limit::fma_f32, 0.5, 2},
              [&t] { return training_step<Network>({.shards = 4, .executor = executor_ref(t.two_threads())}); });
        t.add({title + ", int4", limit::fma_f32}, [] { return training_step<Network>({.shards = 1}, qint4{}); });
        t.add({title + ", int2, learned scales", limit::fma_f32},
              [] { return training_step<Network>({.learn_scales = true, .shards = 1}, qint2{}); });
    };
    rows(Mlp{}, "MLP");
    rows(Cnn{}, "CNN");
}

}  // namespace benchmarks
