// module_record = how a file says that a module is quantized: what the map says of it, and what the metadata of our own
// files add (state_dict.hpp).
#pragma once

#include <optional>
#include <string_view>

#include <quanto/workflow/state_dict.hpp>

namespace quanto::inline v0::detail {

struct module_record {
    std::optional<any_qtype> weights{}, activations{};
    std::optional<std::size_t> group{};  // nothing: as Python, module_group_size
    bool hqq = false, quantize_output = true;
    bool input_seen = false, output_seen = false;  // although its scale is 1
    nn::activation_scaling scaling = nn::activation_scaling::calibrated;

    // What the map says: dynamic activations are ours alone.
    std::optional<any_qtype> mapped_activations() const noexcept {
        return scaling == nn::activation_scaling::calibrated ? activations : std::nullopt;
    }
};

// Errors: malformed, invalid_argument, unsupported; they quote the text at fault.
result<module_record> parse_module_record(std::string_view text);

// What the file itself says of a module; nothing if it does not.
result<std::optional<module_record>> record_of(io::SafetensorsFile const& file, std::string_view module);

// A file of another version of our format is not read; a file of Python quanto has none.
result<success> check_version(io::SafetensorsFile const& file);

// The map that our own files carry in their metadata. Errors: missing, where a file is not ours; those of the records.
result<io::quantization_map> map_in(io::SafetensorsFile const& file);

}  // namespace quanto::inline v0::detail

#if QUANTO_HAS_BODIES
#include <quanto/workflow/module_record.inl>
#endif
