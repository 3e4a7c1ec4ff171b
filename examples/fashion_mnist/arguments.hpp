// The command line: options with a value each, but for --rates and --help.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <quanto/core/result.hpp>

struct Arguments {
    std::string data = "data/fashion-mnist";
    std::string network = "mlp";  // or "cnn", "mnist"
    std::string model;            // empty: examples/fashion_mnist/fashion_<network>.safetensors
    std::string out, json, svg;
    std::size_t repeats = 101, epochs = 2;
    bool help = false, rates = false;
    std::string evaluate;  // a folder: what the program calls itself with

    static constexpr std::string_view usage =
        "usage: example_fashion_mnist [option value] ...\n"
        "\n"
        "Quantizes a network that was trained on Fashion-MNIST (or MNIST) to every type this library has, saves each,\n"
        "loads it in a new process and measures it on the 10,000 test images. The table goes to standard output.\n"
        "\n"
        "  --data DIR      the four unpacked idx files (default: data/fashion-mnist)\n"
        "  --network NAME  mlp (default), cnn, or mnist: a CNN for MNIST, with --data and --model of its own\n"
        "  --model FILE    the trained weights (default: examples/fashion_mnist/fashion_NAME.safetensors)\n"
        "  --out DIR       keep each frozen model in a folder below DIR\n"
        "  --json FILE     write the rows as JSON, too\n"
        "  --svg FILE      draw accuracy and latency against size\n"
        "  --repeats N     latency is the median of up to N measurements (default: 101)\n"
        "  --epochs N      tune int4 and int2 weights for N epochs; 0: not at all (default: 2)\n"
        "  --rates         instead of all that, compare learning rates on training images that tuning does not see\n"
        "  --help          print this\n";

    static quanto::result<Arguments> parse(std::vector<std::string> const& words) {
        Arguments a;
        for (std::size_t i = 0; i != words.size(); ++i) {
            auto const wrong = [&](std::string_view what) {
                return quanto::error(quanto::errc::invalid_argument, words[i], ": ", what, " (see --help)");
            };
            std::string const& word = words[i];
            if (word == "--help" || word == "-h") {
                a.help = true;
                continue;
            }
            if (word == "--rates") {
                a.rates = true;
                continue;
            }
            std::string number;
            std::string* const target = word == "--data"      ? &a.data
                                        : word == "--network" ? &a.network
                                        : word == "--model"   ? &a.model
                                        : word == "--out"     ? &a.out
                                        : word == "--json"    ? &a.json
                                        : word == "--svg"     ? &a.svg
                                        : word == "--repeats" ? &number
                                        : word == "--epochs"  ? &number
                                        : word == "evaluate"  ? &a.evaluate
                                                              : nullptr;
            if (target == nullptr) return wrong("is not an option");
            if (i + 1 == words.size()) return wrong("needs a value");
            *target = words[++i];
            if (target != &number) continue;
            std::size_t& count = word == "--epochs" ? a.epochs : a.repeats;
            auto const [end, code] = std::from_chars(number.data(), number.data() + number.size(), count);
            if (code != std::errc{} || end != number.data() + number.size() || a.repeats == 0)
                return wrong("is not a number of them");
        }
        if (a.network != "mlp" && a.network != "cnn" && a.network != "mnist")
            return quanto::error(quanto::errc::invalid_argument, a.network, ": is not a network (see --help)");
        if (a.model.empty()) a.model = "examples/fashion_mnist/fashion_" + a.network + ".safetensors";
        return a;
    }
};
