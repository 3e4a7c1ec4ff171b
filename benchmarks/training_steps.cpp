// One step of training: forward, backward, Adam; its work is that of its products, 2 M N K each: y = x w^T, dw = dy^T x
// and, but for the first layer, dx = dy w. Beside it these products alone, in the shapes in which the step computes
// them.
#include <quanto/quanto.hpp>

#include <cmath>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

constexpr std::size_t batch = 64;

struct product {
    std::size_t times, m, n, k;
};
// Those of a layer of `rows` rows, cut into tiles.
void add_layer(std::vector<product>& list, std::size_t rows, std::size_t tile, std::size_t n, std::size_t k,
               bool is_first = false) {
    std::size_t const times = rows / tile;
    list.push_back({times, tile, n, k});
    list.push_back({times, n, k, tile});
    if (!is_first) list.push_back({times, tile, k, n});
}

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
    static std::vector<product> products() {
        std::vector<product> list;
        add_layer(list, batch, batch, 256, 784, true);
        add_layer(list, batch, batch, 128, 256);
        add_layer(list, batch, batch, 10, 128);
        return list;
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
    static std::vector<product> products() {
        std::vector<product> list;
        add_layer(list, batch * 28 * 28, 512, 32, 9, true);
        add_layer(list, batch * 14 * 14, 448, 64, 288);
        add_layer(list, batch * 7 * 7, 224, 128, 576);
        add_layer(list, batch, batch, 256, 1152);
        add_layer(list, batch, batch, 10, 256);
        return list;
    }
};

double operations_of(std::vector<product> const& list) {
    double sum = 0;
    for (auto const& p : list) sum += 2.0 * static_cast<double>(p.times * p.m * p.n * p.k);
    return sum;
}

subject products_alone(std::vector<product> const& list) {
    struct operands {
        std::vector<product> list;
        std::vector<Tensor<float>> x, w, y;
        cpu_backend backend;
    };
    auto o = std::make_shared<operands>();
    o->list = list;
    for (auto const& p : list) {
        o->x.push_back(random_values(p.m, p.k, 1));
        o->w.push_back(random_values(p.n, p.k, 2));
        o->y.emplace_back(p.m, p.n);
    }
    auto const run = [o] {
        for (std::size_t i = 0; i != o->list.size(); ++i)
            for (std::size_t t = 0; t != o->list[i].times; ++t)
                o->backend.matmul(matrix_view<float const>(o->x[i]), matrix_view<float const>(o->w[i]),
                                  matrix_view<float>(o->y[i]));
    };
    return {0, operations_of(list), run, [o]() -> std::string {
                for (std::size_t i = 0; i != o->list.size(); ++i) {
                    auto const w = [&](std::size_t n, std::size_t k) { return o->w[i][n * o->list[i].k + k]; };
                    if (auto wrong = check_product(o->x[i], w, o->y[i]); !wrong.empty()) return wrong;
                }
                return "";
            }};
}

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
    return {0, operations_of(Network::products()), [s] { s->loss = s->tuner->step(s->x, s->labels); },
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
        t.add({title + ", its products alone", limit::fma_f32, 0.5},
              [] { return products_alone(Network::products()); });
        t.add({title, limit::fma_f32}, [] { return training_step<Network>({.shards = 1}); });
        t.add({title, limit::fma_f32, 0, 2},
              [&t] { return training_step<Network>({.shards = 2, .executor = executor_ref(t.two_threads())}); });
        t.add({title + ", int4", limit::fma_f32}, [] { return training_step<Network>({.shards = 1}, qint4{}); });
        t.add({title + ", int2, learned scales", limit::fma_f32},
              [] { return training_step<Network>({.learn_scales = true, .shards = 1}, qint2{}); });
    };
    rows(Mlp{}, "MLP");
    rows(Cnn{}, "CNN");
}

}  // namespace benchmarks
