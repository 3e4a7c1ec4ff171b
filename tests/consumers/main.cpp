// The smallest program that does what the library is for: a layer is quantized to four bits and still computes.
#include <cstdio>

#include <quanto/quanto.hpp>

int main() {
    using namespace quanto;
    Tensor<float> w(4, 64), x(1, 64);
    for (std::size_t i = 0; i != w.size(); ++i) w[i] = static_cast<float>(i % 16) / 16.0f;  // 16 values: exact in 4 bits
    x[3] = 2.0f;
    nn::Linear layer{w};
    if (!quantize(layer, {.weights = qint4{}})) return 1;
    freeze(layer);
    auto const y = layer(x).value();
    if (!y || (*y)[0] != 0.375f) return 1;
    std::printf("quanto %d.%d.%d\n", QUANTO_VERSION_MAJOR, QUANTO_VERSION_MINOR, QUANTO_VERSION_PATCH);
}
