// expect: a module names its children in: static void children
#include <quanto/nn/sequential.hpp>

struct Mine {
    quanto::nn::Activation operator()(quanto::nn::Activation const& x) const { return x; }
    void children(auto&&) {}
};

void visit(quanto::nn::Sequential<Mine>& model) {
    quanto::nn::for_each_module(model, [](auto, auto&) {});
}
