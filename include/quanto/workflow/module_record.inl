// The bodies of module_record.hpp.
#pragma once

#include <charconv>

namespace quanto::inline v0::detail {

QUANTO_BODY result<module_record> parse_module_record(std::string_view text) {
    module_record record;
    while (!text.empty()) {
        std::string_view const word = text.substr(0, text.find(' '));
        text.remove_prefix(word.size() == text.size() ? word.size() : word.size() + 1);
        std::string_view const key = word.substr(0, word.find('='));
        std::string_view const value = word.substr(key.size() == word.size() ? key.size() : key.size() + 1);
        if (key == "weights" || key == "activations") {
            auto const type = any_qtype::from_name(value);
            if (!type) return error(errc::invalid_argument, "unknown qtype ", value);
            if (key == "activations" && type->bits() != 8)
                return error(errc::invalid_argument, "activations cannot be ", value);
            (key == "weights" ? record.weights : record.activations) = type;
        } else if (key == "group") {
            std::size_t n = 0;
            auto const [end, code] = std::from_chars(value.data(), value.data() + value.size(), n);
            if (code != std::errc{} || end != value.data() + value.size())
                return error(errc::malformed, word, " is no group size");
            record.group = n;
        } else if (word == "optimizer=hqq") {
            record.hqq = true;
        } else if (word == "input_scale=1" || word == "output_scale=1") {
            (word == "input_scale=1" ? record.input_seen : record.output_seen) = true;
        } else if (word == "scaling=row" || word == "scaling=tensor") {
            record.scaling = value == "row" ? nn::activation_scaling::per_row : nn::activation_scaling::per_tensor;
        } else if (word == "output=float") {
            record.quantize_output = false;
        } else if (word != "axis=0" && word != "packing=planar" && word != "output=quantized") {
            return error(errc::unsupported, word, " is unknown to this version");
        }
    }
    if (record.group.value_or(0) != 0 && record.weights && record.weights->bits() == 8)
        return error(errc::invalid_argument, record.weights->name(), " has no groups of ", *record.group);
    return record;
}

QUANTO_BODY result<std::optional<module_record>> record_of(io::SafetensorsFile const& file, std::string_view module) {
    std::optional<module_record> record;
    auto const* const text = file.metadata(std::string(module_key) + std::string(module));
    if (text == nullptr) return record;
    auto parsed = parse_module_record(*text);
    if (!parsed) return parsed.error().within(module);
    record = *parsed;
    return record;
}

QUANTO_BODY result<success> check_version(io::SafetensorsFile const& file) {
    auto const* const version = file.metadata(version_key);
    if (version == nullptr || *version == format_version) return success{};
    return error(errc::unsupported, io::tail(file.path()), ": format version ", *version);
}

QUANTO_BODY result<io::quantization_map> map_in(io::SafetensorsFile const& file) {
    if (file.metadata(version_key) == nullptr)
        return error(errc::missing, io::tail(file.path()), ": no quantization map, in it or beside it");
    io::quantization_map map;
    for (auto const& [key, text] : file.metadata()) {
        text_view const name = key;
        if (!name.starts_with(module_key)) continue;
        auto const record = parse_module_record(text);
        if (!record) return record.error().within(key).within(io::tail(file.path()));
        map.entries.push_back({name.substr(module_key.size()), record->weights, record->mapped_activations()});
    }
    return map;
}

}  // namespace quanto::inline v0::detail
