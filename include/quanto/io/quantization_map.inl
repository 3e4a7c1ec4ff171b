// The bodies of quantization_map.hpp.
#pragma once

#include <utility>

#include <quanto/core/sort.hpp>
#include <quanto/io/atomic_file.hpp>
#include <quanto/io/json.hpp>
#include <quanto/io/mapped_file.hpp>

namespace quanto::inline v0::io {

QUANTO_BODY quantization_map::entry const* quantization_map::find(text_view module) const noexcept {
    for (auto const& e : entries)
        if (e.module == module) return &e;
    return nullptr;
}

namespace detail {
inline result<success> read_module(JsonReader& json, quantization_map::entry& e) {
    text field, value;
    bool has_weights = false, has_activations = false;
    for (json.enter_object(); json.next_key(field);) {
        bool const weights = field == "weights";
        if (!weights && field != "activations") return error(errc::malformed, "unknown field ", field);
        if (std::exchange(weights ? has_weights : has_activations, true))
            return error(errc::malformed, field, " occurs twice");
        if (!json.read_string(value)) break;
        auto const type = any_qtype::from_name(value);
        if (!type && value != "none") return error(errc::invalid_argument, field, ": unknown qtype ", value);
        (weights ? e.weights : e.activations) = type;
    }
    if (!json.ok()) return json.error();
    if (!has_weights || !has_activations)
        return error(errc::malformed, has_weights ? "activations" : "weights", " is missing");
    return success{};
}

// Every module once. Cost: O(n log n).
inline result<success> check_modules(quantization_map const& map) {
    list<text_view> names;
    for (auto const& e : map.entries) names.push_back(e.module);
    if (auto const* const twice = sort_and_find_repeated(names.data(), names.size()))
        return error(errc::malformed, *twice, ": occurs twice");
    return success{};
}

}  // namespace detail

QUANTO_BODY result<quantization_map> parse_quantization_map(text_view json_text, text_view origin) {
    quantization_map map;
    JsonReader json(json_text);
    text module;
    for (json.enter_object(); json.next_key(module);) {
        auto& e = map.entries.push_back({module, {}, {}});
        if (auto done = detail::read_module(json, e); !done) return done.error().within(module).within(tail(origin));
    }
    if (!json.finish()) return json.error().within(tail(origin));
    if (auto once = detail::check_modules(map); !once) return once.error().within(tail(origin));
    return map;
}

QUANTO_BODY result<quantization_map> read_quantization_map(text const& path) {
    auto const bytes = MappedFile::open(path);
    if (!bytes) return bytes.error();
    return parse_quantization_map({reinterpret_cast<char const*>(bytes->data()), bytes->size()}, path);
}

QUANTO_BODY text to_json(quantization_map const& map) {
    text json = "{";
    for (auto const& e : map.entries) {
        json += json.size() == 1 ? "\n    " : ",\n    ";
        json += json_string(e.module);
        json += ": {\n        \"weights\": \"";
        json += e.weights ? e.weights->name() : text_view("none");
        json += "\",\n        \"activations\": \"";
        json += e.activations ? e.activations->name() : text_view("none");
        json += "\"\n    }";
    }
    return json += map.entries.empty() ? "}" : "\n}";
}

QUANTO_BODY result<success> write_quantization_map(text const& path, quantization_map const& map) {
    if (auto once = detail::check_modules(map); !once) return once.error().within(tail(path));
    return write_file_atomically(path, [json = to_json(map)](FileSink& sink) { return sink.write(json); });
}

}  // namespace quanto::inline v0::io
