// The bodies of quantization_map.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <quanto/io/atomic_file.hpp>
#include <quanto/io/json.hpp>
#include <quanto/io/mapped_file.hpp>

namespace quanto::inline v0::io {

QUANTO_BODY quantization_map::entry const* quantization_map::find(std::string_view module) const noexcept {
    for (auto const& e : entries)
        if (e.module == module) return &e;
    return nullptr;
}

namespace detail {
inline result<success> read_module(JsonReader& json, quantization_map::entry& e) {
    std::string field, value;
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
    std::vector<std::string_view> names;
    for (auto const& e : map.entries) names.push_back(e.module);
    std::sort(names.begin(), names.end());
    auto const twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) return error(errc::malformed, *twice, ": occurs twice");
    return success{};
}

}  // namespace detail

QUANTO_BODY result<quantization_map> parse_quantization_map(std::string_view text, std::string const& origin) {
    quantization_map map;
    JsonReader json(text);
    std::string module;
    for (json.enter_object(); json.next_key(module);) {
        auto& e = map.entries.emplace_back(quantization_map::entry{module, {}, {}});
        if (auto done = detail::read_module(json, e); !done) return done.error().within(module).within(tail(origin));
    }
    if (!json.finish()) return json.error().within(tail(origin));
    if (auto once = detail::check_modules(map); !once) return once.error().within(tail(origin));
    return map;
}

QUANTO_BODY result<quantization_map> read_quantization_map(std::string const& path) {
    auto const bytes = MappedFile::open(path);
    if (!bytes) return bytes.error();
    return parse_quantization_map({reinterpret_cast<char const*>(bytes->data()), bytes->size()}, path);
}

QUANTO_BODY std::string to_json(quantization_map const& map) {
    std::string text = "{";
    for (auto const& e : map.entries) {
        text += text.size() == 1 ? "\n    " : ",\n    ";
        append_json_string(text, e.module);
        text += ": {\n        \"weights\": \"";
        text += e.weights ? e.weights->name() : std::string_view("none");
        text += "\",\n        \"activations\": \"";
        text += e.activations ? e.activations->name() : std::string_view("none");
        text += "\"\n    }";
    }
    return text += map.entries.empty() ? "}" : "\n}";
}

QUANTO_BODY result<success> write_quantization_map(std::string const& path, quantization_map const& map) {
    if (auto once = detail::check_modules(map); !once) return once.error().within(tail(path));
    return write_file_atomically(path, [text = to_json(map)](FileSink& sink) { return sink.write(text); });
}

}  // namespace quanto::inline v0::io
