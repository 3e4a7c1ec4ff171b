// Gradients and optimizer steps against Python quanto: tuning of shared/golden.
#include "golden.hpp"

#include <cmath>

#include "catch.hpp"

#if defined(QUANTO_TEST_JSON)
namespace {
using namespace golden;

any_tensor initial(io::SafetensorsFile const& file, std::string const& name) {
    auto const* const t = file.find(name);
    if (t == nullptr) FAIL(name);
    return floats(*t);
}
auto linear_net(io::SafetensorsFile const& file) {
    auto const get = [&](char const* name) { return initial(file, std::string("linear.initial.") + name); };
    return nn::Sequential{nn::Linear(get("0.weight"), get("0.bias")), nn::ReLU{},
                          nn::Linear(get("2.weight"), get("2.bias"))};
}
auto conv_net(io::SafetensorsFile const& file) {
    auto const get = [&](char const* name) { return initial(file, std::string("conv.initial.") + name); };
    return nn::Sequential{nn::Conv2d(get("0.weight"), get("0.bias"), {.padding = 1}), nn::ReLU{}, nn::Flatten{},
                          nn::Linear(get("3.weight"), get("3.bias"))};
}

// 1e-5 of the largest value, as the golden README derives.
void check_close(Tensor<float> const& got, any_tensor const& want, std::string const& what) {
    INFO(what);
    REQUIRE(got.size() == want.size());
    float largest = 0, off = 0;
    for (std::size_t i = 0; i != want.size(); ++i) {
        largest = std::max(largest, std::abs(want[i]));
        off = std::max(off, std::abs(got[i] - want[i]));
    }
    CHECK(off <= 1e-5f * largest);
}

template <class Net>
void check_case(nlohmann::json const& c, io::SafetensorsFile const& file, Net net) {
    std::string const key = c["case"], base = key.substr(0, key.rfind('.')), kind = c["net"];
    INFO(key);
    std::optional<any_qtype> activations;
    if (!c["activations"].is_null()) activations = qtype(c["activations"].get<std::string>());
    REQUIRE(quantize(net, {.weights = qtype(c["weights"]), .activations = activations}));
    Tensor<float> const x = floats(*file.find(kind + ".input")), target = floats(*file.find(kind + ".target"));
    if (activations) {
        Calibration calibrate{net, {.streamline = false}};
        REQUIRE(net(x));
        REQUIRE(calibrate.finish());
    }
    {
        nn::Tape tape;
        nn::context where;
        where.tape = &tape;
        nn::for_each_module(net, [&]<class N>(std::string_view, N& m) {
            if constexpr (nn::HasParameters<N>) N::parameters(m, [&](std::string_view, auto& p) { tape.watch(&p); });
        });
        auto const input = nn::tracked(nn::Activation(x, where));
        auto const y = net(input);
        if (!y) FAIL(y.error().c_str());
        Tensor<float> dy(y.shape());
        auto const values = y.value();
        REQUIRE(mean_squared_error{}(values->view(), target, {0, x.shape()[0], x.shape()[0]}, matrix_view<float>(dy)));
        REQUIRE(tape.backward(y.node(), std::move(dy)));
        check_close(input.node()->gradient, *file.find(base + ".gradient.input"), "gradient.input");
        nn::for_each_module(net, [&]<class N>(std::string_view module, N& m) {
            if constexpr (nn::HasParameters<N>)
                N::parameters(m, [&](std::string_view name, auto& p) {
                    std::string const full = std::string(module) + '.' + std::string(name);
                    check_close(*tape.gradient(&p), *file.find(base + ".gradient." + full), full);
                });
        });
    }
    auto const run = [&](auto method) {
        Tuner tune{net, method, mean_squared_error{}};
        any_tensor const& losses = *file.find(key + ".losses");
        for (std::size_t i = 0; i != losses.size(); ++i) {
            auto const loss = tune.step(x, target);
            if (!loss) FAIL(loss.error().c_str());
            CHECK(std::abs(*loss - losses[i]) <= 1e-5f * losses[i]);
        }
    };
    if (c["optimizer"] == "sgd")
        run(sgd{.learning_rate = 0.05f, .momentum = 0.9f});
    else
        run(adam{.learning_rate = 0.01f});
    nn::for_each_module(net, [&]<class N>(std::string_view module, N& m) {
        if constexpr (nn::HasParameters<N>)
            N::parameters(m, [&]<class P>(std::string_view name, P& p) {
                std::string const full = std::string(module) + '.' + std::string(name);
                if constexpr (std::same_as<P, nn::Weight>)
                    check_close(floats(*p.master()), *file.find(key + "." + full), full);
                else
                    check_close(floats(p), *file.find(key + "." + full), full);
            });
    });
}
}  // namespace

TEST_CASE("gradients and five steps of SGD and Adam are those of Python quanto") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    auto const file = io::open_safetensors(folder() + "/tuning.safetensors");
    if (!file) FAIL(file.error().c_str());
    std::size_t count = 0;
    for (auto const& c : json("tuning.json")) {
        if (c["net"] == "linear")
            check_case(c, *file, linear_net(*file));
        else
            check_case(c, *file, conv_net(*file));
        ++count;
    }
    CHECK(count == 24);
}
#endif
