// A small model with values, and a copy of all its bytes, for the tests of the workflow.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <quanto/quanto.hpp>

#include "directory.hpp"

namespace small {

using namespace quanto;

inline Tensor<float> values(extents const& shape, std::size_t seed) {
    Tensor<float> t(shape);
    for (std::size_t i = 0; i != t.size(); ++i)
        t[i] = static_cast<float>((i * 37 + seed * 11) % 64) * 0.03125f - 1.0f + static_cast<float>(seed) * 0.0625f;
    return t;
}

struct Model {
    nn::Linear fc1{160, 6}, fc2{6, 5, false};
    nn::LayerNorm norm{5};
    nn::Linear fc3{5, 3};

    nn::Activation operator()(nn::Activation const& x) const { return fc3(nn::relu(norm(fc2(nn::relu(fc1(x)))))); }
    static void children(auto& self, auto&& each) {
        each("fc1", self.fc1);
        each("fc2", self.fc2);
        each("norm", self.norm);
        each("fc3", self.fc3);
    }
    static Model with_values() {
        Model m;
        m.fc1 = nn::Linear(values({6, 160}, 1), values({6}, 2));
        m.fc2 = nn::Linear(any_tensor(values({5, 6}, 3)));
        m.norm = nn::LayerNorm(values({5}, 4), values({5}, 5));
        m.fc3 = nn::Linear(values({3, 5}, 6), values({3}, 7));
        return m;
    }
};

// All that defines what a model computes, as text.
inline std::string fingerprint(Model const& m) {
    std::string all(io::to_json(quantization_map_of(m)));
    for (auto const& [key, text] : metadata_of(m)) (all += key) += text;
    auto const state = state_dict(m);
    if (!state) return all + state.error().c_str();
    for (auto const& [key, t] : *state)
        ((all += key) += name(t.type())).append(reinterpret_cast<char const*>(t.bytes().data()), t.bytes().size());
    return all;
}
inline bool same(nn::Activation const& a, nn::Activation const& b) {
    if (!a || !b || a.size() != b.size()) return false;
    for (std::size_t i = 0; i != a.size(); ++i)
        if (a[i] != b[i]) return false;
    return true;
}

}  // namespace small
