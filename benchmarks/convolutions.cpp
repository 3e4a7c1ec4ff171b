// Convolutions as modules run them: from codes to codes (int8), or from floats to floats, one image in NCHW order, with
// everything around the product (padding, reordering, rounding) in the time.
#include <quanto/backend/reference_backend.hpp>
#include <quanto/core/pool_memory.hpp>
#include <quanto/nn/conv2d.hpp>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

struct picture {
    std::size_t channels, outputs, kernel, size;
};

subject convolution(picture const& p, bool int8, cpu_options const& options) {
    struct operands {
        operands(cpu_options const& o, any_tensor w, std::size_t padding, Tensor<float> floats)
            : backend(o),
              here{backend, &pool},
              conv(std::move(w), std::nullopt, {.padding = padding}),
              x(std::move(floats), here) {}
        cpu_backend backend;
        pool_memory pool{};
        nn::context here;
        nn::Conv2d conv;
        nn::Activation x, y = error(errc::missing, "not computed yet");
    };
    std::size_t const k = p.channels * p.kernel * p.kernel;
    Tensor<float> w = random_values(p.outputs, k, 2).reshaped({p.outputs, p.channels, p.kernel, p.kernel});
    Tensor<float> x = random_values(p.channels, p.size * p.size, 1).reshaped({1, p.channels, p.size, p.size});
    auto o = std::make_shared<operands>(options, w, p.kernel / 2, std::move(x));
    if (int8) {
        if (!o->conv.weight.quantize({qint8{}}) || !o->conv.weight.prepare(o->here.backend)) std::abort();
        o->conv.activation = {.type = qint8{}, .output_scale = 0.02f * static_cast<float>(p.kernel)};
        o->x = nn::quantize_activation(o->x, qint8{}, 1.0f / 127);
    }
    auto const run = [o] { o->y = o->conv(o->x); };
    // The same by the definition of the products.
    auto const check = [o, k, int8]() -> std::string {
        if (!o->y) return std::string(o->y.error().message());
        reference_backend const reference;
        nn::context const there{reference};
        nn::Activation const want = o->conv(nn::Activation(o->x).in(&there));
        for (std::size_t i = 0; i != want.size(); ++i)  // |x|, |w| <= 1: K products, rounded K + 4 times
            if (absolute(o->y[i] - want[i]) > (int8 ? 0.0f : static_cast<float>(k * (k + 4)) * 0x1p-24f))
                return "output " + std::to_string(i) + " is wrong";
        return {};
    };
    double const operations = 2.0 * static_cast<double>(k * p.outputs * p.size * p.size);
    return {static_cast<double>(w.size() * (int8 ? 1 : 4)), operations, run, check};
}

}  // namespace

void add_convolutions(table& t) {
    auto const add = [&](picture const& p, double goal) {
        std::string const shape = std::to_string(p.channels) + " to " + std::to_string(p.outputs) + ", " +
                                  std::to_string(p.kernel) + " x " + std::to_string(p.kernel) + ", " +
                                  std::to_string(p.size) + " x " + std::to_string(p.size);
        t.add({"Conv2d int8, " + shape, limit::dot_int8, goal}, [=] { return convolution(p, true, {}); });
        t.add({"Conv2d f32, " + shape, limit::fma_f32}, [=] { return convolution(p, false, {}); });
    };
    add({64, 64, 3, 56}, 0.75);
    add({128, 128, 3, 28}, 0.75);
    add({256, 256, 3, 14}, 0.75);
    add({64, 64, 1, 56}, 0);
}

}  // namespace benchmarks
