// A network from float to each quantized form, the way an application does it:
//     load a float checkpoint -> quantize -> calibrate -> tune -> freeze -> save;    in a new process: load -> use
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <quanto/io/atomic_file.hpp>

#include "accuracy.hpp"
#include "arguments.hpp"
#include "chart.hpp"
#include "cnn.hpp"
#include "eigen_mlp.hpp"
#include "idx.hpp"
#include "latency.hpp"
#include "mlp.hpp"
#include "row.hpp"
#include "scheme.hpp"

namespace {

using namespace quanto;

// Says on a terminal how far things are; says nothing in a pipe or a log.
class Progress {
public:
    void step(std::string const& what) {
        if (shown_) std::fprintf(stderr, "\r\033[K%s", what.c_str());
    }
    ~Progress() { step(""); }

private:
    bool shown_ = ::isatty(STDERR_FILENO) != 0;
};

// Where the frozen models go: a folder that stays, or a temporary one that does not.
class Folder {
public:
    static result<Folder> make(std::string const& kept) {
        Folder folder;
        if (!kept.empty()) {
            std::error_code problem;
            std::filesystem::create_directories(kept, problem);
            if (problem) return error(errc::io, kept, ": cannot be made: ", problem.message());
            folder.path_ = kept;
            return folder;
        }
        std::error_code no_default;
        std::string name = (std::filesystem::temp_directory_path(no_default) / "fashion_mnist.XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) return error(errc::io, name, ": cannot be made");
        folder.path_ = name;
        folder.temporary_ = true;
        return folder;
    }
    Folder(Folder&& other) noexcept : path_(other.path_), temporary_(std::exchange(other.temporary_, false)) {}
    Folder& operator=(Folder&&) = delete;
    ~Folder() {
        std::error_code ignored;
        if (temporary_) std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(std::string const& name) const { return path_ + "/" + name; }
    bool is_kept() const { return !temporary_; }

private:
    Folder() = default;
    std::string path_;
    bool temporary_ = false;
};

template <class Network>
result<Network> load_float(std::string const& path) {
    auto const file = io::open_safetensors(path);
    if (!file) return file.error().within("cannot load the weights");
    Network model;
    if (auto done = load_state(model, *file); !done) return done.error().within("cannot load the weights");
    if (auto done = model.fold(); !done) return done.error().within(path);
    return model;
}

template <class Network>
result<success> quantize_and_save(Network const& master, Scheme const& scheme, Images const& images, std::size_t epochs,
                                  std::string const& folder, Progress& progress) {
    auto const said = [&](double loss) { progress.step("tuning: loss " + decimal(loss, 4, "-")); };
    auto const frozen =
        quantized(master, scheme, images.training, {.epochs = epochs, .learning_rate = scheme.rate<Network>()}, said);
    if (!frozen) return frozen.error();
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (problem) return error(errc::io, folder, ": cannot be made: ", problem.message());
    if (auto done = save(*frozen, folder); !done) return done.error();
    return success{};
}

// The top-1 that each learning rate reaches on images that tuning does not see, beside int8 activations. That is how
// the rates of the networks were chosen.
template <class Network>
result<success> compare_rates(Network const& master, Images const& images, std::size_t epochs, Progress& progress) {
    constexpr float rates[] = {1e-4f, 3e-4f, 1e-3f};
    std::printf("| weights | learning rate | top-1, %%, of %zu images held back |\n", images.validation.size());
    std::printf("| ------- | ------------: | ---------------------------------: |\n");
    for (any_qtype const weights : {any_qtype(qint4{}), any_qtype(qint2{})})
        for (float const rate : rates) {
            progress.step(std::string(weights.name()) + ", learning rate " + decimal(double{rate}, 4, "-"));
            Scheme const scheme{.weights = weights, .activations = qint8{}, .tuned = true};
            Training const training{.epochs = epochs, .learning_rate = rate};
            auto const frozen = quantized(master, scheme, images.training, training, [](double) {});
            if (!frozen) return frozen.error();
            auto const score = top1(*frozen, images.validation);
            if (!score) return score.error();
            progress.step("");
            std::printf("| %-7s | %13.4f | %34.2f |\n", weights.name().data(), double{rate}, *score);
            std::fflush(stdout);
        }
    return success{};
}

// The program's other half: what is in the folder, on the test images. Its answer goes through a pipe.
template <class Network>
result<success> evaluate(Arguments const& arguments) {
    auto const master = load_float<Network>(arguments.model);
    if (!master) return master.error();
    auto const test = Dataset::open(arguments.data, "t10k");
    if (!test) return test.error();
    Network frozen = Network::folded();
    if (auto done = load(frozen, arguments.evaluate); !done) return done.error();
    Row row;
    if (auto done = measure_accuracy(*master, frozen, *test, row); !done) return done.error();
    std::printf("%.17g %.17g %.17g %.17g %.17g\n", row.bits_per_weight, row.top1, row.agreement, row.weights_db,
                row.logits_db);
    return success{};
}

std::string shell_quoted(std::string const& word) {
    std::string quoted = "'";
    for (char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
    return quoted + "'";
}

result<success> evaluate_in_new_process(std::string const& program, Arguments const& arguments,
                                        std::string const& folder, Row& row) {
    std::string command = shell_quoted(program);
    for (auto const& word : {std::string("evaluate"), folder, std::string("--model"), arguments.model,
                             std::string("--data"), arguments.data, std::string("--network"), arguments.network})
        command += " " + shell_quoted(word);
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return error(errc::io, "a new process cannot be started");
    int const read = std::fscanf(pipe, "%lf %lf %lf %lf %lf", &row.bits_per_weight, &row.top1, &row.agreement,
                                 &row.weights_db, &row.logits_db);
    if (::pclose(pipe) != 0 || read != 5) return error(errc::io, folder, ": could not be evaluated in a new process");
    return success{};
}

// Fills the latencies of all rows, and of the library's own float product into `own_float`; true if the float row is
// another library's.
template <class Network>
result<bool> time_all(Network const& master, std::vector<std::string> const& folders, Dataset const& test,
                      std::size_t repeats, std::vector<Row>& rows, Row& own_float) {
    std::vector<Network> models(folders.size(), Network::folded());
    std::vector<Latency> networks;
    cpu_backend const cpu;
    pool_memory pool;  // after the first pass, none allocates
    nn::context const here{cpu, &pool};
    for (std::size_t i = 0; i != folders.size(); ++i) {
        if (auto done = load(models[i], folders[i]); !done) return done.error();
        networks.push_back({[&model = models[i], &here](Tensor<float> const& x) {
            nn::Activation const y = model(nn::Activation(Tensor<float>::borrow(x.view()), here));
            (void)y;
        }});
    }
    [[maybe_unused]] Baseline<Network> baseline(master);
    if constexpr (Baseline<Network>::exists)
        networks.push_back({[&baseline](Tensor<float> const& x) { (void)baseline(x); }});

    std::vector<Tensor<float>> single;
    for (std::size_t i = 0; i != 32; ++i) single.push_back(test.images<Network>(i, 1));
    std::vector<Tensor<float>> batch;
    batch.push_back(test.images<Network>(0, 256));
    for (auto const& [x, column] :
         {std::pair(&single, &Row::latency_b1_us), std::pair(&batch, &Row::latency_b256_us)}) {
        measure_latency(networks, *x, repeats);
        for (std::size_t i = 0; i != rows.size(); ++i) rows[i].*column = networks[i].median_us;
        own_float.*column = networks.front().median_us;
        rows.front().*column = networks.size() > rows.size() ? networks.back().median_us : networks.front().median_us;
    }
    return Baseline<Network>::exists;
}

template <class Network>
std::string draw(std::vector<Row> const& rows) {
    Panel accuracy{.title = "Accuracy: top-1 on 10,000 test images, per cent", .y_label = "top-1, %", .digits = 2};
    Panel single{.title = "Latency at batch 1: microseconds per image", .y_label = "us per image", .from_zero = true};
    Panel batch = single;
    batch.title = "Latency at batch 256: microseconds per image";
    for (auto const& r : rows) {
        auto const brief = [](std::string const& name) { return name.starts_with("qfloat8_") ? name.substr(8) : name; };
        bool const activations = r.activations != "none";
        std::string const label =
            brief(r.weights) + (activations ? " + " + brief(r.activations) : "") + (r.tuned ? ", tuned" : "");
        double const size = static_cast<double>(r.bytes) / 1000;
        accuracy.points.push_back({size, r.top1, label, activations});
        single.points.push_back({size, r.latency_b1_us, label, activations});
        batch.points.push_back({size, r.latency_b256_us, label, activations});
    }
    for (Panel* panel : {&single, &batch}) {
        auto const [least, most] =
            std::minmax_element(panel->points.begin(), panel->points.end(),
                                [](Panel::Point const& a, Panel::Point const& b) { return a.y < b.y; });
        if (most->y <= 20 * least->y) continue;
        panel->logarithmic = true;
        panel->title += " (logarithmic)";
    }
    return Chart(std::string(Network::data_set) + ", " + std::string(Network::title) +
                     ": weights (+ activations, hollow)",
                 "size of model.safetensors, kB (logarithmic)")
        .draw({accuracy, single, batch});
}

result<success> write_text(std::string const& path, std::string const& text) {
    return io::write_file_atomically(path, [&](io::FileSink& out) { return out.write(text); });
}

template <class Network>
result<success> run(std::string const& program, Arguments const& arguments) {
    if (!arguments.evaluate.empty()) return evaluate<Network>(arguments);

    auto const master = load_float<Network>(arguments.model);
    if (!master) return master.error();
    auto const images = Images::open(arguments.data);
    if (!images) return images.error();
    Progress progress;
    if (arguments.rates) return compare_rates(*master, *images, arguments.epochs, progress);
    auto const test = Dataset::open(arguments.data, "t10k");
    if (!test) return test.error();
    if (test->size() < 256) return error(errc::invalid_argument, arguments.data, ": fewer images than are needed");
    auto const out = Folder::make(arguments.out);
    if (!out) return out.error();

    std::vector<Row> rows;
    std::vector<std::string> folders;
    for (auto const& scheme : schemes) {
        if (scheme.tuned && arguments.epochs == 0) continue;
        std::string const name = scheme.folder_name(), folder = *out / name;
        progress.step("[" + std::to_string(rows.size() + 1) + "/" + std::to_string(std::size(schemes)) + "] " + name);
        if (auto done = quantize_and_save(*master, scheme, *images, arguments.epochs, folder, progress); !done)
            return done.error().within(name);

        Row row{.model = arguments.network,
                .weights = scheme.weights_name(),
                .activations = scheme.activations_name(),
                .tuned = scheme.tuned};
        if (out->is_kept()) row.folder = folder;
        std::error_code problem;
        row.bytes = static_cast<std::size_t>(std::filesystem::file_size(folder + "/model.safetensors", problem));
        if (problem) return error(errc::io, folder, "/model.safetensors: ", problem.message());
        if (auto done = evaluate_in_new_process(program, arguments, folder, row); !done) return done.error();
        folders.push_back(folder);
        rows.push_back(row);
    }

    progress.step("latency");
    Row own_float;
    auto const has_baseline = time_all(*master, folders, *test, arguments.repeats, rows, own_float);
    if (!has_baseline) return has_baseline.error();
    progress.step("");

    std::fputs(to_markdown(rows).c_str(), stdout);
    if (*has_baseline)
        std::printf(
            "\nThe latency of float32 is Eigen's product; this library's own takes %.1f us at batch 1, %.2f us at "
            "256.\n",
            own_float.latency_b1_us, own_float.latency_b256_us);
    else
        std::printf("\nThe latency of float32 is this library's own product.\n");
    if (!arguments.json.empty())
        if (auto done = write_text(arguments.json, to_json(rows)); !done) return done;
    if (!arguments.svg.empty())
        if (auto done = write_text(arguments.svg, draw<Network>(rows)); !done) return done;
    return success{};
}

result<success> run(std::string const& program, std::vector<std::string> const& words) {
    auto const arguments = Arguments::parse(words);
    if (!arguments) return arguments.error();
    if (arguments->help) {
        std::fwrite(Arguments::usage.data(), 1, Arguments::usage.size(), stdout);
        return success{};
    }
    if (arguments->network == "cnn") return run<FashionCnn>(program, *arguments);
    if (arguments->network == "mnist") return run<MnistCnn>(program, *arguments);
    return run<Mlp>(program, *arguments);
}

}  // namespace

int main(int count, char** words) {
    std::error_code problem;
    std::string program = std::filesystem::read_symlink("/proc/self/exe", problem).string();
    if (problem) program = words[0];
    auto const done = run(program, {words + 1, words + count});
    if (done) return 0;
    std::fprintf(stderr, "fashion_mnist: %s\n", done.error().c_str());
    return 1;
}
