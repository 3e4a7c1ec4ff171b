// The five lines of README.md, on a small network with arbitrary weights.
#include <cstdio>
#include <filesystem>
#include <random>
#include <vector>

#include <quanto/quanto.hpp>

using namespace quanto;

static std::mt19937 generator(7);

static Tensor<float> random(extents const& shape, float deviation) {
    Tensor<float> x(shape);
    std::normal_distribution<float> normal(0.0f, deviation);
    for (std::size_t i = 0; i != x.size(); ++i) x[i] = normal(generator);
    return x;
}

static auto declare() { return nn::Sequential{nn::Linear{64, 128, false}, nn::ReLU{}, nn::Linear{128, 10, false}}; }

int main() {
    auto model = nn::Sequential{nn::Linear{random({128, 64}, 0.1f)}, nn::ReLU{}, nn::Linear{random({10, 128}, 0.1f)}};
    std::vector<Tensor<float>> samples;
    for (int i = 0; i != 8; ++i) samples.push_back(random({32, 64}, 1.0f));
    auto const expected = model(samples.front()).value();
    std::filesystem::create_directories("quickstart-int4");
    auto other = declare();

    auto marked = quantize(model, {.weights = qint4{}, .activations = qint8{}});
    {
        Calibration calibrate{model};
        for (auto const& x : samples) model(x);
    }
    freeze(model);
    auto saved = save(model, "quickstart-int4");
    auto report = load(other, "quickstart-int4");

    if (!marked || !saved || !report || !expected) {
        std::puts(!marked  ? marked.error().c_str()
                  : !saved ? saved.error().c_str()
                           : "the network could not be loaded or run");
        return 1;
    }
    auto const found = other(samples.front()).value();
    if (!found) return 1;
    std::printf("signal to quantization noise of the result: %.1f dB\n",
                sqnr_db(expected->data(), found->data(), found->size()));
    return 0;
}
