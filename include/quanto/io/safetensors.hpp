// A safetensors file = u64 little-endian length n, n bytes of JSON, then the bytes of the tensors, which cover the rest
// of the file without hole or overlap:
//     {"name": {"dtype": "F32", "shape": [6, 320], "data_offsets": [begin, end]}, .., "__metadata__": {"key": "text"}}
// Everything is checked before anything is handed out; the tensors share the mapped file, nothing is copied.
// Source: huggingface/safetensors, format description and reference reader.
#pragma once

#include <cstdint>

#include <quanto/core/list.hpp>
#include <quanto/core/text.hpp>
#include <quanto/tensor/tensor.hpp>

namespace quanto::inline v0::io {

class JsonReader;

struct metadata_entry {
    text key, value;
};
using metadata_list = list<metadata_entry>;

class SafetensorsFile {
public:
    struct entry {
        text name;
        any_tensor tensor;
    };
    static constexpr std::size_t header_limit = 100'000'000;  // the reference reader's

    // Errors: those of MappedFile::open and of parse.
    static result<SafetensorsFile> open(text const& path);

    // `origin` names the bytes in errors. Cost: O(n log n) in the number of tensors. Errors: malformed (what, and for
    // which tensor), unsupported (a dtype or rank that this library does not know).
    static result<SafetensorsFile> parse(storage bytes, text origin);

    text const& path() const noexcept { return path_; }
    std::size_t size() const noexcept { return entries_.size(); }
    std::size_t file_bytes() const noexcept { return bytes_.size(); }
    // In the order of their names.
    entry const* begin() const noexcept { return entries_.begin(); }
    entry const* end() const noexcept { return entries_.end(); }

    any_tensor const* find(text_view name) const noexcept;
    entry const* find_entry(text_view name) const noexcept;

    // In the order of their keys.
    metadata_list const& metadata() const noexcept;
    text const* metadata(text_view key) const noexcept;

private:
    struct declared {
        text name;
        dtype type = dtype::f32;
        extents shape;
        std::size_t begin = 0, end = 0;
    };

    result<success> read();

    result<success> read_metadata(JsonReader& json);

    static result<success> read_declared(JsonReader& json, declared& d);

    // The tensors cover 0 .. size: no hole, no overlap, nothing beyond.
    static result<success> check_cover(list<declared>& tensors, std::size_t size);

    text path_;
    storage bytes_;
    list<entry> entries_;
    metadata_list metadata_;
};

result<SafetensorsFile> open_safetensors(text const& path);

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/safetensors.inl>
#endif
