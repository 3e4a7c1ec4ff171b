// The smaller network, written as a user of the library writes one: 784 - 256 - 128 - 10 with ReLU.
#pragma once

#include <string_view>

#include <quanto/quanto.hpp>

struct Mlp {
    quanto::nn::Linear fc1{784, 256}, fc2{256, 128}, fc3{128, 10};

    static void children(auto& self, auto&& each) {
        each("fc1", self.fc1);
        each("fc2", self.fc2);
        each("fc3", self.fc3);
    }
    quanto::nn::Activation operator()(quanto::nn::Activation const& x) const {
        using quanto::nn::relu;
        return fc3(relu(fc2(relu(fc1(x)))));
    }

    // What the program asks of a network: its name, the shape of an image, the learning rates of tuning, what a
    // checkpoint needs after loading, and how it is declared for a file that was written after that.
    static constexpr std::string_view title = "784-256-128-10", data_set = "Fashion-MNIST";
    static constexpr quanto::extents image{784};
    static constexpr float mean = 0.2860f, deviation = 0.3530f;
    static constexpr float qint4_rate = 1e-4f, qint2_rate = 1e-3f;
    quanto::result<quanto::success> fold() { return quanto::success{}; }
    static Mlp folded() { return {}; }
};
