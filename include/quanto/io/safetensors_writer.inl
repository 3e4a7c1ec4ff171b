// The bodies of safetensors_writer.hpp.
#pragma once

#include <quanto/core/sort.hpp>
#include <quanto/io/atomic_file.hpp>
#include <quanto/io/json.hpp>

namespace quanto::inline v0::io {

namespace detail {
inline std::size_t bytes_of_shape(any_tensor const& t) noexcept { return t.size() * size_of(t.type()); }

inline result<success> check_size(SafetensorsFile::entry const& t, std::size_t size) {
    if (size == bytes_of_shape(t.tensor)) return success{};
    return error(errc::invalid_argument, size, " bytes for a shape of ", bytes_of_shape(t.tensor)).within(t.name);
}

// What the reader would refuse is not written over a file that it accepts.
inline result<success> check_writable(list_view<SafetensorsFile::entry> tensors, list_view<metadata_entry> metadata,
                                      bool can_make) {
    list<text_view> names{"__metadata__"}, keys;
    for (auto const& t : tensors) {
        names.push_back(t.name);
        if (!is_utf8(t.name)) return error(errc::invalid_argument, t.name, ": the name is not UTF-8");
        std::size_t const size = t.tensor.bytes().size();
        if (size == 0 && can_make) continue;
        if (auto ok = check_size(t, size); !ok) return ok;
    }
    for (auto const& [key, value] : metadata) {
        keys.push_back(key);
        if (!is_utf8(key) || !is_utf8(value)) return error(errc::invalid_argument, key, ": the metadata is not UTF-8");
    }
    for (auto* all : {&names, &keys})
        if (auto const* const twice = sort_and_find_repeated(all->data(), all->size()))
            return error(errc::invalid_argument, "two entries are named ", *twice);
    return success{};
}

}  // namespace detail

QUANTO_BODY result<success> write_safetensors(text const& path, list_view<SafetensorsFile::entry> tensors,
                                              list_view<metadata_entry> metadata, std::optional<tensor_maker> make) {
    if (auto ok = detail::check_writable(tensors, metadata, make.has_value()); !ok)
        return ok.error().within(tail(path));

    list<SafetensorsFile::entry const*> order;
    for (auto const& t : tensors) order.push_back(&t);
    // Wide types by descending size; their total may end anywhere, so tensors of 16-byte multiples come before the
    // rest.
    auto const rank = [](SafetensorsFile::entry const* e) {
        bool const whole_lines = detail::bytes_of_shape(e->tensor) % 16 == 0;
        std::size_t const width = size_of(e->tensor.type());
        return whole_lines ? 8 - width : 16 + (8 - width);
    };
    sort(order.data(), order.size(),
         [&](auto const* a, auto const* b) { return rank(a) != rank(b) ? rank(a) < rank(b) : a->name < b->name; });

    text header = "{";
    if (!metadata.empty()) {
        header += "\"__metadata__\":{";
        for (auto const& [key, value] : metadata) {
            if (header.back() != '{') header += ',';
            header += json_string(key);
            header += ':';
            header += json_string(value);
        }
        header += '}';
    }
    std::size_t offset = 0;
    for (auto const* e : order) {
        if (header.back() != '{') header += ',';
        header += json_string(e->name);
        header += ":{\"dtype\":\"";
        header += name(e->tensor.type());
        header += "\",\"shape\":[";
        for (std::size_t n : e->tensor.shape()) {
            if (header.back() != '[') header += ',';
            header += digits_of(n);
        }
        std::size_t const size = detail::bytes_of_shape(e->tensor);
        header += "],\"data_offsets\":[";
        ((header += digits_of(offset)) += ',') += digits_of(offset + size);
        header += "]}";
        offset += size;
    }
    header += '}';
    if (header.size() > SafetensorsFile::header_limit - 64)
        return error(errc::unsupported, "the header would exceed 100000000 bytes").within(tail(path));
    while ((8 + header.size()) % 64 != 0) header += ' ';

    std::optional<error> problem;
    auto const write = [&](FileSink& sink, SafetensorsFile::entry const& e) {
        storage const& here = e.tensor.bytes();
        if (here.size() != 0 || !make) return sink.write(here.data(), here.size());
        auto const made = (*make)(static_cast<std::size_t>(&e - tensors.begin()));
        auto const ok = made ? detail::check_size(e, made->size()) : made.error();
        if (!ok) problem = ok.error();
        return ok && sink.write(made->data(), made->size());
    };
    auto const written = write_file_atomically(path, [&](FileSink& sink) {
        unsigned char length[8];
        for (std::size_t i = 0; i != 8; ++i)
            length[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(header.size()) >> (8 * i));
        bool ok = sink.write(length, sizeof length) && sink.write(header);
        for (auto const* e : order) ok = ok && write(sink, *e);
        return ok;
    });
    return problem ? problem->within(tail(path)) : written;
}

}  // namespace quanto::inline v0::io
