// Golden vectors: the tensors of a safetensors file whose names say what was done to what.
//     weights      <base>.<qtype>.axis<0|-1>[.group<n|none>][.zeropoint][.hqq].{scale,shift,codes,packed,dequantized}
//     activations  <i>.<dtype>.<qtype>.<kind>.{scale,codes,values}
// fixtures/ holds small ones of our own (made by fixtures/make_fixtures.py); $QUANTO_SHARED/golden, or shared/golden
// beside the repository, those that Python quanto computed.
#pragma once

#include <quanto/io/safetensors.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <quanto/quantizer/quantize.hpp>

namespace golden {

using namespace quanto;

inline std::string fixtures() { return QUANTO_TESTS_DIR "/fixtures"; }
inline std::string shared() {
    char const* const folder = std::getenv("QUANTO_SHARED");
    return (folder != nullptr ? std::string(folder) : std::string(QUANTO_TESTS_DIR "/../../shared")) + "/golden";
}
inline bool exists(std::string const& path) { return std::ifstream(path).good(); }

inline io::SafetensorsFile open(std::string const& path) {
    auto file = io::open_safetensors(path);
    return file ? std::move(*file) : io::SafetensorsFile{};  // no tensors: the count of cases then fails the test
}

// The elements, whatever their alignment in the file.
template <class T>
std::vector<T> elements(any_tensor const& t) {
    std::vector<T> v(t.size());
    if (!v.empty()) std::memcpy(v.data(), t.bytes().data(), v.size() * sizeof(T));
    return v;
}
inline std::vector<float> floats(any_tensor const& t) {
    std::vector<float> v(t.size());
    for (std::size_t i = 0; i != v.size(); ++i) v[i] = t[i];
    return v;
}
inline std::vector<std::uint8_t> raw(any_tensor const& t) {
    auto const* p = reinterpret_cast<std::uint8_t const*>(t.bytes().data());
    return {p, p + t.bytes().size()};
}
inline std::vector<std::uint8_t> raw(storage const& s) {
    auto const* p = reinterpret_cast<std::uint8_t const*>(s.data());
    return {p, p + s.size()};
}

inline std::uint32_t bits_of(float x) { return bit_cast<std::uint32_t>(x); }

// The number of elements in which two runs differ, and where first: 0 and "" for equal ones.
struct difference {
    std::size_t count = 0;
    std::string first;
};
inline difference compare(std::vector<float> const& got, std::vector<float> const& want) {
    difference d;
    if (got.size() != want.size())
        return {1, "sizes " + std::to_string(got.size()) + ", " + std::to_string(want.size())};
    for (std::size_t i = 0; i != got.size(); ++i)
        if (bits_of(got[i]) != bits_of(want[i]) && !(is_nan(got[i]) && is_nan(want[i])) && d.count++ == 0)
            d.first = "[" + std::to_string(i) + "] got " + std::to_string(got[i]) + ", want " + std::to_string(want[i]);
    return d;
}
inline difference compare(std::vector<std::uint8_t> const& got, std::vector<std::uint8_t> const& want) {
    difference d;
    if (got.size() != want.size())
        return {1, "sizes " + std::to_string(got.size()) + ", " + std::to_string(want.size())};
    for (std::size_t i = 0; i != got.size(); ++i)
        if (got[i] != want[i] && d.count++ == 0)
            d.first = "[" + std::to_string(i) + "] got " + std::to_string(got[i]) + ", want " + std::to_string(want[i]);
    return d;
}

// The place of a code among the codes of its type, so that neighbours differ by 1.
template <QType Q>
int order_of(std::uint8_t code) {
    if constexpr (Q::is_floating_point)
        return (code & 0x80) != 0 ? -(code & 0x7f) : code;
    else if constexpr (SubByteQType<Q>)
        return code;
    else
        return static_cast<std::int8_t>(code);
}

inline std::vector<std::string> split(std::string const& name, char by = '.') {
    std::vector<std::string> parts(1);
    for (char c : name)
        if (c == by)
            parts.emplace_back();
        else
            parts.back() += c;
    return parts;
}

struct weight_case {
    std::string name, base;
    any_qtype qtype = qint8{};
    axis along = axis::first;
    std::size_t group = 0;  // 0: none
    bool zeropoint = false, python_range = false, hqq = false;
};

inline weight_case parse_weight(std::string const& name) {
    weight_case c;
    c.name = name;
    auto const parts = split(name);
    c.base = parts[0];
    for (std::size_t i = 1; i != parts.size(); ++i) {
        if (auto const q = any_qtype::from_name(parts[i])) c.qtype = *q;
        if (parts[i] == "axis-1") c.along = axis::last;
        if (parts[i] == "zeropoint") c.zeropoint = c.python_range = true;
        if (parts[i] == "zeropoint0") c.zeropoint = true;  // a range that contains 0
        if (parts[i] == "hqq") c.hqq = true;
        if (parts[i].starts_with("group") && parts[i] != "groupnone") c.group = std::stoul(parts[i].substr(5));
    }
    return c;
}

// The names of the cases: what stands before `suffix`.
inline std::vector<std::string> cases(io::SafetensorsFile const& file, std::string const& suffix) {
    std::vector<std::string> names;
    for (auto const& entry : file)
        if (entry.name.ends_with(suffix)) names.emplace_back(entry.name.substr(0, entry.name.size() - suffix.size()));
    return names;
}

// f.template operator()<S>() for the element type.
template <class F>
void visit_float(dtype t, F&& f) {
    if (t == dtype::f32) f.template operator()<float>();
    if (t == dtype::f16) f.template operator()<float16>();
    if (t == dtype::bf16) f.template operator()<bfloat16>();
}

}  // namespace golden
