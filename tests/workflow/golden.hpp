// What the golden tests share: where the data lie, and comparisons.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

#include <quanto/quanto.hpp>

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#define QUANTO_TEST_JSON 1
#endif

namespace golden {

using namespace quanto;

inline std::string folder() {
    char const* const shared = std::getenv("QUANTO_SHARED");
    return std::string(shared != nullptr ? shared : QUANTO_TESTS_DIR "/../../shared") + "/golden";
}
inline char const* missing() {
#if !defined(QUANTO_TEST_JSON)
    return "no nlohmann/json.hpp";
#else
    return std::ifstream(folder() + "/README.md") ? nullptr : "no golden vectors: QUANTO_SHARED names their folder";
#endif
}
#if defined(QUANTO_TEST_JSON)
inline nlohmann::json json(std::string const& name) {
    std::ifstream file(folder() + "/" + name);
    return nlohmann::json::parse(file, nullptr, false);
}
#endif

inline Tensor<float> floats(any_tensor const& x) {
    Tensor<float> t(x.shape());
    for (std::size_t i = 0; i != t.size(); ++i) t[i] = x[i];
    return t;
}
inline any_tensor converted(any_tensor const& x, dtype type) {
    auto bytes = storage::allocate(x.size() * size_of(type));
    for (std::size_t i = 0; i != x.size(); ++i) any_tensor::store(type, bytes->mutable_data(), i, x[i]);
    return {type, x.shape(), std::move(*bytes)};
}
inline bool same_bytes(any_tensor const& a, any_tensor const& b) {
    return a.type() == b.type() && a.shape() == b.shape() && a.bytes().size() == b.bytes().size() &&
           std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}
// How many steps of the type's grid apart two codes are.
inline int steps(any_qtype type, std::uint8_t a, std::uint8_t b) {
    auto const order = [&](std::uint8_t c) {
        if (!type.is_floating_point()) return static_cast<int>(static_cast<std::int8_t>(c));
        return (c & 0x80) != 0 ? -(c & 0x7f) : c & 0x7f;
    };
    return std::abs(order(a) - order(b));
}
inline std::optional<any_qtype> qtype(std::string const& name) { return any_qtype::from_name(name); }

}  // namespace golden
