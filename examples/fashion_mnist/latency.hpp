// Latency per image of several networks, measured in turns: in every round each network runs once, and each round
// starts with another one, so that what else the machine does hits all of them alike. The median of the rounds counts.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

#include <time.h>

#include <quanto/tensor/tensor.hpp>

struct Latency {
    std::function<void(quanto::Tensor<float> const&)> forward;
    double median_us = 0;  // per image
};

inline double thread_time_us() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

// x: the batches of one measurement, all of one size. Rounds: that many, or 5 and what more fits into 20 seconds.
inline void measure_latency(std::vector<Latency>& networks, std::vector<quanto::Tensor<float>> const& x,
                            std::size_t rounds) {
    using clock = std::chrono::steady_clock;
    std::vector<std::vector<double>> times(networks.size());
    auto const deadline = clock::now() + std::chrono::seconds(20);
    for (std::size_t round = 0; round <= rounds && (round <= 5 || clock::now() < deadline); ++round)
        for (std::size_t i = 0; i != networks.size(); ++i) {
            std::size_t const n = (i + round) % networks.size();
            double const start = thread_time_us();
            for (auto const& batch : x) networks[n].forward(batch);
            double const took = thread_time_us() - start;
            if (round != 0)  // the first one warms up
                times[n].push_back(took / static_cast<double>(x.size() * x.front().shape().front()));
        }
    for (std::size_t n = 0; n != networks.size(); ++n) {
        auto const middle = times[n].begin() + static_cast<std::ptrdiff_t>(times[n].size() / 2);
        std::nth_element(times[n].begin(), middle, times[n].end());
        networks[n].median_us = *middle;
    }
}
