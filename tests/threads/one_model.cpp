// One const model serves many threads. `sh tests/run.sh tsan` runs these tests, and compiles no others, with the thread
// sanitizer.
#include <quanto/quanto.hpp>

#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include <quanto/backend/reference_backend.hpp>
#include <quanto/backend/thread_executor.hpp>
#include <quanto/testing.hpp>

#include "catch.hpp"

namespace {
using namespace quanto;

// Wide enough that products are split over an executor.
using Model = nn::Sequential<nn::Linear, nn::ReLU, nn::LayerNorm, nn::Linear>;
Model model() {
    Model m(nn::Linear(256, 192), nn::ReLU{}, nn::LayerNorm(192), nn::Linear(192, 64));
    REQUIRE(initialize(m, 1));
    return m;
}
Tensor<float> input() { return testing::test_values(24, 256, 3); }

struct kind {
    char const* name;
    std::optional<any_qtype> weights, activations{};
    bool prepared = true;
    product_accuracy accuracy = product_accuracy::exact;
};
kind const kinds[] = {
    {"float", {}},
    {"qint4 as it is stored", qint4{}, {}, false},
    {"qint8 as it is stored, int8 activations", qint8{}, qint8{}, false},
    {"qint2 panels", qint2{}},
    {"qint4 panels", qint4{}},
    {"qint8 panels", qint8{}},
    {"qint4 panels, dynamic int8", qint4{}, {}, true, product_accuracy::dynamic_int8},
    {"qint8 panels, int8 activations", qint8{}, qint8{}},
    {"float8 panels", qfloat8{}},
    {"float8 panels, float8 activations", qfloat8{}, qfloat8{}},
};

Model frozen(kind const& k) {
    reference_backend const unprepared;
    prepare_options options;
    if (!k.prepared) options.backend = unprepared;
    Model m = model();
    if (!k.weights) return m;
    REQUIRE(quantize(m, {.weights = k.weights, .activations = k.activations, .prepare = options}));
    if (k.activations) {
        Calibration calibrate{m};
        REQUIRE(m(input()));
        REQUIRE(calibrate.finish());
    }
    REQUIRE(freeze(m, options));
    return m;
}

// The bits of what the model computes.
std::vector<float> forward(Model const& m, nn::Activation const& x) {
    auto const y = m(x).value();
    if (!y) return {};
    return std::vector<float>(y->data(), y->data() + y->size());
}
bool same(std::vector<float> const& a, std::vector<float> const& b) {
    return !a.empty() && a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// f(thread) on n threads at once; whether all returned true.
template <class F>
bool on_threads(std::size_t n, F const& f) {
    std::vector<char> good(n);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i != n; ++i) threads.emplace_back([&, i] { good[i] = f(i) ? 1 : 0; });
    for (auto& t : threads) t.join();
    for (char const g : good)
        if (g == 0) return false;
    return true;
}

// f(kind, frozen model, what it computes on one thread)
template <class F>
void for_each_kind(F const& f) {
    cpu_backend const backend;
    for (auto const& k : kinds) {
        INFO(k.name);
        Model const m = frozen(k);
        nn::context const here{.backend = backend, .accuracy = k.accuracy};
        auto const alone = forward(m, nn::Activation(input(), here));
        REQUIRE(!alone.empty());
        f(k, m, alone);
    }
}
}  // namespace

TEST_CASE("threads that share a backend take turns with its executor") {
    thread_executor threads(2);
    cpu_backend const shared({.executor = threads});
    for_each_kind([&](kind const& k, Model const& m, std::vector<float> const& alone) {
        nn::context const here{.backend = shared, .accuracy = k.accuracy};
        CHECK(on_threads(4, [&](std::size_t) { return same(forward(m, nn::Activation(input(), here)), alone); }));
    });
}

TEST_CASE("eight threads run one model, each in a context of its own") {
    cpu_backend const backend;
    for_each_kind([&](kind const& k, Model const& m, std::vector<float> const& alone) {
        auto const x = input();
        CHECK(on_threads(8, [&](std::size_t) {
            pool_memory pool;
            nn::context const here{.backend = backend, .memory = &pool, .accuracy = k.accuracy};
            for (int pass = 0; pass != 3; ++pass)
                if (!same(forward(m, nn::Activation(Tensor<float>::borrow(x), here)), alone)) return false;
            return true;
        }));
    });
}

TEST_CASE("eight threads share a context, and an input") {
    cpu_backend const backend;
    for_each_kind([&](kind const& k, Model const& m, std::vector<float> const& alone) {
        nn::context const here{.backend = backend, .accuracy = k.accuracy};
        nn::Activation const x(input(), here);
        CHECK(on_threads(8, [&](std::size_t) {
            nn::Activation const copy = x;
            return same(forward(m, copy), alone) && same(forward(m, x), alone);
        }));
    });
}

TEST_CASE("one model on an executor of eight threads, and on four of two") {
    thread_executor eight(8);
    cpu_backend const wide({.executor = executor_ref(eight)});
    for_each_kind([&](kind const& k, Model const& m, std::vector<float> const& alone) {
        nn::context const here{.backend = wide, .accuracy = k.accuracy};
        CHECK(same(forward(m, nn::Activation(input(), here)), alone));
        CHECK(on_threads(4, [&](std::size_t) {
            thread_executor two(2);
            cpu_backend const narrow({.executor = executor_ref(two)});
            nn::context const mine{.backend = narrow, .accuracy = k.accuracy};
            return same(forward(m, nn::Activation(input(), mine)), alone);
        }));
    });
}

TEST_CASE("models are copied and destroyed while others run them") {
    for_each_kind([&](kind const& k, Model const& m, std::vector<float> const& alone) {
        if (k.accuracy != product_accuracy::exact) return;
        CHECK(on_threads(8, [&](std::size_t i) {
            if (i % 2 == 0) return same(forward(m, nn::Activation(input())), alone);
            Model const copy = m;
            return same(forward(copy, nn::Activation(input())), alone);
        }));
    });
}

TEST_CASE("parts of a batch are tuned side by side, with the values of one thread") {
    auto const tuned = [&](tuner_options const& options) {
        Model m = model();
        REQUIRE(quantize(m, {.weights = qint4{}}));
        Tuner tune{m, adam{}, mean_squared_error{}, options};
        for (int i = 0; i != 3; ++i) REQUIRE(tune.step(input(), testing::test_values(24, 64, 4)));
        return forward(m, nn::Activation(input()));
    };
    thread_executor threads(4);
    CHECK(same(tuned({.shards = 6}), tuned({.shards = 6, .executor = threads})));
}
