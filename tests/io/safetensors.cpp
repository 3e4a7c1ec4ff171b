#include <quanto/io/safetensors.hpp>
#include <quanto/io/safetensors_writer.hpp>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <sys/resource.h>
#include <unistd.h>
#include <csignal>

#include "catch.hpp"

using namespace quanto;
using io::SafetensorsFile;

namespace {

std::string with_length(std::uint64_t length, std::string const& rest) {
    std::string bytes;
    for (int i = 0; i != 8; ++i) bytes += static_cast<char>(length >> (8 * i));
    return bytes + rest;
}
std::string file_of(std::string const& header, std::size_t data = 0) {
    return with_length(header.size(), header + std::string(data, 'x'));
}
std::string entry(std::string const& fields) { return "{\"w\":{" + fields + "}}"; }

// The text of the error that reading these bytes gives; "" if they are read.
std::string problem(std::string const& bytes) {
    auto const file = SafetensorsFile::parse(storage::borrow(bytes.data(), bytes.size()), "f");
    return file ? std::string() : std::string(file.error().message());
}

std::string contents(std::string const& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/quanto-io-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() {
        std::remove((path + "/a").c_str());
        ::rmdir(path.c_str());  // fails, and the test notices, if anything else was left
    }
    std::string file() const { return path + "/a"; }
};

struct hostile {
    std::string bytes, text;
};

}  // namespace

TEST_CASE("a safetensors file that is not one says what is wrong and where") {
    std::string const ok = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]";
    hostile const cases[] = {
        {"", "f: 0 bytes are too few"},
        {"1234567", "f: 7 bytes are too few"},
        {with_length(0, ""), "does not start with '{'"},
        {with_length(1, ""), "declared longer (1) than the file"},
        {with_length(100'000'001, "{}"), "longer than 100000000"},
        {with_length(~std::uint64_t{0}, "{}"), "longer than 100000000"},
        {with_length(~std::uint64_t{0} - 7, "{}"), "longer than 100000000"},
        {with_length(100'000'000, "{}"), "declared longer (100000000) than the file"},
        {with_length(std::uint64_t{1} << 31, "{}"), "longer than 100000000"},
        {with_length(std::uint64_t{1} << 32, "{}"), "longer than 100000000"},
        {with_length(std::uint64_t{1} << 63, "{}"), "longer than 100000000"},
        {with_length(1, "{"), "header: byte 1"},
        {file_of("\xef\xbb\xbf{}"), "does not start with '{'"},
        {file_of(std::string("{\0}", 3)), "header: byte 1"},
        {file_of("{\"\xc0\xaf\":1}"), "header: byte"},  // overlong
        {file_of("{\"\\ud800\":1}"), "header: byte"},   // a lone surrogate
        {file_of("{\"a\\q\":1}"), "header: byte"},      // an unknown escape
        {file_of("{\"a"), "header: byte"},              // an unterminated string
        {file_of("{\"__metadata__\":7}"), "__metadata__: byte"},
        {file_of(" {}"), "does not start with '{'"},
        {file_of("[]"), "does not start with '{'"},
        {file_of("{} x"), "header: byte 3"},
        {file_of("{\"w\":"), "f: w: byte 5"},
        {file_of("{\"\xff\":1}"), "header: byte"},
        {file_of("{\"w\":" + std::string(100'000, '[')), "w: byte 5"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[2]"), 8), "w: data_offsets is missing"},
        {file_of(entry("\"shape\":[2],\"data_offsets\":[0,8]"), 8), "w: dtype is missing"},
        {file_of(entry("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), 8), "w: shape is missing"},
        {file_of(entry(ok + ",\"more\":1"), 8), "w: unknown field more"},
        {file_of(entry(ok + ",\"dtype\":\"F32\""), 8), "w: dtype occurs twice"},
        {file_of("{\"w\":{" + ok + "},\"\\u0077\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}", 8),
         "w: occurs twice"},
        {file_of(entry("\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]"), 8), "w: unknown dtype F31"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]"), 8), "data_offsets has 1 numbers"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]"), 8), "data_offsets has 3 numbers"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]"), 8),
         "data_offsets 8 to 0 do not hold the 8 bytes"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), 8), "do not hold the 12 bytes"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]"), 8), "w: byte"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]"), 8), "w: byte"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[1e0],\"data_offsets\":[0,4]"), 4), "w: byte"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[007],\"data_offsets\":[0,28]"), 28), "w: byte"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,4]"), 4), "w: byte"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[]"), 8), "data_offsets has 0 numbers"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,8]"), 8), "do not hold the 0 bytes"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,8]"), 8), "w: "},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[4294967297,4294967295],\"data_offsets\":[0,0]")),
         "more elements than fit"},
        {file_of(entry("\"dtype\":\"U8\",\"shape\":[18446744073709551615],\"data_offsets\":[0,8]"), 8), "w: "},
        {file_of(entry(ok + ",\"shape\":[2]"), 8), "w: shape occurs twice"},
        {file_of(entry(ok + ",\"data_offsets\":[0,8]"), 8), "w: data_offsets occurs twice"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,8]"), 8), "w: byte"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]")),
         "more elements than fit"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]")),
         "more elements than fit"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4),
         "more than 8 dimensions"},
        {file_of(entry(ok), 7), "w: ends at byte 8 of 7"},
        {file_of(entry(ok), 9), "1 bytes after the last tensor"},
        {file_of(entry("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"), 8), "w: starts at byte 4"},
        {file_of("{\"a\":{" + ok + "},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12),
         "b: starts at byte 4, the tensor before ends at 8"},
        {file_of("{\"__metadata__\":{\"a\":1}}"), "__metadata__: byte"},
        {file_of("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}"), "a occurs twice"},
        {file_of("{\"__metadata__\":{},\"__metadata__\":{}}"), "__metadata__ occurs twice"},
    };
    for (auto const& c : cases) {
        INFO(c.text << "\n" << problem(c.bytes));
        CHECK(problem(c.bytes).find(c.text) != std::string::npos);
    }
    CHECK(problem(file_of("{}")).empty());
    CHECK(problem(file_of(entry(ok) + "   ", 8)).empty());
}

TEST_CASE("many tiny entries, names of any kind and a rank beyond measure are read or refused at once") {
    std::string many = "{";
    for (int i = 0; i != 100'000; ++i)
        many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    CHECK(problem(file_of(many + "}")).empty());
    for (char const* name : {"", "/", "../a", "a/b"})
        CHECK(problem(file_of(std::string("{\"") + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1))
                  .empty());
    std::string rank = "1";
    for (int i = 0; i != 1'000'000; ++i) rank += ",1";
    CHECK(problem(file_of(entry("\"dtype\":\"U8\",\"shape\":[" + rank + "],\"data_offsets\":[0,1]"), 1))
              .find("more than 8 dimensions") != std::string::npos);
}

TEST_CASE("a path that cannot be read is named") {
    CHECK(std::string(io::open_safetensors("/nowhere/m.safetensors").error().c_str())
              .find("/nowhere/m.safetensors: cannot open") == 0);
    CHECK(io::open_safetensors("/nowhere/m.safetensors").error().code() == errc::missing);
    CHECK(std::string(io::open_safetensors("/tmp").error().c_str()) == "/tmp: a directory");
}

TEST_CASE("what is written is read again, aligned and without a copy") {
    Folder const folder;
    Tensor<float> scale(extents{3, 1});
    Tensor<std::int8_t> codes(extents{3, 16}), odd(extents{5});
    for (std::size_t i = 0; i != codes.size(); ++i) codes[i] = static_cast<std::int8_t>(i);
    scale[1] = 0.5f;
    REQUIRE(io::write_safetensors(folder.file(),
                                  {{"s", scale}, {"w", codes}, {"odd", odd}, {"scalar", Tensor<float>(extents{})}},
                                  {{"format", "pt"}, {"quote\"", "line\n"}}));
    auto const file = io::open_safetensors(folder.file());
    REQUIRE(file);
    CHECK(file->size() == 4);
    CHECK(*file->metadata("quote\"") == "line\n");
    CHECK(file->metadata("none") == nullptr);
    auto const* w = file->find("w");
    REQUIRE(w != nullptr);
    CHECK(w->shape() == extents{3, 16});
    CHECK(w->bytes().is_shared());
    CHECK(reinterpret_cast<std::uintptr_t>(w->bytes().data()) % 16 == 0);
    CHECK(std::to_integer<int>(w->bytes().data()[17]) == 17);
    CHECK((*file->find("s"))[1] == 0.5f);
    CHECK(file->find("scalar")->size() == 1);
    CHECK(file->find("nothing") == nullptr);
}

TEST_CASE("a tensor outlives the file it came from") {
    Folder const folder;
    REQUIRE(io::write_safetensors(folder.file(), {{"x", Tensor<float>(extents{4})}}));
    any_tensor x;
    {
        auto const file = io::open_safetensors(folder.file());
        REQUIRE(file);
        x = *file->find("x");
    }
    std::remove(folder.file().c_str());
    CHECK(x[3] == 0.0f);
}

TEST_CASE("two tensors of one name are not written") {
    Folder const folder;
    Tensor<float> const x(extents{1});
    auto const done = io::write_safetensors(folder.file(), {{"x", x}, {"x", x}});
    REQUIRE(!done);
    CHECK(std::string(done.error().c_str()).find("two entries are named x") != std::string::npos);
    CHECK(contents(folder.file()).empty());
}

TEST_CASE("what could not be read again is not written") {
    Folder const folder;
    auto const text = [&](std::vector<SafetensorsFile::entry> const& tensors, io::metadata_list const& metadata = {}) {
        auto const done = io::write_safetensors(folder.file(), tensors, metadata);
        return done ? std::string() : std::string(done.error().message());
    };
    Tensor<float> const x(extents{2});
    CHECK(text({{"\xff", x}}).find("not UTF-8") != std::string::npos);
    CHECK(text({{"__metadata__", x}}).find("two entries are named __metadata__") != std::string::npos);
    CHECK(text({{"w", any_tensor(dtype::f32, extents{3}, x.bytes())}}).find("w: 8 bytes for a shape of 12") !=
          std::string::npos);
    CHECK(text({{"w", x}}, {{"a", "1"}, {"a", "2"}}).find("two entries are named a") != std::string::npos);
    CHECK(contents(folder.file()).empty());
}

TEST_CASE("tensors that are not in memory are made when they are written, one at a time") {
    Folder const folder;
    Tensor<float> x(extents{4});
    for (std::size_t i = 0; i != 4; ++i) x[i] = static_cast<float>(i);
    Tensor<std::uint8_t> b(extents{3});
    b[2] = 7;
    REQUIRE(io::write_safetensors(folder.file(), {{"b", b}, {"x", x}}));
    std::string const whole = contents(folder.file());

    std::vector<std::size_t> asked;
    std::vector<SafetensorsFile::entry> const declared{{"b", any_tensor(dtype::u8, extents{3}, {})}, {"x", x}};
    auto const make = [&](std::size_t i) -> result<storage> {
        asked.push_back(i);
        return b.bytes();
    };
    REQUIRE(io::write_safetensors(folder.file(), declared, {}, make));
    CHECK(asked == std::vector<std::size_t>{0});
    CHECK(contents(folder.file()) == whole);

    auto const refused = [&](io::tensor_maker f) {
        auto const done = io::write_safetensors(folder.file(), declared, {}, f);
        CHECK(contents(folder.file()) == whole);
        return done ? std::string() : std::string(done.error().message());
    };
    auto const fails = [](std::size_t) -> result<storage> { return error(errc::out_of_memory, "no memory"); };
    auto const too_few = [&](std::size_t) -> result<storage> { return b.bytes().slice(0, 2); };
    CHECK(refused(fails).find("no memory") != std::string::npos);
    CHECK(refused(too_few).find("b: 2 bytes for a shape of 3") != std::string::npos);
}

TEST_CASE("a long name does not hide the problem") {
    std::string const name(300, 'n');
    CHECK(problem(file_of("{\"" + name + "\":{}}")).find("dtype is missing") != std::string::npos);
}

TEST_CASE("a disk that fills up leaves the old file and nothing else") {
    Folder const folder;
    REQUIRE(io::write_safetensors(folder.file(), {{"x", Tensor<float>(extents{4})}}));
    std::string const before = contents(folder.file());

    // The file size limit stands for the full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    ::getrlimit(RLIMIT_FSIZE, &old);
    rlimit small = old;
    small.rlim_cur = 64 * 1024;
    ::setrlimit(RLIMIT_FSIZE, &small);
    auto const done = io::write_safetensors(folder.file(), {{"x", Tensor<float>(extents{1'000'000})}});
    ::setrlimit(RLIMIT_FSIZE, &old);

    REQUIRE(!done);
    CHECK(done.error().code() == errc::io);
    CHECK(std::string(done.error().c_str()).find(folder.file()) == 0);
    CHECK(contents(folder.file()) == before);
    std::remove(folder.file().c_str());
    CHECK(::rmdir(folder.path.c_str()) == 0);  // no temporary file is left
}

TEST_CASE("a folder that does not exist is named when saving") {
    auto const done = io::write_safetensors("/nowhere/m.safetensors", {});
    REQUIRE(!done);
    CHECK(std::string(done.error().c_str()).find("/nowhere/m.safetensors") == 0);
}
