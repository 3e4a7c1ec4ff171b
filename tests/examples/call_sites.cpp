// What users write, one case per kind of user. Where a line reads differently from what one would first think of, the
// comment says why.
#include <quanto/backend/thread_executor.hpp>
#include <quanto/quanto.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory_resource>
#include <string>
#include <vector>

#include "directory.hpp"

#include "catch.hpp"

using namespace quanto;

namespace {

Tensor<float> ramp(extents const& shape) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = static_cast<float>(i * 37 % 101) / 50.0f - 1.0f;
    return t;
}
nn::Linear linear(std::size_t in, std::size_t out) { return nn::Linear{ramp({out, in}), any_tensor(ramp({out}))}; }
struct Block {
    nn::Linear up{64, 256}, down{256, 64};
    nn::Activation operator()(nn::Activation const& x) const { return x + down(nn::gelu(up(x))); }
    static void children(auto& self, auto&& each) {
        each("up", self.up);
        each("down", self.down);
    }
};
auto make_mlp() { return nn::Sequential{linear(40, 24), nn::ReLU{}, linear(24, 10)}; }

}  // namespace

TEST_CASE("an engineer of kernels compares a backend with the definition") {
    Tensor<float> const dense = ramp({6, 256}), x = ramp({3, 256});
    Tensor<float> exact(3, 6), fast(3, 6);
    // Values may be NaN, memory may end: quantize gives a result.
    auto const w = quantize<qint4, axis::first, group{128}>(dense);
    auto const tuned = quantize<qint4, axis::first, group{128}>(dense, hqq{.iterations = 40});
    REQUIRE(w);
    REQUIRE(tuned);
    cpu_backend const cpu;  // picks kernels once, at construction
    REQUIRE(matmul(reference_backend{}, x, *w, exact));
    REQUIRE(matmul(cpu, x, *w, fast));
    for (std::size_t i = 0; i != exact.size(); ++i) CHECK(fast[i] == Approx(exact[i]).epsilon(1e-4).margin(1e-3));
    auto const wrong = matmul(cpu, ramp({3, 255}), *w, fast);
    REQUIRE(!wrong);
    CHECK(std::string(wrong.error().c_str()).find("x is (3, 255), w (6, 256)") != std::string::npos);
}

TEST_CASE("an application quantizes, calibrates, freezes, saves and loads") {
    Directory const folder("quanto_call");
    auto mlp = make_mlp();
    REQUIRE(quantize(mlp, {.weights = qint4{}, .activations = qint8{}, .exclude = {"2"}}));
    {
        Calibration calibrate{mlp, {.momentum = 0.9}};
        for (int batch = 0; batch != 3; ++batch) mlp(ramp({5, 40}));
    }  // the scope ends, scales are final
    freeze(mlp);
    REQUIRE(save(mlp, folder.string()));

    auto fresh = make_mlp();
    REQUIRE(load(fresh, folder.string()));
    auto const a = mlp(ramp({2, 40})).value(), b = fresh(ramp({2, 40})).value();
    REQUIRE(a);
    REQUIRE(b);
    for (std::size_t i = 0; i != a->size(); ++i) CHECK((*a)[i] == (*b)[i]);
}

namespace engine {  // what a game already has
struct JobSystem {
    int workers() { return 3; }
    void dispatch(int count, void (*fn)(void*, int), void* user) {
        for (int i = count; i-- != 0;) fn(user, i);  // in any order
    }
    void wait() {}
};
struct Jobs {
    JobSystem* js;
    std::size_t concurrency() const noexcept { return static_cast<std::size_t>(js->workers()); }
    void run(std::size_t n, function_ref<void(std::size_t)> task) {
        js->dispatch(
            static_cast<int>(n),
            [](void* t, int i) { (*static_cast<decltype(task)*>(t))(static_cast<std::size_t>(i)); }, &task);
        js->wait();
    }
};
static_assert(Executor<Jobs>);
}  // namespace engine

TEST_CASE("a game engine brings its own jobs and memory") {
    engine::JobSystem js;
    engine::Jobs jobs{&js};
    std::pmr::monotonic_buffer_resource frame;
    // The backend has no memory of its own: results and workspace come from the context.
    cpu_backend const backend{{.executor = jobs, .force_isa = "avx2"}};
    nn::context const context{backend_ref(backend), &frame};
    auto mlp = make_mlp();
    REQUIRE(quantize(mlp, {.weights = qint8{}}));
    auto const mine = mlp(nn::Activation(ramp({2, 40}), context)).value(), plain = mlp(ramp({2, 40})).value();
    REQUIRE(mine);
    REQUIRE(plain);
    for (std::size_t i = 0; i != plain->size(); ++i) CHECK((*mine)[i] == Approx((*plain)[i]).epsilon(1e-5));
}

TEST_CASE("a user of Python quanto opens a folder") {
    Directory const folder("quanto_call");
    {
        auto mlp = make_mlp();
        REQUIRE(quantize(mlp, {.weights = qfloat8{}}));
        freeze(mlp);
        REQUIRE(save(mlp, folder.string()));
    }
    auto weights = io::open_safetensors(folder / "model.safetensors");  // mapped: no tensor is copied
    auto map = io::read_quantization_map(folder / "quantization_map.json");
    REQUIRE(weights);
    REQUIRE(map);
    auto model = nn::Sequential{nn::Linear{40, 24}, nn::ReLU{}, nn::Linear{24, 10}};
    auto report = requantize(model, *weights, *map);
    if (!report) FAIL(report.error().c_str());
    CHECK(report->unexpected.empty());
    CHECK(report->bytes_mapped > 0);
    CHECK(model(ramp({1, 40})).value());

    auto other = nn::Sequential{nn::Linear{41, 24}, nn::ReLU{}, nn::Linear{24, 10}};
    auto const wrong = requantize(other, *weights, *map);
    REQUIRE(!wrong);
    CHECK(std::string(wrong.error().c_str()).find("0.weight") != std::string::npos);
}

namespace {
struct Mlp {
    nn::Linear input_layer{32, 128}, mid_layer{128, 128}, output_layer{128, 10};
    auto operator()(nn::Activation const& x) const {
        return nn::softmax(output_layer(nn::relu(mid_layer(nn::relu(input_layer(x))))));
    }
    static void children(auto& self, auto&& each) {
        each("input_layer", self.input_layer);
        each("mid_layer", self.mid_layer);
        each("output_layer", self.output_layer);
    }
};
struct Net {
    Mlp policy, value;
    static void children(auto& self, auto&& each) {
        each("policy", self.policy);
        each("value", self.value);
    }
};
static_assert(nn::Module<Mlp> && nn::HasChildren<Net>);
}  // namespace

TEST_CASE("a network is a plain struct that names its children") {
    Net net;
    std::vector<std::string> names;
    nn::for_each_module(net, [&]<class M>(std::string_view name, M&) {
        if constexpr (std::same_as<M, nn::Linear>) names.emplace_back(name);
    });
    CHECK(names == std::vector<std::string>{"policy.input_layer", "policy.mid_layer", "policy.output_layer",
                                            "value.input_layer", "value.mid_layer", "value.output_layer"});
    Net const& frozen = net;
    int count = 0;
    nn::for_each_module(frozen, [&](std::string_view, auto const&) { ++count; });
    CHECK(count == 9);
    // Weights that were only declared are an error that flows to the end, not a crash.
    auto const y = net.policy(ramp({1, 32})).value();
    REQUIRE(!y);
    CHECK(y.error().code() == errc::missing);
}

TEST_CASE("a server runs one const model on threads and memory of its own") {
    Block block;
    REQUIRE(initialize(block, 7));
    REQUIRE(quantize(block, {.weights = qint4{}, .exclude = {"down"}}));
    freeze(block);
    auto const x = ramp({32, 64});
    auto const expected = block(x).value();
    REQUIRE(expected);

    thread_executor threads(4);
    cpu_backend const cpu{{.executor = threads}};
    pool_memory pool;
    nn::context const here{cpu, &pool};
    auto const y = block(nn::Activation(x, here)).value();
    REQUIRE(y);
    bool equal = true;
    for (std::size_t i = 0; i != y->size(); ++i) equal &= (*y)[i] == (*expected)[i];
    CHECK(equal);
}
