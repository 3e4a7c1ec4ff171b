// The bodies of safetensors.hpp.
#pragma once

#include <utility>

#include <quanto/core/sort.hpp>
#include <quanto/io/json.hpp>
#include <quanto/io/mapped_file.hpp>

namespace quanto::inline v0::io {

QUANTO_BODY result<SafetensorsFile> SafetensorsFile::open(text const& path) {
    auto bytes = MappedFile::open(path);
    if (!bytes) return bytes.error();
    return parse(std::move(*bytes), path);
}

QUANTO_BODY result<SafetensorsFile> SafetensorsFile::parse(storage bytes, text origin) {
    SafetensorsFile file;
    file.path_ = std::move(origin);
    file.bytes_ = std::move(bytes);
    if (auto problem = file.read(); !problem) return problem.error().within(tail(file.path_));
    return file;
}

QUANTO_BODY any_tensor const* SafetensorsFile::find(text_view name) const noexcept {
    entry const* const e = find_entry(name);
    return e != nullptr ? &e->tensor : nullptr;
}

QUANTO_BODY SafetensorsFile::entry const* SafetensorsFile::find_entry(text_view name) const noexcept {
    std::size_t const at = position(begin(), size(), [&](entry const& e) { return text_view(e.name) < name; });
    return at != size() && entries_[at].name == name ? begin() + at : nullptr;
}

QUANTO_BODY metadata_list const& SafetensorsFile::metadata() const noexcept { return metadata_; }

QUANTO_BODY text const* SafetensorsFile::metadata(text_view key) const noexcept {
    for (auto const& [k, v] : metadata_)
        if (k == key) return &v;
    return nullptr;
}

QUANTO_BODY result<success> SafetensorsFile::read() {
    if (bytes_.size() < 8) return error(errc::malformed, bytes_.size(), " bytes are too few for a safetensors file");
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- != 0;) length = length << 8 | std::to_integer<std::uint64_t>(bytes_.data()[i]);
    if (length > header_limit) return error(errc::malformed, "the header is declared longer than 100000000 bytes");
    if (length > bytes_.size() - 8)
        return error(errc::malformed, "the header is declared longer (", static_cast<std::size_t>(length),
                     ") than the file");

    std::size_t const start = 8 + static_cast<std::size_t>(length), data_size = bytes_.size() - start;
    text_view const header(reinterpret_cast<char const*>(bytes_.data()) + 8, static_cast<std::size_t>(length));
    if (header.empty() || header.front() != '{') return error(errc::malformed, "the header does not start with '{'");

    list<declared> tensors;
    JsonReader json(header);
    text key;
    bool has_metadata = false;
    for (json.enter_object(); json.next_key(key);) {
        if (key != "__metadata__") {
            declared d;
            if (auto done = read_declared(json, d); !done) return done.error().within(key);
            d.name = std::move(key);
            tensors.push_back(std::move(d));
        } else {
            if (std::exchange(has_metadata, true)) return error(errc::malformed, "__metadata__ occurs twice");
            if (auto done = read_metadata(json); !done) return done.error();
        }
    }
    if (!json.finish()) return json.error().within("header");
    if (auto covered = check_cover(tensors, data_size); !covered) return covered.error();

    sort(tensors.data(), tensors.size(), [](auto const& a, auto const& b) { return a.name < b.name; });
    entries_.reserve(tensors.size());
    for (auto& d : tensors) {
        if (!entries_.empty() && entries_.back().name == d.name)
            return error(errc::malformed, d.name, ": occurs twice");
        entries_.push_back(
            {std::move(d.name), any_tensor(d.type, d.shape, bytes_.slice(start + d.begin, d.end - d.begin))});
    }
    return success{};
}

QUANTO_BODY result<success> SafetensorsFile::read_metadata(JsonReader& json) {
    text key, value;
    for (json.enter_object(); json.next_key(key);) {
        if (!json.read_string(value)) return json.error().within("__metadata__");
        metadata_.push_back({key, value});
    }
    if (!json.ok()) return json.error().within("__metadata__");
    sort(metadata_.data(), metadata_.size(), [](auto const& a, auto const& b) { return a.key < b.key; });
    for (std::size_t i = 1; i < metadata_.size(); ++i)
        if (metadata_[i - 1].key == metadata_[i].key)
            return error(errc::malformed, metadata_[i].key, " occurs twice").within("__metadata__");
    return success{};
}

QUANTO_BODY result<success> SafetensorsFile::read_declared(JsonReader& json, declared& d) {
    text field, type;
    bool has_type = false, has_shape = false, has_offsets = false;
    for (json.enter_object(); json.next_key(field);) {
        bool& seen = field == "dtype" ? has_type : field == "shape" ? has_shape : has_offsets;
        if (field != "dtype" && field != "shape" && field != "data_offsets")
            return error(errc::malformed, "unknown field ", field);
        if (std::exchange(seen, true)) return error(errc::malformed, field, " occurs twice");
        if (&seen == &has_type) {
            if (!json.read_string(type)) break;
        } else {
            std::size_t n = 0, number = 0;
            for (json.enter_array(); json.next_element(); ++n) {
                if (!json.read_unsigned(number)) break;
                if (&seen == &has_offsets)
                    (n == 0 ? d.begin : d.end) = number;
                else if (n < extents::max_rank)
                    d.shape.push_back(number);
                else
                    return error(errc::unsupported, "more than 8 dimensions");
            }
            if (json.ok() && &seen == &has_offsets && n != 2)
                return error(errc::malformed, "data_offsets has ", n, " numbers instead of 2");
        }
    }
    if (!json.ok()) return json.error();
    if (!has_type || !has_shape || !has_offsets)
        return error(errc::malformed, !has_type ? "dtype" : !has_shape ? "shape" : "data_offsets", " is missing");
    auto const known = dtype_from_name(type);
    if (!known) return error(errc::unsupported, "unknown dtype ", type);
    d.type = *known;
    std::size_t count = 0, bytes = 0;
    if (!d.shape.checked_numel(count) || !checked_multiply(count, size_of(d.type), bytes))
        return error(errc::malformed, "the shape has more elements than fit in memory");
    if (d.begin > d.end || d.end - d.begin != bytes)
        return error(errc::malformed, "data_offsets ", d.begin, " to ", d.end, " do not hold the ", bytes,
                     " bytes of the shape");
    return success{};
}

QUANTO_BODY result<success> SafetensorsFile::check_cover(list<declared>& tensors, std::size_t size) {
    sort(tensors.data(), tensors.size(),
         [](auto const& a, auto const& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
    std::size_t at = 0;
    for (auto const& d : tensors) {
        if (d.end > size)
            return error(errc::malformed, d.name, ": ends at byte ", d.end, " of ", size, " bytes of data");
        if (d.begin != at)
            return error(errc::malformed, d.name, ": starts at byte ", d.begin, ", the tensor before ends at ", at);
        at = d.end;
    }
    if (at != size) return error(errc::malformed, size - at, " bytes after the last tensor belong to none");
    return success{};
}

QUANTO_BODY result<SafetensorsFile> open_safetensors(text const& path) { return SafetensorsFile::open(path); }

}  // namespace quanto::inline v0::io
