// Floats to codes and back, in the second cache: 64 Ki floats, as a weight (16 x 4096) or as rows of activations; of int4
// 640 Ki, as in the loop that it is compared with. A user might write that one: without the divisions that make the
// definition, so that its codes differ here and there, and without the layout of files. GB/s are those of the floats.
#include <cstring>

#include <quanto/core/pool_memory.hpp>
#include <quanto/nn/quantize_activation.hpp>
#include <quanto/quantizer/quantize.hpp>

#include "operands.hpp"
#include "table.hpp"

namespace benchmarks {
namespace {

using namespace quanto;

constexpr std::size_t rows = 16, cols = 4096;

constexpr double bytes_of_rows(std::size_t n) { return static_cast<double>(n * cols * sizeof(float)); }

// In huge pages, as what it is compared with.
template <QType Q>
struct weight {
    huge_pages pages;
    Tensor<float> x;
    grouping layout;
    Tensor<float> scale, shift, values = *Tensor<float>::make(x.shape(), &pages);
    Tensor<std::uint8_t> codes;
    QTensor<Q> expected;
    vectorized by{};

    weight(std::size_t n, std::size_t group)
        : x(values_in(&pages, n)),
          layout(x.shape(), axis::first, quanto::group{group}),
          scale(extents{layout.groups()}),
          shift(extents{layout.groups()}),
          codes(*Tensor<std::uint8_t>::make(
              extents{planar_packing<Q::bits>{layout.code_rows(), layout.code_cols()}.bytes()}, &pages)),
          expected(*quantize<Q>(x, default_optimizer<Q>{}, {.group = group, .memory = &pages})) {}

private:
    static Tensor<float> values_in(memory_ref memory, std::size_t n) {
        auto const random = random_values(n, cols, 1);
        auto x = *Tensor<float>::make(random.shape(), memory);
        std::memcpy(x.data(), random.data(), random.size() * sizeof(float));
        return x;
    }
};

template <QType Q>
subject encoding(std::size_t n, std::size_t group) {
    auto const w = std::make_shared<weight<Q>>(n, group);
    return {bytes_of_rows(n), 0,
            [w] {
                auto const done = w->by.template encode<Q>(grouped_values<float>{std::as_const(w->x).data(), w->layout},
                                                           default_optimizer<Q>{}, false, w->scale.data(),
                                                           w->shift.data(), w->codes.data());
                if (!done) std::abort();
            },
            [w]() -> std::string {
                auto const& p = w->expected.parts();
                bool const same = std::memcmp(p.codes.data(), w->codes.data(), w->codes.size()) == 0 &&
                                  std::memcmp(p.scale.data(), w->scale.data(), p.scale.size()) == 0;
                return same ? "" : "not the bytes of the definition";
            }};
}

template <QType Q>
subject decoding(std::size_t n, std::size_t group) {
    auto const w = std::make_shared<weight<Q>>(n, group);
    return {bytes_of_rows(n), 0, [w] { w->by.decode(w->expected.view(), w->values.data()); },
            [w]() -> std::string {
                for (std::size_t i = 0; i != w->values.size(); ++i)
                    if (w->values[i] != w->expected[i]) return "value " + std::to_string(i) + " is wrong";
                return {};
            }};
}

// As modules do it: results are allocated, in a pool.
template <ActivationQType Q>
struct activation {
    cpu_backend backend{};
    pool_memory pool{};
    nn::context here{backend, &pool};
    nn::Activation x{random_values(rows, cols, 1), here}, codes = error(errc::missing, "not computed yet");
    Tensor<float> values{};

    std::string check() const {
        if (!codes) return std::string(codes.error().message());
        for (std::size_t r = 0; r != rows; ++r)
            for (std::size_t i = r * cols; i != (r + 1) * cols; ++i)
                if (codes.codes()[i] != symmetric_code<Q>(x[i], codes.scale_of_row(r)))
                    return "code " + std::to_string(i) + " is wrong";
        for (std::size_t i = 0; i != values.size(); ++i)
            if (std::as_const(values)[i] != codes[i]) return "value " + std::to_string(i) + " is wrong";
        return {};
    }
};

template <ActivationQType Q, class F>
subject of_activation(F const& f) {
    auto const a = std::make_shared<activation<Q>>();
    return {bytes_of_rows(rows), 0, [a, f] { f(*a); }, [a] { return a->check(); }};
}

template <ActivationQType Q>
void add_activation(table& t) {
    std::string const name(Q::name);
    t.add({"activation to " + name, limit::read_l2}, [] {
        return of_activation<Q>([](auto& a) { a.codes = nn::quantize_activation(a.x, Q{}, 1.0f / Q::qmax); });
    });
    t.add({"activation to " + name + ", dynamic, per row", limit::read_l2}, [] {
        return of_activation<Q>(
            [](auto& a) { a.codes = nn::quantize_dynamic(a.x, Q{}, nn::activation_scaling::per_row); });
    });
    t.add({"activation from " + name, limit::read_l2}, [] {
        return of_activation<Q>([](auto& a) {
            if (!a.codes) a.codes = nn::quantize_activation(a.x, Q{}, 1.0f / Q::qmax);
            a.values = std::move(*a.codes.value());
        });
    });
}

}  // namespace

void add_conversions(table& t) {
    t.add({"quantize qint4 g128", limit::int4_encode, 0.95}, [] { return encoding<qint4>(160, 128); });
    t.add({"dequantize qint4 g128", limit::int4_decode, 0.95}, [] { return decoding<qint4>(160, 128); });
    t.add({"quantize qint8", limit::read_l2}, [] { return encoding<qint8>(rows, 0); });
    t.add({"dequantize qint8", limit::read_l2}, [] { return decoding<qint8>(rows, 0); });
    t.add({"quantize qfloat8_e4m3fn", limit::read_l2}, [] { return encoding<qfloat8_e4m3fn>(rows, 0); });
    t.add({"dequantize qfloat8_e4m3fn", limit::read_l2}, [] { return decoding<qfloat8_e4m3fn>(rows, 0); });
    add_activation<qint8>(t);
    add_activation<qfloat8_e4m3fn>(t);
    add_activation<qfloat8_e5m2>(t);
}

}  // namespace benchmarks
