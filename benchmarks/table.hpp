// A row of the table: a product, measured in turns with the machine's limit for it.
//     ratio = (work of the product / its time) / (work of the limit / its time), the median over rounds; spread
//     p10..p90
// To add rows, write a file with a function `void add_...(table&)` and call it in main.cpp:
//     t.add({.product = "GEMV f32 x f32, 4096 x 4096", .bound = limit::read_dram, .goal = 0.90},
//           [] { return subject{...}; });
// `make` runs when the row's turn comes; what it allocates lives as long as the row. Goals are those of AVX-512 with its
// dot products, or of the instruction set that the row forces; elsewhere a row has none, and the limit that is nearest.
#pragma once

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <quanto/backend/thread_executor.hpp>

#include "limits.hpp"

namespace benchmarks {

struct row {
    std::string product;
    limit bound = limit::none;
    double goal = 0;  // ratio; 0: none
    std::size_t threads = 1;
    std::string_view isa{};  // forced; the title names it
};

// One call of run() moves `bytes` of weights and does `operations` (2 M N K).
struct subject {
    double bytes = 0, operations = 0;
    std::function<void()> run;
    std::function<std::string()> check;  // after one run(): what is wrong, or nothing
};

struct measurement {
    row what{};
    std::string problem{};  // not measured: why
    double us = 0, ratio = 0, low = 0, high = 0, gbps = 0, gops = 0, limit_rate = 0;
};

inline double quantile(std::vector<double> values, double q) {
    auto const at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1) + 0.5);
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

class table {
public:
    // seconds: for each row; at least 5 rounds are made.
    explicit table(double seconds) : seconds_(seconds) {}

    template <class Make>
    void add(row what, Make make) {
        what.bound = machine_.nearest(what.bound);
        if (!what.isa.empty())
            what.product += ", " + std::string(what.isa);
        else if (!machine_.has(limit::dot_int8))
            what.goal = 0;
        std::string const title = what.product + (what.threads == 1 ? "" : ", 2 threads");
        benchmark::RegisterBenchmark(title.c_str(),
                                     [this, what, make](benchmark::State& state) {
                                         measurement m = measure(what, make(), state);
                                         if (!m.problem.empty()) state.SkipWithError(m.problem.c_str());
                                         measurements_.push_back(std::move(m));
                                     })
            ->Iterations(1)
            ->UseManualTime();
    }

    std::vector<measurement> const& measurements() const { return measurements_; }
    quanto::thread_executor& two_threads() { return two_; }

private:
    using clock = std::chrono::steady_clock;
    static double seconds_since(clock::time_point start) {
        return std::chrono::duration<double>(clock::now() - start).count();
    }
    static long preemptions() {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return usage.ru_nivcsw;
    }
    double limit_rate(row const& what) {
        auto const start = clock::now();
        quanto::inline_executor one;
        double const work = what.threads == 1 ? machine_.run(what.bound, one) : machine_.run(what.bound, two_);
        return work / seconds_since(start);
    }

    measurement measure(row const& what, subject const& s, benchmark::State& state) {
        measurement m{.what = what};
        bool const compared = machine_.has(what.bound);
        s.run();
        if (m.problem = s.check(); !m.problem.empty()) return m;
        auto const start = clock::now();
        s.run();
        auto const calls = static_cast<std::size_t>(std::max(1.0, 0.003 / seconds_since(start)));  // 3 ms in a row

        // Rounds in which the system took the processor away do not count, if there are enough of others.
        struct round {
            bool disturbed;
            double time, limit_rate;
        };
        std::vector<round> rounds;
        auto const begin = clock::now();
        while (rounds.size() < 5 || (seconds_since(begin) < seconds_ && rounds.size() < 201)) {
            long const before = preemptions();
            double const rate_before = compared ? limit_rate(what) : 0;
            auto const t = clock::now();
            for (std::size_t i = 0; i != calls; ++i) s.run();
            double const time = seconds_since(t) / static_cast<double>(calls);
            double const rate_after = compared ? limit_rate(what) : 0;
            rounds.push_back({preemptions() != before, time, (rate_before + rate_after) / 2});
        }
        auto const quiet = static_cast<std::size_t>(
            std::count_if(rounds.begin(), rounds.end(), [](round const& r) { return !r.disturbed; }));
        if (quiet >= 5) std::erase_if(rounds, [](round const& r) { return r.disturbed; });

        double const work = is_bandwidth(what.bound) ? s.bytes : s.operations;
        std::vector<double> times, ratios, rates;
        for (round const& r : rounds) {
            times.push_back(r.time);
            rates.push_back(r.limit_rate);
            ratios.push_back(compared ? work / r.time / r.limit_rate : 0);
        }
        double const time = quantile(times, 0.5);
        m.us = time * 1e6;
        m.gbps = s.bytes / time * 1e-9;
        m.gops = s.operations / time * 1e-9;
        m.limit_rate = quantile(rates, 0.5) * 1e-9;
        m.ratio = quantile(ratios, 0.5);
        m.low = quantile(ratios, 0.1);
        m.high = quantile(ratios, 0.9);
        for (auto _ : state) state.SetIterationTime(time);
        return m;
    }

    double seconds_;
    machine machine_;
    quanto::thread_executor two_{2};
    std::vector<measurement> measurements_;
};

// The files that add rows.
void add_float_products(table&);
void add_batches(table&);
void add_conversions(table&);
void add_convolutions(table&);
void add_convolution_peers(table&);
void add_panel_products(table&);
void add_training_steps(table&);
void add_peers(table&);

}  // namespace benchmarks
