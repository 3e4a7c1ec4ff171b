#include <quanto/workflow/prepare.hpp>

#include "small_model.hpp"

#include <quanto/backend/reference_backend.hpp>
#include <quanto/kernels/matmul/kernel_list.hpp>
#include <quanto/testing.hpp>

#include <fstream>
#include <iterator>

#include "memory.hpp"

#include "catch.hpp"

namespace {
using namespace small;

std::string bytes_of(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
// Every weight of the model.
template <class M, class F>
void for_each_weight(M& m, F&& f) {
    nn::for_each_module(m, [&]<class N>(std::string_view, N& module) {
        if constexpr (nn::HasWeight<N>) f(module.weight);
    });
}
reference_backend const reference;
// Prepares also where this processor has no kernel that makes it pay.
struct eager_backend : cpu_backend {
    bool prepares(any_qtype) const noexcept { return true; }
};
static_assert(PreparingBackend<eager_backend> && ExplainingBackend<eager_backend>);
eager_backend const eager;

Model frozen(any_qtype weights, std::optional<any_qtype> activations,
             prepare_options const& options = {.backend = eager}) {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = weights, .activations = activations, .prepare = {.backend = reference}}));
    if (activations) {
        Calibration calibrate{m};
        m(values({4, 160}, 9));
    }
    REQUIRE(freeze(m, options));
    return m;
}
}  // namespace

TEST_CASE("quantize, freeze and load prepare the weights, a backend that does not leaves them") {
    Directory const directory("quanto_prepare");
    auto m = frozen(qint4{}, std::nullopt);
    for_each_weight(m, [](nn::Weight const& w) { CHECK(w.prepared() != nullptr); });
    REQUIRE(save(m, directory.string()));
    Model again, plain;
    auto const report = load(again, directory.string(), {.prepare = {.backend = eager}});
    REQUIRE(report);
    CHECK(report->prepared);
    CHECK(report->prepared.rows.size() == 3);
    CHECK(report->prepared.rows.front().name == "fc1");
    CHECK(report->prepared.rows.front().bytes == again.fc1.weight.prepared()->bytes().size());
    CHECK(load(plain, directory.string(), {.prepare = {.backend = reference}})->prepared.rows.empty());
    for_each_weight(plain, [](nn::Weight const& w) { CHECK(w.prepared() == nullptr); });
    auto marked = Model::with_values();
    CHECK(quantize(marked, {.weights = qint8{}, .prepare = {.backend = eager}})->prepared.rows.size() == 3);
}

TEST_CASE("a prepared Linear stays within the bound of float32 sums, and integers stay exact") {
    auto const x = testing::test_values(5, 200, 3);
    any_qtype::for_each([&]<QType Q>(Q q) {
        for (std::size_t group : {0u, 64u, 48u}) {
            INFO(Q::name << " group " << group);
            nn::Linear linear(any_tensor(testing::test_values(37, 200, 4)));
            REQUIRE(linear.weight.quantize({q, group}));
            linear.weight.freeze();
            auto const before = linear(x);
            auto const codes = nn::quantize_activation(x, qint8{}, 0.02f);
            auto const exact = linear(codes);
            REQUIRE(linear.weight.prepare(eager));
            auto const after = linear(x), same_codes = linear(codes);
            REQUIRE(after);
            REQUIRE(same_codes);
            qtensor_view<Q> const w = linear.weight.quantized()->as<Q>();
            for (std::size_t m = 0; m != 5; ++m)
                for (std::size_t n = 0; n != 37; ++n) {
                    double magnitude = 0, magnitude_of_codes = 0;
                    for (std::size_t k = 0; k != 200; ++k) {
                        auto const at = w.layout.locate(n * 200 + k);
                        auto const shift = static_cast<double>(absolute(w.shift(at.group)));
                        auto const size = static_cast<double>(absolute(w[n * 200 + k])) + 2 * shift;
                        magnitude += static_cast<double>(absolute(x[m * 200 + k])) * size;
                        magnitude_of_codes += static_cast<double>(absolute(codes[m * 200 + k])) * size;
                    }
                    std::size_t const i = m * 37 + n;
                    // Both are within the bound of the true value.
                    CHECK(absolute(after[i] - before[i]) <= 2 * testing::matmul_bound(200, magnitude));
                    if (Q::bits == 8 && !Q::is_floating_point && w.layout.is_whole())
                        CHECK(same_codes[i] == exact[i]);
                    else
                        CHECK(absolute(same_codes[i] - exact[i]) <= 2 * testing::matmul_bound(200, magnitude_of_codes));
                }
        }
    });
}

TEST_CASE("a weight that released its portable form is saved and stated bit for bit") {
    Directory const with("quanto_with"), without("quanto_without");
    any_qtype::for_each([&](auto weights) {
        for (std::optional<any_qtype> activations : {std::optional<any_qtype>(), std::optional<any_qtype>(qint8{})}) {
            INFO(any_qtype(weights).name());
            auto const kept = frozen(weights, activations);
            auto const released = frozen(weights, activations, {.backend = eager, .release_portable = true});
            for_each_weight(released, [](nn::Weight const& w) { CHECK(w.quantized() == nullptr); });
            REQUIRE(save(kept, with.string()));
            REQUIRE(save(released, without.string()));
            CHECK(bytes_of(with / "model.safetensors") == bytes_of(without / "model.safetensors"));
            CHECK(bytes_of(with / "quantization_map.json") == bytes_of(without / "quantization_map.json"));
            CHECK(fingerprint(kept) == fingerprint(released));
            CHECK(same(kept(values({4, 160}, 9)), released(values({4, 160}, 9))));
        }
    });
}

TEST_CASE("a model from a mapped file takes the memory of its panels, and no more") {
    Directory const directory("quanto_mapped");
    REQUIRE(save(frozen(qint4{}, std::nullopt), directory.string()));
    counted_memory memory;
    {
        Model m;
        REQUIRE(
            load(m, directory.string(), {.prepare = {.backend = eager, .memory = &memory, .release_portable = true}}));
        std::size_t panels = 0;
        for_each_weight(m, [&](nn::Weight const& w) { panels += w.prepared()->bytes().size(); });
        CHECK(memory.bytes == panels);
        CHECK(memory.peak == panels);
        CHECK(m(values({4, 160}, 9)));
    }
    CHECK(memory.bytes == 0);
}

TEST_CASE("a backend that reads no panels takes the portable form, and says so where there is none") {
    auto const kept = frozen(qint8{}, std::nullopt),
               released = frozen(qint8{}, std::nullopt, {.backend = eager, .release_portable = true});
    nn::context const where{reference};
    CHECK(kept(nn::Activation(values({4, 160}, 9), where)));
    auto const y = released(nn::Activation(values({4, 160}, 9), where));
    REQUIRE_FALSE(y);
    CHECK(y.error().code() == errc::unsupported);
    CHECK(y.error().message() ==
          "Linear: the portable form of the weight was released, and the backend reference does not read the prepared "
          "one");
}

TEST_CASE("what changes a weight drops its panels, copying copies them") {
    nn::Weight w(any_tensor(values({4, 64}, 1)));
    REQUIRE(w.quantize({qint4{}, 32}));
    auto const prepare = [&] {
        REQUIRE(w.prepare(eager));
        REQUIRE(w.prepared() != nullptr);
    };
    prepare();
    nn::Weight const copy = w;
    CHECK(copy.prepared()->bytes().data() != w.prepared()->bytes().data());
    REQUIRE(w.set(values({4, 64}, 2)));
    CHECK(w.prepared() == nullptr);
    prepare();
    REQUIRE(w.quantize({qint8{}}));
    CHECK(w.prepared() == nullptr);
    prepare();
    w.release_portable();  // not frozen
    CHECK(w.quantized() != nullptr);
    w.freeze();
    CHECK(w.prepared() != nullptr);
    float const value = w.quantized()->as<qint8>()[5];
    double const bits = w.bits_per_weight();
    CHECK(bits == bits_per_weight(*w.quantized()));
    w.release_portable();
    CHECK(w.bits_per_weight() == bits);
    CHECK(w.quantized() == nullptr);
    CHECK(w.has_values());
    CHECK(w.quantized_as({qint2{}}).error().message() == "frozen as qint8, cannot become qint2");
    CHECK(w.portable()->as<qint8>()[5] == value);
    CHECK(copy.prepared() != nullptr);
}

TEST_CASE("where there is no memory for panels, weights stay as they are and the report names the first") {
    no_memory none;
    auto m = Model::with_values();
    auto const marked = quantize(m, {.weights = qint4{}, .prepare = {.backend = eager, .memory = &none}});
    REQUIRE(marked);
    CHECK_FALSE(marked->prepared);
    CHECK(marked->prepared.problem->code() == errc::out_of_memory);
    CHECK(marked->prepared.problem->message().substr(0, 5) == "fc1: ");
    auto const report = freeze(m, {.backend = eager, .memory = &none, .release_portable = true});
    CHECK_FALSE(report);
    for_each_weight(m, [](nn::Weight const& w) { CHECK(w.quantized() != nullptr); });
    CHECK(m(values({4, 160}, 9)));
    CHECK(freeze(m, {.backend = eager}));
}

TEST_CASE("a workspace for which there is no memory is an error that flows") {
    auto const m = frozen(qint4{}, qfloat8{});
    no_memory none;
    cpu_backend const cpu;
    nn::context const where{cpu, &none};
    auto const x = values({4, 160}, 9);
    auto const y = m(nn::Activation(Tensor<float>::borrow(x.view()), where));
    REQUIRE_FALSE(y);
    CHECK(y.error().code() == errc::out_of_memory);
}

TEST_CASE("weights are prepared only where that pays") {
    cpu_backend const cpu, portable({.force_isa = "portable"});
    any_qtype::for_each([&](auto type) {
        for (cpu_backend const* backend : {&cpu, &portable}) {
            auto m = Model::with_values();
            REQUIRE(quantize(m, {.weights = type, .prepare = {.backend = *backend}}));
            for_each_weight(m,
                            [&](nn::Weight const& w) { CHECK((w.prepared() != nullptr) == backend->prepares(type)); });
        }
    });
}

TEST_CASE("explain names the kernel of every weight, and why") {
    auto const m = frozen(qint4{}, std::nullopt);
    cpu_backend const cpu;
    auto const here = explain(m, nn::context{cpu});
    REQUIRE(here.size() == 3);
    CHECK(here.front().name == "fc1");
    CHECK(here.front().choice.kernel.find("matmul_qint4_f32_panel_") == 0);
    CHECK_FALSE(here.front().choice.reason.empty());
    CHECK(explain(m, nn::context{reference}).front().choice.kernel == "reference");
    CHECK(explain(frozen(qint4{}, std::nullopt, {.backend = reference}), nn::context{cpu})
              .front()
              .choice.kernel.find("matmul_qint4_f32_") == 0);
    auto const released = frozen(qint4{}, std::nullopt, {.backend = eager, .release_portable = true});
    CHECK(explain(released, nn::context{reference}).front().choice.kernel == "none");
    auto const unquantized = explain(Model::with_values(), nn::context{cpu}).front().choice;
    CHECK(unquantized.kernel == dense_kernel_name<float>(cpu.target()));
    CHECK(unquantized.reason == "a float weight");
    CHECK(explain(Model::with_values(), nn::context{reference}).front().choice.kernel == "reference");
    CHECK(explain(frozen(qint8{}, qint8{}, {.backend = reference}), nn::context{cpu})
              .front()
              .choice.kernel.find("matmul_qint8_int8_") == 0);
    CHECK(explain(Model(), nn::context{cpu}).empty());
    auto uncalibrated = Model::with_values();
    REQUIRE(quantize(uncalibrated, {.weights = qint8{}, .activations = qint8{}}));
    CHECK(explain(uncalibrated, nn::context{cpu}).front().choice.kernel.find("matmul_qint8_f32_") == 0);
}
