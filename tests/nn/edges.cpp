// Modules whose inputs, panels, workspaces and outputs end exactly at a page which nobody may touch: whatever kernels
// their backend takes.
#include <quanto/quanto.hpp>

#include <string_view>

#include "memory.hpp"

#include "catch.hpp"

#if defined(__unix__)
namespace {
using namespace quanto;

// forward(x, backend) of x in float and in int8 codes, on every instruction set.
template <class F>
void at_the_edge(extents const& shape, F const& forward) {
    edge_memory edge;
    edge_values<float> values(shape.numel());
    edge_values<std::uint8_t> codes(shape.numel());
    for (std::size_t i = 0; i != shape.numel(); ++i) {
        codes.data()[i] = static_cast<std::uint8_t>(i * 37);
        values.data()[i] = static_cast<float>(i * 37 % 64) * 0.03125f - 1.0f;
    }
    for (std::string_view const cap : {"portable", "avx2", ""}) {
        CAPTURE(cap);
        cpu_backend const cpu({.force_isa = cap});
        for (auto const accuracy : {product_accuracy::exact, product_accuracy::dynamic_int8}) {
            nn::context const here{.backend = cpu, .memory = &edge, .accuracy = accuracy};
            CHECK(forward(nn::Activation(Tensor<float>::borrow({values.data(), shape}), here), cpu));
            CHECK(forward(nn::Activation(qint8{}, Tensor<std::uint8_t>::borrow({codes.data(), shape}), 0.02f, &here),
                          cpu));
        }
    }
}
}  // namespace

TEST_CASE("convolutions read and write nothing outside their operands") {
    edge_memory edge;
    auto const check = [&](nn::Conv2d conv, std::optional<any_qtype> type) {
        REQUIRE(initialize(conv, 1));
        if (type) REQUIRE(conv.weight.quantize({*type}));
        for (std::optional<float> const scale : {std::optional<float>(), std::optional(0.1f)})
            at_the_edge({2, 5, 9, 21}, [&](nn::Activation const& x, cpu_backend const& cpu) {
                nn::Conv2d prepared = conv;
                if (scale) prepared.activation.type = qint8{}, prepared.activation.output_scale = scale;
                if (type) REQUIRE(prepared.weight.prepare(cpu, &edge));
                auto const y = prepared(x);
                if (!y) FAIL(y.error().c_str());
                return true;
            });
    };
    for (std::optional<any_qtype> const type :
         {std::optional<any_qtype>(), std::optional<any_qtype>(qint8{}), std::optional<any_qtype>(qint4{}),
          std::optional<any_qtype>(qfloat8{})}) {
        CAPTURE(type ? type->name() : "float");
        check(nn::Conv2d(5, 19, 3, {.padding = 1}), type);
        check(nn::Conv2d(5, 16, 3, {.stride = 2, .dilation = 2}), type);
        check(nn::Conv2d(5, 10, {1, 3}, {.groups = 5}), type);
    }
}

TEST_CASE("attention, normalization, pooling and activation functions stay inside their operands") {
    nn::MultiHeadAttention attention(36, 4, 2);
    nn::LayerNorm norm(36);
    REQUIRE(initialize(attention, 1));
    REQUIRE(initialize(norm, 1));
    at_the_edge({2, 7, 36}, [&](nn::Activation const& x, cpu_backend const&) {
        bool const attended = static_cast<bool>(attention(x)) && static_cast<bool>(nn::attention(x, x, x));
        return attended && norm(x) && nn::gelu(x) && nn::silu(x) && nn::relu(x) &&
               nn::softmax(x) && nn::quantize_dynamic(x, qint8{}, nn::activation_scaling::per_row) && x + x;
    });
    at_the_edge({3, 9, 13}, [](nn::Activation const& x, cpu_backend const&) {
        return static_cast<bool>(nn::MaxPool2d(2)(x)) && static_cast<bool>(nn::AvgPool2d(3)(x));
    });
}
#endif
