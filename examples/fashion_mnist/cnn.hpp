// The convolutional networks. Their batch norms are folded into a neighbour before anything is quantized.
#pragma once

#include <string_view>

#include <quanto/quanto.hpp>

// Three times convolution 3 x 3, BatchNorm, ReLU, maximum over 2 x 2; then two linear layers.
struct FashionCnn {
    quanto::nn::Conv2d conv1{1, 32, 3, {.padding = 1}}, conv2{32, 64, 3, {.padding = 1}},
        conv3{64, 128, 3, {.padding = 1}};
    quanto::nn::BatchNorm bn1{32}, bn2{64}, bn3{128};
    quanto::nn::Linear fc1{1152, 256}, fc2{256, 10};

    static void children(auto& self, auto&& each) {
        each("conv1", self.conv1);
        each("bn1", self.bn1);
        each("conv2", self.conv2);
        each("bn2", self.bn2);
        each("conv3", self.conv3);
        each("bn3", self.bn3);
        each("fc1", self.fc1);
        each("fc2", self.fc2);
    }
    quanto::nn::Activation operator()(quanto::nn::Activation const& x) const {
        using namespace quanto::nn;
        auto const a = max_pool2d(relu(bn1(conv1(x))), 2);
        auto const b = max_pool2d(relu(bn2(conv2(a))), 2);
        auto const c = max_pool2d(relu(bn3(conv3(b))), 2);
        return fc2(relu(fc1(flatten(c))));
    }

    static constexpr std::string_view title = "3 convolutions, 2 linear layers", data_set = "Fashion-MNIST";
    static constexpr quanto::extents image{1, 28, 28};
    static constexpr float mean = 0.2860f, deviation = 0.3530f;
    static constexpr float qint4_rate = 3e-4f, qint2_rate = 3e-4f;
    quanto::result<quanto::success> fold() {
        using quanto::nn::fold;
        if (auto done = fold(conv1, bn1); !done) return done;
        if (auto done = fold(conv2, bn2); !done) return done;
        return fold(conv3, bn3);
    }
    static FashionCnn folded() {
        FashionCnn network;
        network.bn1 = network.bn2 = network.bn3 = quanto::nn::BatchNorm::identity();
        return network;
    }
};

// Three convolutions 3 x 3 without padding, two linear layers. The first norm stands behind a ReLU, so that it belongs
// to the linear layer that follows.
struct MnistCnn {
    quanto::nn::Conv2d conv1{1, 8, 3}, conv2{8, 16, 3}, conv3{16, 24, 3};
    quanto::nn::BatchNorm norm1{24};
    quanto::nn::Linear fc1{11616, 32}, fc2{32, 10};
    quanto::nn::BatchNorm norm2{10};

    static void children(auto& self, auto&& each) {
        each("conv1", self.conv1);
        each("conv2", self.conv2);
        each("conv3", self.conv3);
        each("norm1", self.norm1);
        each("fc1", self.fc1);
        each("fc2", self.fc2);
        each("norm2", self.norm2);
    }
    quanto::nn::Activation operator()(quanto::nn::Activation const& x) const {
        using namespace quanto::nn;
        auto const features = norm1(relu(conv3(relu(conv2(relu(conv1(x)))))));
        return norm2(fc2(relu(fc1(flatten(features)))));
    }

    static constexpr std::string_view title = "3 convolutions, 2 linear layers", data_set = "MNIST";
    static constexpr quanto::extents image{1, 28, 28};
    static constexpr float mean = 0.1307f, deviation = 0.3081f;
    static constexpr float qint4_rate = 3e-4f, qint2_rate = 3e-4f;
    quanto::result<quanto::success> fold() {
        using quanto::nn::fold;
        if (auto done = fold(norm1, fc1); !done) return done;
        return fold(fc2, norm2);
    }
    static MnistCnn folded() {
        MnistCnn network;
        network.norm1 = network.norm2 = quanto::nn::BatchNorm::identity();
        return network;
    }
};
