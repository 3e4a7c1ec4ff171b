#include <quanto/kernels/softmax/kernel_list.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/elementwise.hpp"

#include "catch.hpp"

using namespace quanto;

TEST_CASE("softmax stays within its bound, in every instruction set") {
    float const inf = std::numeric_limits<float>::infinity();
    for_each_softmax_kernel([&]<class K>(K) {
        if (K::target > detect_isa()) return;
        for (std::size_t const n : test::sizes)
            for (float const scale : {0.01f, 1.0f, 30.0f, 1e30f}) {
                if (n == 0) continue;
                std::vector<float> v(n + 1, -7.0f);
                for (std::size_t i = 0; i != n; ++i)
                    v[i] = i % 7 == 3 ? -inf : scale * (static_cast<float>(i * 31 % 257) * 0.0078f - 1.0f);
                auto const x = v;
                K::run(v.data(), n);
                INFO(K::name << ", n = " << n << ", scale " << scale);
                CHECK(v[n] == -7.0f);
                double const most = static_cast<double>(*std::max_element(x.begin(), x.end() - 1));
                double sum = 0.0;
                for (std::size_t i = 0; i != n; ++i) sum += std::exp(static_cast<double>(x[i]) - most);
                for (std::size_t i = 0; i != n; ++i) {
                    double const want = std::exp(static_cast<double>(x[i]) - most) / sum;
                    double const units = static_cast<double>(n) / 16 + 20;
                    if (!(std::abs(static_cast<double>(v[i]) - want) <= units * 0x1p-24 * want + 0x1p-149))
                        REQUIRE(static_cast<double>(v[i]) == want);
                }
            }
    });
}

TEST_CASE("softmax of what is no number, or infinite, is no number") {
    float const inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for_each_softmax_kernel([&]<class K>(K) {
        if (K::target > detect_isa()) return;
        for (std::size_t const n : {1u, 5u, 16u, 40u})
            for (float const hostile : {nan, inf})
                for (std::size_t at = 0; at != n; ++at) {
                    std::vector<float> v(n, 0.5f);
                    v[at] = hostile;
                    K::run(v.data(), n);
                    CHECK(std::all_of(v.begin(), v.end(), [](float y) { return is_nan(y); }));
                }
        std::vector<float> hidden(20, -inf);
        K::run(hidden.data(), hidden.size());
        CHECK(std::all_of(hidden.begin(), hidden.end(), [](float y) { return is_nan(y); }));
    });
}
