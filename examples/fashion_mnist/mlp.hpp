// The network, written as a user of the library writes one: 784 - 256 - 128 - 10 with ReLU.
#pragma once

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
};
