// What new memory holds reaches no result and no file: all that is made here is made again with other bytes in it.
#include <quanto/quanto.hpp>

#include <fstream>
#include <iterator>
#include <string>

#include "memory.hpp"
#include "small_model.hpp"

#include "catch.hpp"

namespace {
using namespace small;

class bytes {
public:
    void add(storage const& s) { all_.append(reinterpret_cast<char const*>(s.data()), s.size()); }
    void add(nn::Activation const& y) {
        if (!y) {
            all_ += y.error().c_str();
            return;
        }
        add((y.is_quantized() ? y.codes().bytes() : y.values().bytes()));
        for (std::size_t r = 0; y.is_quantized() && r != (y.has_row_scales() ? y.row_scales().size() : 1); ++r)
            add(std::to_string(y.scale_of_row(r)));
        if (auto const v = y.value()) add(v->bytes());
    }
    template <class T>
    void add(result<Tensor<T>> const& t) {
        t ? add(t->bytes()) : add(std::string(t.error().c_str()));
    }
    void add(std::string const& text) { all_ += text; }
    void add_file(std::string const& path) {
        std::ifstream file(path, std::ios::binary);
        REQUIRE(file);
        all_.append(std::istreambuf_iterator<char>(file), {});
    }
    std::string const& all() const { return all_; }

private:
    std::string all_;
};

// f(bytes&), with zeros in new memory, with signaling NaN, and with codes of every kind.
template <class F>
void check_same(F const& f) {
    std::uint32_t const usual = new_memory_pattern;
    std::string first;
    for (std::uint32_t pattern : {0u, 0x7fa0'0001u, 0xaa55'ff80u}) {
        new_memory_pattern = pattern;
        bytes b;
        f(b);
        new_memory_pattern = usual;
        if (first.empty()) first = b.all();
        CHECK(!first.empty());
        CHECK(b.all() == first);
    }
}

struct Net {
    nn::Conv2d first{1, 5, 3, {.padding = 1}}, by_plane{5, 10, 3, {.padding = 1, .groups = 5}},
        grouped{10, 6, 3, {.groups = 2}}, second{6, 8, {2, 3}, {.stride = 2, .padding = 1}};
    nn::BatchNorm norm{8};
    nn::Linear q{20, 12}, fc{192, 3};

    nn::Activation operator()(nn::Activation const& x) const {
        auto const a = nn::relu(by_plane(nn::max_pool2d(nn::relu(first(x)), 3, {.stride = 2, .padding = 1})));
        auto const b = norm(second(nn::avg_pool2d(grouped(a), 2, {.stride = 1, .padding = 1})));
        if (!b) return b;
        auto const rows = q(nn::view(b, {b.shape()[0], 8, 20}));
        auto const mixed = nn::matmul(nn::softmax(nn::matmul_transposed(rows, rows)), rows);
        return fc(nn::flatten(nn::cat({mixed + rows, nn::gelu(rows) * 0.5f}, 1)));
    }
    static extents input(std::size_t images) { return {images, 1, 20, 16}; }
    static void children(auto& self, auto&& each) {
        each("first", self.first);
        each("by_plane", self.by_plane);
        each("grouped", self.grouped);
        each("second", self.second);
        each("norm", self.norm);
        each("q", self.q);
        each("fc", self.fc);
    }
};
}  // namespace

TEST_CASE("what new memory holds is seen by nobody but who asks for memory for overwrite") {
    for (std::size_t n : {0u, 1u, 63u, 1000u}) {
        auto const s = storage::allocate(n);
        for (std::size_t i = 0; i != n; ++i) CHECK(s->data()[i] == std::byte{0});
        Tensor<float> const t(extents{n});
        for (float v : t) CHECK(v == 0.0f);
    }
    auto const set = Tensor<std::uint32_t>::make_for_overwrite({3});
    REQUIRE(set);
    for (std::uint32_t word : *set) CHECK(word == new_memory_pattern);
}

TEST_CASE("forward passes, saved files and what is loaded from them do not depend on new memory") {
    auto const x = values(Net::input(3), 5);
    reference_backend const reference;
    any_qtype::for_each([&](auto weights) {
        for (std::optional<any_qtype> activations :
             {std::optional<any_qtype>(), std::optional<any_qtype>(qint8{}), std::optional<any_qtype>(qfloat8{})})
            for (bool prepared : {true, false}) {
                INFO(any_qtype(weights).name()
                     << " activations " << (activations ? activations->name() : "none") << " prepared " << prepared);
                check_same([&](bytes& b) {
                    Net m, other;
                    REQUIRE(initialize(m, 3));
                    b.add(m(x));
                    prepare_options options;
                    if (!prepared) options.backend = reference;
                    REQUIRE(quantize(m, {.weights = weights, .activations = activations, .prepare = options}));
                    {
                        Calibration calibrate{m};
                        b.add(m(x));
                    }
                    REQUIRE(freeze(m, options));
                    Directory const directory("new_memory");
                    REQUIRE(save(m, directory.string()));
                    REQUIRE(load(other, directory.string()));
                    for (auto const& entry : std::filesystem::recursive_directory_iterator(directory.path))
                        if (entry.is_regular_file()) b.add_file(entry.path().string());
                    for (auto accuracy : {product_accuracy::exact, product_accuracy::dynamic_int8}) {
                        pool_memory pool;
                        cpu_backend const cpu;
                        nn::context const here{.backend = cpu, .memory = &pool, .accuracy = accuracy};
                        b.add(m(nn::Activation(Tensor<float>::borrow(x.view()), here)));
                        b.add(other(nn::Activation(Tensor<float>::borrow(x.view()), here)));
                    }
                    b.add(other(x));
                });
            }
    });
}

TEST_CASE("gradients and what they move do not depend on new memory") {
    auto const x = values(Net::input(6), 5);
    std::vector<int> const labels = {0, 1, 2, 0, 1, 2};
    for (bool quantized : {false, true})
        for (bool learn : {false, true})
            check_same([&](bytes& b) {
                Net m;
                REQUIRE(initialize(m, 3));
                if (quantized) {
                    REQUIRE(quantize(m, {.weights = qint4{}, .activations = qint8{}}));
                    Calibration calibrate{m};
                    REQUIRE(m(x));
                }
                Tuner tune{m, adam{}, {.learn_scales = learn, .batch_statistics = true, .shards = 2}};
                for (int step = 0; step != 3; ++step) {
                    auto const loss = tune.step(x, labels);
                    if (!loss) FAIL(loss.error().c_str());
                    b.add(std::to_string(*loss));
                }
                auto const state = state_dict(m);
                REQUIRE(state);
                for (auto const& [key, t] : *state) b.add(t.bytes());
            });
}

TEST_CASE("operations do not depend on new memory, nor do their edges") {
    auto const on = [](nn::Activation const& x, bytes& b) {
        auto const mask = nn::gt(x, x * 0.5f);
        REQUIRE(mask);
        // clang-format off
        for (auto const& y :
             {x + x, x - 1.0f, x * x, x / 3.0f, -x, nn::abs(x), nn::relu(x), nn::silu(x), nn::tanh(x), nn::softmax(x),
              nn::log_softmax(x), nn::transpose(x, 0, 1), nn::expand(nn::unsqueeze(x, 0), {3, 4, 6}),
              nn::slice(x, 1, 0, 6, 2), nn::index(x, std::vector<std::size_t>{3, 0, 3}), nn::stack({x, x}),
              nn::cat({x, x}, 0), nn::sum(x, 0), nn::mean(x, 1), nn::amax(x, 1), nn::where(*mask, x, 0.25f),
              nn::where(*mask, x, x), nn::masked_fill(x, *mask, -1.0f), nn::matmul_transposed(x, x),
              nn::matmul(x, nn::transpose(x, 0, 1)), nn::max_pool2d(x, 2), nn::avg_pool2d(x, {2, 3}),
              nn::adaptive_avg_pool2d(x, {3, 2}), nn::LayerNorm(values({6}, 2), values({6}, 3))(x)})
            b.add(y);
        // clang-format on
        b.add(nn::argmax(x, 1));
        for (auto const& ordered : {nn::lt(x, x), nn::eq(x, x)}) b.add(ordered);
    };
    auto const x = values({4, 6}, 1), none = Tensor<float>(extents{4, 6});
    cpu_backend const cpu;
    check_same([&](bytes& b) {
        for (auto const* const values_of_x : {&x, &none})
            for (any_qtype type : {any_qtype(qint8{}), any_qtype(qfloat8{}), any_qtype(qfloat8_e5m2{})}) {
                on(*values_of_x, b);
                for (auto scaling : {nn::activation_scaling::per_tensor, nn::activation_scaling::per_row})
                    on(nn::quantize_dynamic(*values_of_x, type, scaling), b);
                on(nn::quantize_activation(*values_of_x, type, 0.01f), b);
                on(nn::quantize_activation(none, type, 0.0f), b);
            }
        // Sums of nothing, windows on nothing but padding, and no rows.
        b.add(nn::Linear(Tensor<float>(extents{3, 0}), values({3}, 1))(Tensor<float>(extents{2, 0})));
        any_qtype::for_each([&](auto type) {
            nn::Linear summing_nothing(Tensor<float>(extents{3, 0}), values({3}, 1));
            REQUIRE(summing_nothing.weight.quantize({.type = type}));
            b.add(summing_nothing(Tensor<float>(extents{2, 0})));
            REQUIRE(summing_nothing.weight.prepare(cpu));
            b.add(summing_nothing(Tensor<float>(extents{2, 0})));
        });
        b.add(nn::matmul(Tensor<float>(extents{2, 0}), Tensor<float>(extents{0, 3})));
        b.add(nn::Conv2d(values({2, 1, 1, 1}, 1), std::nullopt, {.padding = 2})(Tensor<float>(extents{1, 0, 3})));
        b.add(nn::max_pool2d(Tensor<float>(extents{2, 0, 3}), 2, {.padding = 1}));
        b.add(nn::avg_pool2d(Tensor<float>(extents{2, 0, 3}), 2, {.padding = 1}));
        b.add(nn::adaptive_avg_pool2d(Tensor<float>(extents{2, 3, 0}), 2));
    });
}

TEST_CASE("quantized weights, and panels of them, do not depend on new memory") {
    auto const x = values({7, 5, 6}, 1);
    check_same([&](bytes& b) {
        any_qtype::for_each([&]<QType Q>(Q) {
            auto const add = [&](auto const& made) {
                REQUIRE(made);
                for (storage const* s : {&made->parts().codes, &made->parts().scale, &made->parts().shift}) b.add(*s);
            };
            for (std::size_t group : {0u, 4u, 10u, 15u})
                for (bool zero_point : {false, true}) {
                    quantizer_options const options{.group = group, .integer_zero_point = zero_point};
                    default_optimizer<Q> const best{};
                    add(quantize<Q>(x, best, options));
                    add(quantize<Q, axis::last>(x, best, options));
                    add(quantize<Q, axis::last>(x, best, options, vectorized{}));
                    auto const q = quantize<Q>(x, best, options, vectorized{});
                    add(q);
                    Tensor<float> values_of_q(x.shape());
                    dequantize(q->view(), values_of_q.data(), vectorized{});
                    b.add(values_of_q.bytes());
                    auto const packed = panels::pack(any_qtensor(*q));
                    REQUIRE(packed);
                    b.add(packed->bytes());
                    add(packed->unpack());
                }
        });
    });
}
