#include "small_model.hpp"

#include <vector>

#include "catch.hpp"

namespace {
using namespace small;

std::vector<std::uint8_t> const labels = {0, 1, 0, 1, 0};
Tensor<float> batch() { return values({5, 160}, 9); }

// Moves nothing, and keeps what it is asked to move along: blocks in order, of a weight first its values.
struct spy {
    std::vector<std::vector<float>>* gradients;
    static constexpr std::size_t states = 0;
    void operator()(descent_step const& s) const { gradients->emplace_back(s.gradient, s.gradient + s.size); }
};
// 0.7 of the scales that its weight asks for, with values that keep their codes when these move a little.
nn::Linear clamping_linear(nn::weight_scheme const& scheme) {
    nn::Linear m(values({3, 16}, 1), values({3}, 2));
    REQUIRE(m.weight.quantize(scheme));
    std::vector<float> scales, shifts;
    auto const clamp = [&](float by) {
        scales.clear(), shifts.clear();
        m.weight.quantized()->visit([&](auto const& q) {
            for (std::size_t g = 0; g != q.layout.groups(); ++g)
                scales.push_back(by * q.scale(g)), shifts.push_back(by * q.shift(g));
        });
    };
    clamp(0.7f);
    chosen_scales const chosen{scales.data(), shifts.data()};
    REQUIRE(m.weight.set(*m.weight.master(), &chosen));
    Tensor<float> w(extents{3, 16});
    m.weight.quantized()->visit([&]<class Q>(qtensor_view<Q> const& q) {
        for (std::size_t i = 0; i != w.size(); ++i) {
            std::size_t const g = q.layout.locate(i).group;
            float const was = (*m.weight.master())[i];
            bool const inside = nn::detail::unclamped<Q>(q.scale(g), q.shift(g)).holds(was);
            w[i] = !inside ? was : Q::is_floating_point ? q[i] * 1.015625f : q[i] + 0.2f * q.scale(g);
        }
    });
    REQUIRE(m.weight.set(w, &chosen));
    return m;
}
}  // namespace

// A Linear and a mean of squares: the loss is a square function of each scale while the codes stay, so that central
// differences have roundings alone. Straight through, d(log s) differs from s dL/ds by the sum of dL/dq * w over what
// was not clamped.
TEST_CASE("the gradients of a weight's scales agree with finite differences, and clamped values pass none") {
    for (nn::weight_scheme const scheme :
         {nn::weight_scheme{qint8{}}, nn::weight_scheme{qint4{}, 8}, nn::weight_scheme{qint2{}, 8},
          nn::weight_scheme{qfloat8_e4m3fn{}}, nn::weight_scheme{qfloat8_e5m2{}}}) {
        INFO(scheme.type.name());
        nn::Linear m = clamping_linear(scheme);
        Tensor<float> const x = values({4, 16}, 3), target = values({4, 3}, 4);
        std::vector<std::vector<float>> plain, learned;
        auto const gradients = [&](auto& into, tuner_options const& options) {
            nn::Linear copy = m;
            Tuner tune{copy, spy{&into}, mean_squared_error{}, options};
            REQUIRE(tune.step(x, target));
        };
        gradients(plain, {});
        gradients(learned, {.learn_scales = true});
        REQUIRE(plain.size() == 2);  // weight, bias
        REQUIRE(learned.size() == 3);
        auto const loss_at = [&](std::size_t changed, double factor) {
            nn::Linear copy = m;
            std::vector<float> scales, shifts;
            m.weight.quantized()->visit([&](auto const& q) {
                for (std::size_t g = 0; g != q.layout.groups(); ++g) {
                    double const f = g == changed ? factor : 1.0;
                    scales.push_back(static_cast<float>(static_cast<double>(q.scale(g)) * f));
                    shifts.push_back(static_cast<float>(static_cast<double>(q.shift(g)) * f));
                }
            });
            chosen_scales const chosen{scales.data(), shifts.data()};
            REQUIRE(copy.weight.set(*m.weight.master(), &chosen));
            auto const y = copy(x).value();
            REQUIRE(y);
            double sum = 0;
            for (std::size_t i = 0; i != y->size(); ++i)
                sum += std::pow(static_cast<double>((*y)[i]) - static_cast<double>(target[i]), 2);
            return sum / static_cast<double>(y->size());
        };
        m.weight.quantized()->visit([&]<class Q>(qtensor_view<Q> const& q) {
            constexpr double h = 0x1p-10;
            REQUIRE(learned[1].size() == q.layout.groups());
            std::size_t clamped = 0;
            for (std::size_t g = 0; g != q.layout.groups(); ++g) {
                double straight = 0, magnitude = 0;
                for (std::size_t t = 0; t != q.layout.size_of(g); ++t) {
                    std::size_t const i = q.layout.element(g, t);
                    float const w = (*m.weight.master())[i];
                    bool const inside = nn::detail::unclamped<Q>(q.scale(g), q.shift(g)).holds(w);
                    CHECK(learned[0][i] == (inside ? plain[0][i] : 0.0f));
                    clamped += inside ? 0 : 1;
                    double const dq = static_cast<double>(plain[0][i]);
                    if (inside) straight += dq * static_cast<double>(w);
                    magnitude += std::abs(dq * static_cast<double>(q[i])) + std::abs(dq * static_cast<double>(w));
                }
                double const up = loss_at(g, 1 + h), down = loss_at(g, 1 - h), slope = (up - down) / (2 * h);
                // Of y: products of 16 terms, 20 roundings; of the loss twice that, on both sides; of the gradients
                // 2^-20.
                double const rounding = 40 * 0x1p-24 * (up + down + 1) / (2 * h) + magnitude * 0x1p-20;
                INFO("group " << g << ": " << learned[1][g] << ", finite differences " << slope - straight);
                CHECK(std::abs(static_cast<double>(learned[1][g]) - (slope - straight)) <= rounding);
            }
            CHECK(clamped != 0);
        });
    }
}

TEST_CASE("learned scales move, stay positive, and are what is frozen") {
    for (bool const learn : {false, true}) {
        auto m = Model::with_values();
        REQUIRE(quantize(m, {.weights = qint2{}, .activations = qint8{}}));
        {
            Calibration calibrate{m};
            REQUIRE(m(batch()));
        }
        float const input = *m.fc1.activation.input_scale;
        Tuner tune{m, adamw{.learning_rate = 0.003f}, {.learn_scales = learn, .scale_rate = 3.0f}};
        auto const first = tune.step(batch(), labels);
        result<float> last = first;
        for (int i = 0; i != 60; ++i) last = tune.step(batch(), labels);
        REQUIRE((first && last));
        INFO(*first << " to " << *last);
        CHECK(*last < 0.6f * *first);
        CHECK((*m.fc1.activation.input_scale != input) == learn);
        CHECK(*m.fc1.activation.input_scale > 0.0f);
        auto const by_range = nn::quantize_weight(*m.fc1.weight.master(), *m.fc1.weight.scheme());
        REQUIRE(by_range);
        auto const tuned = m.fc1.weight.quantized()->as<qint2>();
        CHECK((tuned.scale(0) != by_range->as<qint2>().scale(0)) == learn);
        CHECK(tuned.scale(0) > 0.0f);
        auto const copy = *m.fc1.weight.quantized();
        freeze(m);
        CHECK(m.fc1.weight.quantized()->as<qint2>().scale(0) == copy.as<qint2>().scale(0));
    }
}

TEST_CASE("a scale that is not calibrated, or not asked for, is not learned") {
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint8{}, .activations = qint8{}}));
    Tuner tune{m, sgd{.learning_rate = 0.01f}, {.exclude = {"fc1"}, .learn_scales = true}};
    for (int i = 0; i != 3; ++i) REQUIRE(tune.step(batch(), labels));
    CHECK_FALSE(m.fc2.activation.input_scale);
    auto const untouched = nn::quantize_weight(*m.fc1.weight.master(), *m.fc1.weight.scheme());
    REQUIRE(untouched);
    CHECK(m.fc1.weight.quantized()->as<qint8>().scale(0) == untouched->as<qint8>().scale(0));
}
