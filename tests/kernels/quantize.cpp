#include <quanto/kernels/quantize/kernel_list.hpp>

#include <algorithm>

#include <quanto/kernels/floating_point_guard.hpp>
#include <quanto/kernels/quantize/reference.hpp>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

namespace {

constexpr float scales[] = {1.0f,       0.3f,           0.1f,  3.0f, 0x1p-126f,       0x1.fffffep-126f,
                            0x1p-100f,  0x1.234568p-7f, 1e-3f, 7e8f, 0x1.555556p100f, 0x1p126f,
                            0x1.8p126f, 1e-40f};

// All fields of a byte: the codes before are kept.
template <class K>
void check_run(std::vector<float> const& x, affine_map const& map) {
    using Q = typename K::qtype;
    for (int position = 0; position != 8; position += Q::bits) {
        auto const there = static_cast<std::uint8_t>((1u << position) - 1u);
        std::vector<std::uint8_t> codes(x.size() + 1, there), expected(codes);
        quantize_reference<Q>(x.data(), x.size(), map, position, expected.data());
        bool const good = K::run(x.data(), x.size(), 1, &map, position, codes.data());
        CHECK(good == std::none_of(x.begin(), x.end(), is_nan));
        if (codes == expected) continue;
        std::size_t i = 0;
        while (codes[i] == expected[i]) ++i;
        FAIL(K::name << ", " << x.size() << " values, scale " << map.scale << ", shift " << map.shift << ", bit "
                     << position << ": element " << i << ", " << (i < x.size() ? x[i] : 0.0f) << ", is "
                     << unsigned{codes[i]} << " and should be " << unsigned{expected[i]});
    }
    SUCCEED();
}

template <class Q>
std::vector<affine_map> maps(float scale) {
    if constexpr (Q::bits == 8)
        return {{scale}};
    else
        return {{scale, 0.0f, 0},
                {scale, -0.0f, 0},
                {scale, 2.5f * scale, 0},
                {scale, -1e6f * scale, 0},
                {scale, 1e30f, 0},
                {scale, 0.0f, 1},
                {scale, 0.0f, static_cast<int>(levels<Q>)}};
}

template <class F>
void for_each_runnable(F const& f) {
    for_each_quantize_kernel([&]<class K>(K k) {
        if (K::target <= detect_isa()) f(k);
    });
}

}  // namespace

TEST_CASE("quantizing kernels give the bytes of the definition where two codes are equally near") {
    for_each_runnable([]<class K>(K) {
        using Q = typename K::qtype;
        for (float const scale : scales)
            for (affine_map const& map : maps<Q>(scale)) {
                std::vector<float> x;
                for (int code = -140; code <= 140; ++code)
                    test::for_neighbours((static_cast<float>(code) + 0.5f) * scale - map.shift, 4, [&](float v) {
                        if (is_finite(v)) x.push_back(v);
                    });
                check_run<K>(x, map);
            }
    });
}

TEST_CASE("quantizing kernels round to float8 as the definition beside halves of all codes") {
    for_each_runnable([]<class K>(K) {
        using Q = typename K::qtype;
        if constexpr (Q::is_floating_point)
            for (float const scale : scales) {
                std::vector<float> x;
                for (unsigned code = 0; code + 1 < Q::format::finite_codes; ++code) {
                    float const low = Q::format::decode(static_cast<std::uint8_t>(code)),
                                high = Q::format::decode(static_cast<std::uint8_t>(code + 1));
                    test::for_neighbours((low + high) * 0.5f * scale, 6, [&](float v) {
                        x.push_back(v);
                        x.push_back(-v);
                    });
                }
                check_run<K>(x, {scale});
            }
    });
}

TEST_CASE("quantizing kernels give the bytes of the definition, a dense sample of floats") {
    for_each_runnable([]<class K>(K) {
        using Q = typename K::qtype;
        for (float const scale : {0.1f, 0x1.234568p-7f, 3.0f})
            for (affine_map const& map : maps<Q>(scale))
                test::for_sampled_floats(100'003, [&](std::vector<float> x) {
                    if constexpr (SubByteQType<Q>)
                        for (float& v : x) v = is_finite(v) ? v : 0.0f;
                    check_run<K>(x, map);
                });
    });
}

TEST_CASE("quantizing kernels take runs of any length") {
    auto const hostile = test::hostile_floats();
    for_each_runnable([&]<class K>(K) {
        using Q = typename K::qtype;
        for (std::size_t const n : test::sizes)
            for (float const scale : {0.1f, 0x1p-126f})
                for (affine_map const& map : maps<Q>(scale)) {
                    std::vector<float> x(n);
                    for (std::size_t i = 0; i != n; ++i) {
                        x[i] = static_cast<float>(i % 37) * 0.031f - 0.4f;
                        float const h = hostile[(i + n) % hostile.size()];
                        if (i % 3 == 0 && (!SubByteQType<Q> || is_finite(h))) x[i] = h;
                    }
                    check_run<K>(x, map);
                }
    });
}

TEST_CASE("the range of values is that of the definition, and which zero it is") {
    auto const hostile = test::hostile_floats();
    for_each_runnable([&]<class K>(K) {
        using Q = typename K::qtype;
        for (std::size_t const n : test::sizes)
            for (std::size_t variant = 0; variant != 64; ++variant) {
                std::vector<float> x(n);
                bool finite = true, nan = false;
                for (std::size_t i = 0; i != n; ++i) {
                    std::size_t const r = (i * 2654435761u + variant * 40503u) >> 7;
                    switch (variant % 4) {
                        case 0:
                            x[i] = static_cast<float>(r % 1000) - 500.0f;
                            break;
                        case 1:
                            x[i] = r % 3 == 0 ? -0.0f : r % 3 == 1 ? 0.0f : static_cast<float>(r % 5);
                            break;
                        case 2:
                            x[i] = r % 2 == 0 ? -0.0f : 0.0f;
                            break;
                        default:
                            x[i] = r % (n + 1) == 0 ? hostile[r % hostile.size()] : 0.25f;
                    }
                    finite = finite && is_finite(x[i]);
                    nan = nan || is_nan(x[i]);
                }
                value_range const a = K::range(x.data(), n);
                INFO(K::name << ", " << n << " values, variant " << variant);
                if (finite) {
                    value_range const b = range_reference<Q>(x.data(), n);
                    CHECK(test::same(a.low, b.low));
                    CHECK(a.high == b.high);
                } else if (Q::bits == 8 || !nan) {
                    CHECK_FALSE((is_finite(a.low) && is_finite(a.high)));
                }
                // Whatever is not finite is found, also where it does not show in the range.
                std::vector<float> chosen(n, 1.0f), shifts(n);
                std::vector<std::uint8_t> codes(n);
                if (!finite)
                    CHECK_FALSE(K::by_range(x.data(), n, 1, {}, 0, chosen.data(), shifts.data(), codes.data()));
            }
    });
}
