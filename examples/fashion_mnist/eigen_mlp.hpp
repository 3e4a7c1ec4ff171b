// The same network in float with Eigen's products: the baseline for latency. Eigen decides its instruction set when it
// is compiled, so a fair comparison is compiled for the machine it runs on (-march=native, as examples/run.sh does).
#pragma once

#include "mlp.hpp"

// What a network is measured against; nothing, where nobody wrote it with another library.
template <class Network>
struct Baseline {
    static constexpr bool exists = false;
    explicit Baseline(Network const&) {}
};

#if __has_include(<Eigen/Core>)
#include <Eigen/Core>

class EigenMlp {
public:
    // Precondition: the model has float32 masters, and outlives *this.
    explicit EigenMlp(Mlp const& model) : layers_{Layer(model.fc1), Layer(model.fc2), Layer(model.fc3)} {}

    // x: images as rows. Returns one column of 10 logits per image, valid until the next call.
    Eigen::MatrixXf const& operator()(quanto::Tensor<float> const& x) {
        layers_[0](Eigen::Map<Eigen::MatrixXf const>(x.data(), signed_size(x.cols()), signed_size(x.rows())), y1_);
        y1_ = y1_.cwiseMax(0.0f);
        layers_[1](y1_, y2_);
        y2_ = y2_.cwiseMax(0.0f);
        layers_[2](y2_, y3_);
        return y3_;
    }

private:
    static Eigen::Index signed_size(std::size_t n) { return static_cast<Eigen::Index>(n); }

    struct Layer {
        using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

        explicit Layer(quanto::nn::Linear const& fc)
            : weight(values(*fc.weight.master()), signed_size(fc.out_features()), signed_size(fc.in_features())),
              bias(values(*fc.bias), signed_size(fc.out_features())) {}

        template <class X>
        void operator()(X const& x, Eigen::MatrixXf& y) const {
            y.noalias() = weight * x;
            y.colwise() += bias;
        }

        static float const* values(quanto::any_tensor const& t) {
            return reinterpret_cast<float const*>(t.bytes().data());
        }

        Eigen::Map<RowMajor const> weight;
        Eigen::Map<Eigen::VectorXf const> bias;
    };

    Layer layers_[3];
    Eigen::MatrixXf y1_, y2_, y3_;
};

template <>
struct Baseline<Mlp> : EigenMlp {
    static constexpr bool exists = true;
    using EigenMlp::EigenMlp;
};
#endif
