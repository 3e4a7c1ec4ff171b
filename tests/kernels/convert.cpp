#include <quanto/kernels/convert/kernel_list.hpp>

#include <quanto/kernels/convert/reference.hpp>
#include <quanto/kernels/floating_point_guard.hpp>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

namespace {

// The first value of x that a kernel converts otherwise than the definition; its size if there is none.
template <class K>
std::size_t first_difference(std::vector<float> const& x, overflow policy) {
    using T = typename K::type;
    std::vector<T> codes(x.size()), expected(x.size());
    convert_reference(x.data(), x.size(), policy, expected.data());
    K::run(x.data(), x.size(), policy, codes.data());
    std::size_t i = 0;
    while (i != x.size() && codes[i].bits == expected[i].bits) ++i;
    return i;
}

void check_floats(std::uint32_t step) {
    for_each_convert_kernel([&]<class K>(K) {
        if (K::target > detect_isa()) return;
        bool good = true;
        test::for_sampled_floats(step, [&](std::vector<float> const& x) {
            for (auto policy : {overflow::saturate, overflow::ieee}) {
                std::size_t const i = first_difference<K>(x, policy);
                if (i == x.size()) continue;
                good = false;
                FAIL(K::name << " of " << x[i]);
            }
        });
        CHECK(good);
    });
}

}  // namespace

TEST_CASE("conversion kernels encode as the definition, a dense sample") { check_floats(1009); }

TEST_CASE("conversion kernels encode as the definition, all floats", "[.nightly]") { check_floats(1); }

TEST_CASE("conversion kernels encode hostile values and the ends of runs") {
    auto const hostile = test::hostile_floats();
    for_each_convert_kernel([&]<class K>(K) {
        if (K::target > detect_isa()) return;
        using T = typename K::type;
        for (std::size_t const n : test::sizes) {
            std::vector<float> x(n);
            for (std::size_t i = 0; i != n; ++i) x[i] = hostile[(i + n) % hostile.size()];
            INFO(K::name << ", " << n);
            CHECK(first_difference<K>(x, overflow::saturate) == n);
            CHECK(first_difference<K>(x, overflow::ieee) == n);
        }
        // Between any two codes: the middle and its neighbours.
        std::vector<float> x;
        for (unsigned c = 0; c != (1u << (8 * sizeof(T))) - 1; ++c) {
            float const a(T::from_bits(static_cast<decltype(T::bits)>(c)));
            float const b(T::from_bits(static_cast<decltype(T::bits)>(c + 1)));
            if (!is_finite(a) || !is_finite(b)) continue;
            test::for_neighbours(a + (b - a) / 2, 2, [&](float v) { x.push_back(v); });
        }
        CHECK(first_difference<K>(x, overflow::saturate) == x.size());
    });
}

TEST_CASE("conversion kernels decode all codes as the definition") {
    for_each_convert_kernel([]<class K>(K) {
        if (K::target > detect_isa()) return;
        using T = typename K::type;
        std::vector<T> codes((std::size_t{1} << (8 * sizeof(T))) + 5);
        for (std::size_t c = 0; c != codes.size(); ++c) codes[c].bits = static_cast<decltype(T::bits)>(c);
        std::vector<float> x(codes.size()), expected(codes.size());
        convert_reference(codes.data(), codes.size(), expected.data());
        K::run(codes.data(), codes.size(), x.data());
        for (std::size_t i = 0; i != x.size(); ++i)
            if (!test::same(x[i], expected[i])) FAIL(K::name << " of code " << i);
        SUCCEED();
    });
}
