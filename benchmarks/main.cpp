// quanto_benchmarks [--quick] [--json FILE] [--benchmark_filter=REGEX]
// Prints one Markdown table; FILE gets the same rows. Status 1 if an answer was wrong.
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string_view>

#include "table.hpp"

namespace {

using namespace benchmarks;

std::string processor() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown processor";
}

std::string today() {
    char text[16];
    std::time_t const now = std::time(nullptr);
    std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
    return text;
}

std::string const heading = processor() + ", " + std::string(quanto::name(quanto::choose_isa().target)) + ", " +
                            today() + ", " +
#if defined(__clang__)
                            "clang " __clang_version__;
#else
                            "g++ " __VERSION__;
#endif

char const* verdict(measurement const& m) { return m.what.goal == 0 ? "" : m.ratio >= m.what.goal ? "yes" : "no"; }

void print(std::vector<measurement> const& rows) {
    std::printf("%s\n\n", heading.c_str());
    std::printf("| product | threads | us | GB/s | GOP/s | limit | of it | p10..p90 | goal | met |\n");
    std::printf("|---|---:|---:|---:|---:|---|---:|---:|---:|---|\n");
    for (auto const& m : rows) {
        if (!m.problem.empty()) {
            std::printf("| %s | %zu | | | | | %s | | | no |\n", m.what.product.c_str(), m.what.threads,
                        m.problem.c_str());
            continue;
        }
        std::printf("| %s | %zu | %.1f | %.1f | %.1f | ", m.what.product.c_str(), m.what.threads, m.us, m.gbps, m.gops);
        if (m.ratio == 0)
            std::printf("| | | | |\n");
        else
            std::printf("%s %.1f | %.3f | %.3f..%.3f | %s | %s |\n", name(m.what.bound).data(), m.limit_rate, m.ratio,
                        m.low, m.high, m.what.goal == 0 ? "" : std::to_string(m.what.goal).substr(0, 4).c_str(),
                        verdict(m));
    }
}

// Names hold no characters that JSON escapes.
bool write_json(char const* path, std::vector<measurement> const& rows) {
    std::FILE* const file = std::fopen(path, "w");
    if (file == nullptr) return false;
    std::fprintf(file, "{\"machine\": \"%s\", \"rows\": [", heading.c_str());
    char const* separator = "\n";
    for (auto const& m : rows) {
        if (!m.problem.empty()) continue;
        std::fprintf(
            file,
            "%s  {\"product\": \"%s\", \"threads\": %zu, \"limit\": \"%s\", \"limit_rate\": %.4g, \"ratio\": %.4f, "
            "\"p10\": %.4f, \"p90\": %.4f, \"goal\": %.2f, \"us\": %.3f, \"gbps\": %.3f, \"gops\": %.3f}",
            separator, m.what.product.c_str(), m.what.threads, name(m.what.bound).data(), m.limit_rate, m.ratio, m.low,
            m.high, m.what.goal, m.us, m.gbps, m.gops);
        separator = ",\n";
    }
    std::fprintf(file, "\n]}\n");
    return std::fclose(file) == 0;
}

// Google Benchmark runs and filters; the table is ours.
struct silent : benchmark::BenchmarkReporter {
    bool ReportContext(Context const&) override { return true; }
    void ReportRuns(std::vector<Run> const& runs) override {
        for (auto const& run : runs) std::fprintf(stderr, "%s\n", run.benchmark_name().c_str());
    }
};

}  // namespace

int main(int argc, char** argv) {
    double seconds = 2.0;
    char const* json = nullptr;
    std::vector<char*> rest{argv[0]};
    for (int i = 1; i < argc; ++i) {
        std::string_view const option = argv[i];
        if (option == "--quick")
            seconds = 0.3;
        else if (option == "--json" && i + 1 < argc)
            json = argv[++i];
        else
            rest.push_back(argv[i]);
    }
    int count = static_cast<int>(rest.size());
    benchmark::Initialize(&count, rest.data());
    if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;

    table t(seconds);
    add_panel_products(t);
    add_conversions(t);
    add_convolutions(t);
    add_convolution_peers(t);
    add_float_products(t);
    add_batches(t);
    add_training_steps(t);
    add_peers(t);

    silent reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    print(t.measurements());
    if (json != nullptr && !write_json(json, t.measurements())) {
        std::fprintf(stderr, "cannot write %s\n", json);
        return 2;
    }
    return std::any_of(t.measurements().begin(), t.measurements().end(),
                       [](measurement const& m) { return !m.problem.empty(); });
}
