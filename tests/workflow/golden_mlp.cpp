// The MLP of shared/golden/models.
#include "golden_models.hpp"

#if defined(QUANTO_TEST_JSON)
namespace {
using namespace golden;

struct Mlp {
    static constexpr char const* name = "mlp";
    nn::Linear fc1{320, 48}, fc2{48, 16, false};
    nn::LayerNorm norm{16};
    nn::Linear fc3{16, 10};

    nn::Activation operator()(nn::Activation const& x) const { return fc3(nn::relu(norm(fc2(nn::relu(fc1(x)))))); }
    static void children(auto& self, auto&& each) {
        each("fc1", self.fc1);
        each("fc2", self.fc2);
        each("norm", self.norm);
        each("fc3", self.fc3);
    }
};
}  // namespace

TEST_CASE("a model that is quantized here is what Python quanto makes of it") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_quantized_here<Mlp>();
}
TEST_CASE("models that Python quanto saved give its outputs here") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_loaded_here<Mlp>();
}
TEST_CASE("models that Python quanto saved are the same after saving and loading them here") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    check_round_trip<Mlp>();
}
#endif
