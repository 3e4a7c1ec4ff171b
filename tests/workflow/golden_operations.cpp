// Every functional operation against Python quanto: operations of shared/golden. Where Python slips, the result must be
// that of the operation on the dequantized inputs.
#include "golden.hpp"

#include <functional>
#include <map>

#include "catch.hpp"

#if defined(QUANTO_TEST_JSON)
namespace {
using namespace golden;
using nn::Activation;

struct Operations {
    io::SafetensorsFile file;
    any_qtype type;
    Tensor<bool> mask;

    explicit Operations(any_qtype q) : type(q) {
        auto opened = io::open_safetensors(folder() + "/operations.safetensors");
        if (!opened) FAIL(opened.error().c_str());
        file = std::move(*opened);
        auto const* const m = file.find("mask");
        REQUIRE(m != nullptr);
        mask = Tensor<bool>(m->shape());
        for (std::size_t i = 0; i != mask.size(); ++i) mask[i] = std::to_integer<int>(m->bytes().data()[i]) != 0;
    }
    any_tensor const* find(std::string const& key) const { return file.find(std::string(type.name()) + '.' + key); }
    Activation input(std::string const& name) const {
        auto const* const codes = find("input." + name + ".codes");
        auto const* const scale = find("input." + name + ".scale");
        REQUIRE(codes != nullptr);
        Tensor<std::uint8_t> t(codes->shape());
        std::memcpy(t.data(), codes->bytes().data(), t.size());
        return Activation(type, std::move(t), (*scale)[0]);
    }
    any_tensor weight() const { return *file.find("linear_weight"); }
};

std::vector<Activation> bools(result<Tensor<bool>> const& t) {
    if (!t) return {t.error()};
    Tensor<float> f(t->shape());
    for (std::size_t i = 0; i != f.size(); ++i) f[i] = (*t)[i] ? 1.0f : 0.0f;
    return {f};
}
Activation layer_norm(Activation const& x) {
    Tensor<float> ones({x.shape().back()});
    for (auto& v : tensor_view<float>(ones.view())) v = 1.0f;
    return nn::LayerNorm(any_tensor(ones))(x);
}

using Inputs = std::vector<Activation>;
using Function = std::function<std::vector<Activation>(Operations const&, Inputs const&)>;

template <class X>
Function unary(Activation (*f)(X)) {
    return [f](Operations const&, Inputs const& x) { return std::vector{f(x[0])}; };
}
template <class F>
Function of(F f) {
    return [f](Operations const&, Inputs const& x) {
        if constexpr (requires { f(x[0], x[0]); })
            return std::vector<Activation>{f(x[0], x[1])};
        else
            return std::vector<Activation>{f(x[0])};
    };
}
template <class F>
Function parts(F f) {
    return [f](Operations const&, Inputs const& x) { return f(x[0]); };
}

// In place is x = f(x) here. What is missing are modules and what stays with the caller: pooling and convolution.
std::map<std::string, Function> const table{
    {"to_f16", of([](auto const& a) { return nn::to(a, dtype::f16); })},
    {"to_bf16", of([](auto const& a) { return nn::to(a, dtype::bf16); })},
    {"detach", of([](auto const& a) { return a; })},
    {"clone", of([](auto const& a) { return a; })},
    {"contiguous_transpose", of([](auto const& a) { return nn::transpose(a, 0, 1); })},
    {"copy_", of([](auto const&, auto const& b) { return b; })},
    {"cat_same_scale", of([](auto const& a, auto const& b) { return nn::cat({a, b}, 1); })},
    {"cat_other_scale", of([](auto const& a, auto const& c) { return nn::cat({a, c}, 0); })},
    {"cat_three", of([](auto const& a, auto const& b) { return nn::cat({a, b, a}, 0); })},
    {"stack_same_scale", of([](auto const& a, auto const& b) { return nn::stack({a, b}); })},
    {"stack_other_scale", of([](auto const& a, auto const& c) { return nn::stack({a, c}); })},
    {"stack_three", of([](auto const& a, auto const& b) { return nn::stack({a, b, a}); })},
    {"lt_same_scale", [](auto&, auto& x) { return bools(nn::lt(x[0], x[1])); }},
    {"lt_other_scale", [](auto&, auto& x) { return bools(nn::lt(x[0], x[1])); }},
    {"lt_negative_scale", [](auto&, auto& x) { return bools(nn::lt(x[0], x[1])); }},
    {"gt_same_scale", [](auto&, auto& x) { return bools(nn::gt(x[0], x[1])); }},
    {"eq", [](auto&, auto& x) { return bools(nn::eq(x[0], x[1])); }},
    {"neg", of([](auto const& a) { return -a; })},
    {"relu", unary(nn::relu)},
    {"relu_negative_scale", unary(nn::relu)},
    {"relu_in_place", of([](auto a) { return a = nn::relu(a); })},
    {"add_in_place", of([](auto a) { return a = a + 1.0f; })},
    {"mul_in_place", of([](auto a) { return a = a * 2.0f; })},
    {"mul_scalar", of([](auto const& a) { return a * 2.0f; })},
    {"mul_negative_scalar", of([](auto const& a) { return a * -2.0f; })},
    {"mul_zero", of([](auto const& a) { return a * 0.0f; })},
    {"mul_zero_dim", of([](auto const& a) { return 3.0f * a; })},
    {"mul_quantized", of([](auto const& a, auto const& b) { return a * b; })},
    {"div_scalar", of([](auto const& a) { return a / 2.0f; })},
    {"div_zero_dim", of([](auto const& a) { return a / 3.0f; })},
    {"div_negative_scalar", of([](auto const& a) { return a / -2.0f; })},
    {"div_quantized", of([](auto const& a, auto const& b) { return a / b; })},
    {"div_scalar_by", of([](auto const& a) { return 1.0f / a; })},
    {"view", of([](auto const& a) { return nn::view(a, {a.size()}); })},
    {"reshape_transposed", of([](auto const& a) { return nn::view(nn::transpose(a, 0, 1), {a.size()}); })},
    {"flatten", of([](auto const& s) { return nn::flatten(s); })},
    {"unflatten", of([](auto const& s) { return nn::unflatten(s, 2, {s.shape()[2] / 2, 2}); })},
    {"t", of([](auto const& a) { return nn::transpose(a, 0, 1); })},
    {"transpose", of([](auto const& s) { return nn::transpose(s, 1, 2); })},
    {"permute", of([](auto const& s) { return nn::permute(s, {2, 0, 1}); })},
    {"expand", of([](auto const& a) { return nn::expand(nn::slice(a, 0, 0, 1), {3, a.shape()[1]}); })},
    {"select", of([](auto const& a) { return nn::select(a, 0, 1); })},
    {"slice", of([](auto const& a) { return nn::slice(a, 1, 1, a.shape()[1], 2); })},
    {"unsqueeze", of([](auto const& a) { return nn::unsqueeze(a, 1); })},
    {"squeeze", of([](auto const& a) { return nn::squeeze(nn::unsqueeze(a, 1), 1); })},
    {"index", of([](auto const& a) {
         return nn::index(a, std::vector<std::size_t>{0, 2});
     })},
    {"split", parts([](auto const& a) { return nn::split(a, 2, 1); })},
    {"chunk", parts([](auto const& a) { return nn::chunk(a, 2, 0); })},
    {"split_sizes", parts([](auto const& a) {
         return nn::split(a, std::vector<std::size_t>{1, a.shape()[1] - 1}, 1);
     })},
    {"unbind", parts([](auto const& a) { return nn::unbind(a, 0); })},
    {"where_finite", [](auto& o, auto& x) { return std::vector{nn::where(o.mask, x[0], 0.25f)}; }},
    {"where_minus_infinity",
     [](auto& o, auto& x) { return std::vector{nn::where(o.mask, x[0], -std::numeric_limits<float>::infinity())}; }},
    {"where_quantized_other", [](auto& o, auto& x) { return std::vector{nn::where(o.mask, x[0], x[1])}; }},
    {"masked_fill", [](auto& o, auto& x) { return std::vector{nn::masked_fill(x[0], o.mask, -1e9f)}; }},
    {"softmax", unary(nn::softmax)},
    {"log_softmax", unary(nn::log_softmax)},
    {"bmm", of([](auto const& s, auto const& t) { return nn::matmul(s, t); })},
    {"bmm_float_other", of([](auto const& s, auto const& t) { return nn::matmul(s, *t.value()); })},
    {"bmm_float_input", of([](auto const& s, auto const& t) { return nn::matmul(*s.value(), t); })},
    {"matmul_4d", of([](auto const& s, auto const& t) {
         return nn::matmul(nn::unsqueeze(s, 1), nn::unsqueeze(t, 1));
     })},
    {"matmul_2d", of([](auto const& a, auto const& b) { return nn::matmul(a, nn::transpose(b, 0, 1)); })},
    {"linear_float_weight", [](auto& o, auto& x) { return std::vector{nn::Linear(o.weight())(x[0])}; }},
    {"linear_qint8_weight",
     [](auto& o, auto& x) {
         nn::Linear m(o.weight());
         REQUIRE(m.weight.quantize({qint8{}}));
         return std::vector{m(x[0])};
     }},
    {"linear_qint4_weight",
     [](auto& o, auto& x) {
         nn::Linear m(o.weight());
         REQUIRE(m.weight.quantize({qint4{}}));
         return std::vector{m(x[0])};
     }},
    {"add", of([](auto const& a, auto const& b) { return a + b; })},
    {"sub_scalar", of([](auto const& a) { return a - 1.0f; })},
    {"abs", unary(nn::abs)},
    {"clamp", of([](auto const& a) { return nn::clamp(a, -1.0f, 1.0f); })},
    {"sigmoid", unary(nn::sigmoid)},
    {"tanh", unary(nn::tanh)},
    {"gelu", unary(nn::gelu)},
    {"silu", unary(nn::silu)},
    {"dropout_eval", of([](auto const& a) { return a; })},
    {"layer_norm", of([](auto const& a) { return layer_norm(a); })},
    {"mean", of([](auto const& a) { return nn::mean(a, -1); })},
    {"sum", of([](auto const& a) { return nn::sum(a, 0); })},
    {"amax", of([](auto const& a) { return nn::amax(a, -1); })},
    {"argmax", [](auto&, auto& x) {
         auto const t = nn::argmax(x[0], -1);
         if (!t) return std::vector<Activation>{t.error()};
         Tensor<float> f(t->shape());
         for (std::size_t i = 0; i != f.size(); ++i) f[i] = static_cast<float>((*t)[i]);
         return std::vector<Activation>{f};
     }}};

float number(any_tensor const& t, std::size_t i) {
    if (is_float_storage(t.type())) return t[i];
    if (t.type() == dtype::boolean) return std::to_integer<int>(t.bytes().data()[i]) != 0 ? 1.0f : 0.0f;
    REQUIRE(t.type() == dtype::i64);
    std::int64_t v = 0;
    std::memcpy(&v, t.bytes().data() + 8 * i, 8);
    return static_cast<float>(v);
}
void check_values(Activation const& y, any_tensor const& want) {
    REQUIRE(y.shape() == want.shape());
    for (std::size_t i = 0; i != y.size(); ++i) {
        float const w = number(want, i), got = y[i];
        if (!is_finite(w))
            CHECK((got == w || (is_nan(got) && is_nan(w))));
        else  // the README's tolerance
            CHECK(absolute(got - w) <= 1e-6f * std::max(1.0f, absolute(w)));
    }
}
}  // namespace

TEST_CASE("operations on quantized activations give what Python quanto gives, or what it should") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    std::size_t count = 0;
    for (any_qtype const type : {any_qtype(qint8{}), any_qtype(qfloat8_e4m3fn{})}) {
        Operations const o(type);
        for (auto const& c : json("operations.json")) {
            std::string const full = c["case"], name = full.substr(full.find('.') + 1);
            if (full.substr(0, full.find('.')) != type.name()) continue;
            auto const f = table.find(name);
            if (f == table.end()) {
                CHECK((name == "conv2d_float_weight" || name == "max_pool2d" || name == "avg_pool2d"));
                continue;
            }
            INFO(full);
            Inputs inputs;
            for (auto const& input : c["inputs"]) inputs.push_back(o.input(input));
            auto const outputs = f->second(o, inputs);
            bool const slip = !c["slip"].get<std::string>().empty();
            for (std::size_t i = 0; i != outputs.size(); ++i) {
                Activation const& y = outputs[i];
                if (!y) FAIL(y.error().c_str());
                auto const out = name + ".out" + std::to_string(i);
                if (slip) {
                    auto const* const correct = o.find(name + ".correct" + std::to_string(i) + ".values");
                    REQUIRE(correct != nullptr);
                    check_values(y, *correct);
                    continue;
                }
                bool const quantized = c["result"][i] == "quantized";
                CHECK(y.is_quantized() == quantized);
                if (!quantized) {
                    auto const* const values = o.find(out + ".values");
                    REQUIRE(values != nullptr);
                    check_values(y, *values);
                    continue;
                }
                auto const *const codes = o.find(out + ".codes"), *const scale = o.find(out + ".scale");
                REQUIRE(y.shape() == codes->shape());
                CHECK(y.scale() == (*scale)[0]);
                for (std::size_t k = 0; k != y.size(); ++k)
                    CHECK(steps(type, std::to_integer<std::uint8_t>(codes->bytes().data()[k]), y.codes()[k]) <=
                          (name == "softmax" ? 1 : 0));
            }
            ++count;
        }
    }
    CHECK(count == 2 * 78);
}

// What stays quantized where Python slips.
TEST_CASE("operations keep codes where Python quanto falls back or fails") {
    if (missing() != nullptr) QUANTO_SKIP(missing());
    for (any_qtype const type : {any_qtype(qint8{}), any_qtype(qfloat8_e4m3fn{})}) {
        Operations const o(type);
        for (std::string const name :
             {"stack_three", "neg", "relu_negative_scale", "mul_negative_scalar", "mul_zero", "div_negative_scalar",
              "squeeze", "index", "split", "chunk", "split_sizes", "unbind", "where_quantized_other", "cat_three"}) {
            INFO(type.name() << ' ' << name);
            auto const input = [&](char const* of) { return o.input(of); };
            Inputs const x = name == "relu_negative_scale" ? Inputs{input("n")} : Inputs{input("a"), input("b")};
            bool const int8_alone = name == "neg" || name == "relu_negative_scale" || name == "cat_three";
            for (auto const& y : table.at(name)(o, x)) CHECK(y.is_quantized() == (type.is<qint8>() || !int8_alone));
        }
    }
}
#endif
