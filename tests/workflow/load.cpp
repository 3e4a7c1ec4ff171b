#include "small_model.hpp"

#include <fstream>
#include <functional>
#include <limits>

#include "catch.hpp"

namespace {
using namespace small;

// A quantized model's file, changed by `change`, read into another model; the error, and whether that model is
// what it was. The file is called bad.safetensors.
struct Attempt {
    std::string message;
    bool unchanged, loaded;
};
using change = std::function<void(tensor_list&, io::metadata_list&, io::quantization_map&)>;

Attempt attempt(change const& f, quantize_options const& options = {.weights = qint8{}, .activations = qint8{}},
                bool strict = true) {
    Directory const directory("quanto_load");
    auto source = Model::with_values();
    REQUIRE(quantize(source, options));
    {
        Calibration calibrate{source};
        source(values({4, 160}, 9));
    }
    freeze(source);
    auto tensors = state_dict(source);
    REQUIRE(tensors);
    auto metadata = metadata_of(source);
    auto map = quantization_map_of(source);
    f(*tensors, metadata, map);
    REQUIRE(io::write_safetensors(directory / "bad.safetensors", *tensors, metadata));
    auto const file = io::open_safetensors(directory / "bad.safetensors");
    REQUIRE(file);

    auto target = Model::with_values();
    REQUIRE(quantize(target, {.weights = qint2{}}));
    auto const before = fingerprint(target);
    auto const report = requantize(target, *file, map, {.strict = strict});
    std::string message;
    if (report) {
        for (auto const& key : report->missing) message += "missing " + key + ";";
        for (auto const& key : report->unexpected) message += "unexpected " + key + ";";
    } else {
        message = report.error().c_str();
        auto const at = message.find("/bad.safetensors");
        if (at != std::string::npos) message = message.substr(at + 1);
    }
    return {message, fingerprint(target) == before, static_cast<bool>(report)};
}
std::string rejected(change const& f, quantize_options const& options = {.weights = qint8{}, .activations = qint8{}}) {
    auto const a = attempt(f, options);
    CHECK(a.unchanged);
    CHECK_FALSE(a.loaded);
    return a.message;
}

any_tensor& find(tensor_list& tensors, std::string const& key) {
    for (auto& e : tensors)
        if (e.name == key) return e.tensor;
    FAIL("no " << key);
    return tensors.front().tensor;
}
any_tensor filled(any_tensor const& like, float x, std::size_t at) {
    storage copy = *storage::allocate(like.bytes().size());
    std::memcpy(copy.mutable_data(), like.bytes().data(), like.bytes().size());
    any_tensor::store(like.type(), copy.mutable_data(), at, x);
    return {like.type(), like.shape(), std::move(copy)};
}
change set(std::string const& key, float x, std::size_t at = 0) {
    return [=](auto& tensors, auto&, auto&) { find(tensors, key) = filled(find(tensors, key), x, at); };
}
change record(std::string const& module, std::string const& text) {
    return [=](auto&, auto& metadata, auto&) {
        for (auto& [key, value] : metadata)
            if (key == module) value = text;
    };
}
}  // namespace

TEST_CASE("what is saved comes back, mapped, with and without the map") {
    Directory const directory("quanto_save");
    auto const x = values({4, 160}, 9);
    any_qtype::for_each([&](auto weights) {
        for (std::size_t group : {0u, 32u, 48u})  // by rule, regular, ragged
            for (bool frozen : {true, false}) {
                INFO(any_qtype(weights).name() << " group " << group << " frozen " << frozen);
                auto m = Model::with_values();
                REQUIRE(quantize(m, {.weights = weights, .activations = qint8{}, .group = group}));
                {
                    Calibration calibrate{m};
                    m(x);
                }
                if (frozen) freeze(m);
                REQUIRE(save(m, directory.string()));
                for (int i = 0; i != 2; ++i) {
                    Model again;
                    auto const report = load(again, directory.string());
                    if (!report) FAIL(report.error().c_str());
                    CHECK(report->bytes_mapped > 6 * 160 / 4);
                    CHECK(again.fc1.weight.is_frozen() == frozen);
                    CHECK(fingerprint(again) == fingerprint(m));
                    CHECK(same(again(x), m(x)));
                    std::filesystem::remove(directory.path / "quantization_map.json");
                }
            }
    });
}

TEST_CASE("a float checkpoint is loaded, and quantized where the model is marked") {
    Directory const directory("quanto_float");
    auto const source = Model::with_values();
    REQUIRE(io::write_safetensors(directory / "float.safetensors", *state_dict(source)));
    auto const file = io::open_safetensors(directory / "float.safetensors");
    REQUIRE(file);
    Model m;
    CHECK(state_dict(m).error().message() == "fc1.weight: no values were loaded");
    REQUIRE(quantize(m, {.weights = qint4{}}));
    CHECK_FALSE(m(values({4, 160}, 9)));
    REQUIRE(load_state(m, *file));
    auto expected = Model::with_values();
    REQUIRE(quantize(expected, {.weights = qint4{}}));
    CHECK(same(m(values({4, 160}, 9)), expected(values({4, 160}, 9))));
}

TEST_CASE("a good file is accepted by the harness of the bad ones") {
    auto const a = attempt([](auto&, auto&, auto&) {});
    CHECK(a.loaded);
    CHECK(a.message.empty());
}

TEST_CASE("missing, renamed, unexpected and resized tensors are named") {
    CHECK(rejected([](auto& t, auto&, auto&) {
              for (auto& e : t)
                  if (e.name == "fc2.weight._scale") return t.erase(&e);
          }) == "bad.safetensors: fc2.weight._scale is missing");
    CHECK(rejected([](auto& t, auto&, auto&) {
              for (auto& e : t)
                  if (e.name == "norm.bias") e.name = "norm.biases";
          }) == "bad.safetensors: norm.bias is missing");
    CHECK(rejected([](auto& t, auto&, auto&) {
              t.push_back({"extra", find(t, "fc1.bias")});
          }) == "bad.safetensors: extra: no parameter of the model has this name");
    CHECK(rejected([](auto& t, auto&, auto&) { find(t, "fc1.bias") = any_tensor(values({7}, 0)); }) ==
          "bad.safetensors: fc1.bias: expected shape (6), found (7)");
    CHECK(rejected([](auto& t, auto&, auto&) { find(t, "fc3.weight._scale") = any_tensor(values({3}, 0)); }) ==
          "bad.safetensors: fc3.weight._scale: expected shape (3, 1), found (3)");
    CHECK(rejected(
              [](auto& t, auto&, auto&) { find(t, "fc1.weight._data._data") = any_tensor(Tensor<std::uint8_t>(2, 9)); },
              {.weights = qint4{}}) ==
          "bad.safetensors: fc1.weight._data._data: expected shape (15, 32), found (2, 9)");
}

TEST_CASE("a weight in two spellings, and scales that nothing uses, are unexpected") {
    CHECK(rejected([](auto& t, auto&, auto&) {
              t.push_back({"fc1.weight", any_tensor(values({6, 160}, 1))});
          }) == "bad.safetensors: fc1.weight._data: no parameter of the model has this name");
    CHECK(rejected([](auto& t, auto&, auto&) {
              t.push_back({"fc1.bias._scale", find(t, "fc1.weight._scale")});
          }) == "bad.safetensors: fc1.bias._scale: no parameter of the model has this name");
    CHECK(rejected([](auto& t, auto&, auto&) {
              t.push_back({"fc2.weight._shift", find(t, "fc2.weight._scale")});
          }) == "bad.safetensors: fc2.weight._shift: no parameter of the model has this name");
}

TEST_CASE("scales below the normal numbers are legal: Python writes them") {
    auto const a = attempt(set("fc1.weight._scale", 1e-40f));
    INFO(a.message);
    CHECK(a.loaded);
}

TEST_CASE("without strictness they are reported instead") {
    auto const a = attempt(
        [](auto& t, auto&, auto&) {
            for (auto& e : t)
                if (e.name == "norm.bias") e.name = "norm.biases";
        },
        {.weights = qint8{}, .activations = qint8{}}, false);
    CHECK(a.loaded);
    CHECK(a.message == "missing norm.bias;unexpected norm.biases;");
}

TEST_CASE("tensors of a wrong type are named") {
    CHECK(rejected([](auto& t, auto&, auto&) { find(t, "fc1.bias") = any_tensor(Tensor<std::int32_t>(extents{6})); }) ==
          "bad.safetensors: fc1.bias: I32 is not a float type");
    CHECK(rejected([](auto& t, auto&, auto&) {
              find(t, "fc2.weight._data") = any_tensor(Tensor<std::uint8_t>(5, 6));
          }) == "bad.safetensors: fc2.weight._data: U8 does not hold qint8");
    CHECK(rejected([](auto& t, auto&, auto&) { find(t, "fc2.weight._shift") = any_tensor(Tensor<std::int8_t>(5, 1)); },
                   {.weights = qint4{}}) == "bad.safetensors: fc2.weight._shift: I8 beside scales of F32");
}

TEST_CASE("impossible scales are named") {
    float const nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    CHECK(rejected(set("fc1.weight._scale", nan, 2)) ==
          "bad.safetensors: fc1.weight._scale: the scale of group 2 is NaN");
    CHECK(rejected(set("fc1.weight._scale", inf, 1)) ==
          "bad.safetensors: fc1.weight._scale: the scale of group 1 is infinite");
    CHECK(rejected(set("fc1.weight._scale", -1.0f)) ==
          "bad.safetensors: fc1.weight._scale: the scale of group 0 is negative");
    CHECK(rejected(set("fc1.weight._scale", 0.0f)) ==
          "bad.safetensors: fc1.weight._scale: the scale of group 0 is 0, its codes are not");
    CHECK(rejected(set("fc1.weight._shift", inf), {.weights = qint2{}}) ==
          "bad.safetensors: fc1.weight._shift: the shift of group 0 is not finite");
    CHECK(rejected(set("norm.output_scale", nan)) ==
          "bad.safetensors: norm.output_scale: a scale must be finite and not negative");
    CHECK(rejected(set("fc1.input_scale", -2.0f)) ==
          "bad.safetensors: fc1.input_scale: a scale must be finite and not negative");
}

TEST_CASE("float8 codes that are no numbers are named, but beside a scale of zero") {
    struct bad {
        any_qtype type;
        std::uint8_t code;
    };
    for (auto const& b : {bad{qfloat8_e4m3fn{}, 0x7f}, bad{qfloat8_e4m3fn{}, 0xff}, bad{qfloat8_e4m3fnuz{}, 0x80},
                          bad{qfloat8_e5m2{}, 0x7d}, bad{qfloat8_e5m2{}, 0xfc}}) {
        INFO(b.type.name() << " " << int{b.code});
        auto const change = [&](tensor_list& t, auto&, auto&) {
            auto& codes = find(t, "fc3.weight._data");
            storage bytes = *storage::allocate(codes.bytes().size());
            std::memcpy(bytes.mutable_data(), codes.bytes().data(), bytes.size());
            bytes.mutable_data()[7] = std::byte{b.code};
            codes = any_tensor(codes.type(), codes.shape(), std::move(bytes));
        };
        CHECK(rejected(change, {.weights = b.type}) ==
              "bad.safetensors: fc3.weight._data: the code at index 7 is not finite");
    }
}

TEST_CASE("a scale of zero is legal beside codes of zero, and float8 codes that are NaN") {
    for (any_qtype type : {any_qtype(qint8{}), any_qtype(qfloat8{}), any_qtype(qint4{})}) {
        auto const a = attempt(
            [&](tensor_list& t, auto&, auto&) {
                find(t, "fc3.weight._scale") = filled(find(t, "fc3.weight._scale"), 0.0f, 0);
                auto& codes = find(t, "fc3.weight." + std::string(type.bits() == 8 ? "_data" : "_data._data"));
                storage bytes = *storage::allocate(codes.bytes().size());
                for (std::size_t i = 0; i != bytes.size(); ++i)
                    bytes.mutable_data()[i] = type.is_floating_point() && i < 5 ? std::byte{0x7f} : std::byte{0};
                codes = any_tensor(codes.type(), codes.shape(), std::move(bytes));
            },
            {.weights = type});
        INFO(type.name() << a.message);
        CHECK(a.loaded);
    }
}

TEST_CASE("a map that does not fit the model is an error") {
    CHECK(rejected([](auto&, auto&, io::quantization_map& map) { map.entries[1].module = "fc9"; }) ==
          "bad.safetensors: quantization map: fc9: no module that can be quantized");
    CHECK(rejected([](auto&, auto&, io::quantization_map& map) { map.entries[2].weights = qint8{}; }) ==
          "bad.safetensors: quantization map: norm: its weights stay float");
    CHECK(rejected([](auto&, auto&, io::quantization_map& map) { map.entries[0].activations = qint4{}; }) ==
          "bad.safetensors: quantization map: fc1: activations cannot be qint4");
    CHECK(rejected([](auto&, auto&, io::quantization_map& map) { map.entries[0].weights = qint4{}; }) ==
          "bad.safetensors: fc1: the map and the file disagree on its qtypes");
    CHECK(rejected([](auto&, io::metadata_list& metadata, io::quantization_map& map) {
              metadata.clear();  // a file of Python quanto
              map.entries[0].weights = qfloat8{};
          }) == "bad.safetensors: fc1.weight._data: I8 does not hold qfloat8_e4m3fn");
    CHECK(rejected([](auto&, auto&, io::quantization_map& map) { map.entries.erase(map.entries.begin()); }) ==
          "bad.safetensors: fc1.weight is quantized, and no quantization map names its module");
}

TEST_CASE("a quantized file that is read as a float checkpoint is named as what it is") {
    Directory const directory("quanto_not_float");
    auto m = Model::with_values();
    REQUIRE(quantize(m, {.weights = qint4{}}));
    freeze(m);
    REQUIRE(save(m, directory.string()));
    auto const file = io::open_safetensors(directory.string() + "/model.safetensors");
    REQUIRE(file);
    auto plain = Model::with_values();
    auto const read = load_state(plain, *file);
    REQUIRE_FALSE(read);
    CHECK(read.error().message().ends_with("fc1.weight is quantized, and no quantization map names its module"));
}

TEST_CASE("metadata that make no sense are an error") {
    quantize_options const options{.weights = qint4{}};
    CHECK(rejected(record("quanto.version", "2"), options) == "bad.safetensors: format version 2");
    std::string const key = "quanto.module.fc1";
    CHECK(rejected(record(key, "weights=qint5"), options) == "bad.safetensors: fc1: unknown qtype qint5");
    CHECK(rejected(record(key, "weights=qint4 group=-1"), options) ==
          "bad.safetensors: fc1: group=-1 is no group size");
    CHECK(rejected(record(key, "weights=qint4 group=99999999999999999999"), options) ==
          "bad.safetensors: fc1: group=99999999999999999999 is no group size");
    CHECK(rejected(record(key, "weights=qint8 group=8"), options) == "bad.safetensors: fc1: qint8 has no groups of 8");
    CHECK(rejected(record(key, "weights=qint4 activations=qint4 scaling=row"), options) ==
          "bad.safetensors: fc1: activations cannot be qint4");
    CHECK(rejected(record(key, "weights=qint4 packing=spiral"), options) ==
          "bad.safetensors: fc1: packing=spiral is unknown to this version");
    CHECK(rejected(record(key, "weights=qint4 group=0"), options) ==
          "bad.safetensors: fc1.weight._data._data: expected shape (3, 160), found (15, 32)");
    CHECK(rejected(record(key, "weights=qint4 group=1"), options) ==
          "bad.safetensors: fc1.weight._data._data: expected shape (480, 1), found (15, 32)");
    CHECK(rejected(record(key, "weights=qint4 group=161"), options) ==
          "bad.safetensors: fc1.weight._data._data: expected shape (3, 160), found (15, 32)");
    CHECK(rejected(record(key, "weights=qint4 group=7"), options) ==
          "bad.safetensors: fc1.weight._data._data: expected shape (3, 160), found (15, 32)");
}

TEST_CASE("a group as long as a row is a group: files flatten the rest of the weight, as Python's do") {
    Directory const directory("quanto_group_of_a_row");
    struct row {
        std::size_t group;
        extents codes, scale;
    };
    for (auto const& r : {row{45, {3, 45}, {6, 1}}, row{0, {3, 5, 3, 3}, {6, 1, 1, 1}}}) {
        nn::Conv2d m(any_tensor(values({6, 5, 3, 3}, 1)));
        REQUIRE(m.weight.quantize({qint4{}, r.group}));
        freeze(m);
        m.weight.release_portable();
        auto const state = state_dict(m);
        REQUIRE(state);
        for (auto const& [key, tensor] : *state)
            if (key.starts_with("weight")) CHECK(tensor.shape() == (key.ends_with("_data") ? r.codes : r.scale));
        REQUIRE(save(m, directory.string()));
        nn::Conv2d again(5, 6, 3, {.bias = false});
        auto const report = load(again, directory.string());
        if (!report) FAIL(report.error().c_str());
        CHECK(again.weight.scheme()->group == r.group);
        auto const x = values({1, 5, 4, 4}, 2);
        CHECK(same(again(x), m(x)));
    }
}

TEST_CASE("a directory without files, or with a broken map, is an error") {
    Directory const directory("quanto_nothing");
    Model m;
    CHECK(load(m, directory.string()).error().code() == errc::missing);
    auto source = Model::with_values();
    REQUIRE(save(source, directory.string()));
    std::ofstream(directory / "quantization_map.json") << R"({"fc1": {"weights": "qint5", "activations": "none"}})";
    auto const report = load(m, directory.string());
    REQUIRE_FALSE(report);
    CHECK(std::string(report.error().c_str()).find("fc1: weights: unknown qtype qint5") != std::string::npos);
}

TEST_CASE("saving makes its directory, not the parents of it, and names what is in the way") {
    Directory const directory("quanto_save_new");
    auto const model = Model::with_values();
    auto const fresh = directory / "new", file = directory / "file";
    REQUIRE(save(model, fresh));
    Model again;
    CHECK(load(again, fresh));
    CHECK(save(model, fresh));
    CHECK(save(model, fresh + "/"));
    auto const deep = save(model, directory / "missing/new");
    REQUIRE_FALSE(deep);
    CHECK(deep.error().code() == errc::missing);
    CHECK(deep.error().message() ==
          (directory / "missing/new") + ": cannot make the directory: No such file or directory");
    CHECK_FALSE(std::filesystem::exists(directory / "missing"));
    std::ofstream(file) << "x";
    CHECK(save(model, file).error().message() == file + ": cannot make the directory: Not a directory");
    CHECK(save(model, file + "/below").error().message() ==
          file + "/below: cannot make the directory: Not a directory");
    CHECK(save(model, "").error().message() == "save: the name of the directory is empty");
    CHECK(load(again, "").error().message() == "load: the name of the directory is empty");
    Model const declared;
    CHECK_FALSE(save(declared, directory / "never"));
    CHECK_FALSE(std::filesystem::exists(directory / "never"));  // nothing to write: nothing is made
}
