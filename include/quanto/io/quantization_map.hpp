// quantization_map = what is quantized in a model, by module name, as Python quanto keeps it beside the weights:
//     {"fc1": {"weights": "qint4", "activations": "none"}, ...}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <quanto/core/result.hpp>
#include <quanto/types/any_qtype.hpp>

namespace quanto::inline v0::io {

struct quantization_map {
    struct entry {
        std::string module;
        std::optional<any_qtype> weights, activations;
    };
    std::vector<entry> entries;

    entry const* find(std::string_view module) const noexcept;
};

// `origin` names the text in errors. Errors: malformed, or invalid_argument for a qtype that does not exist; both name
// the module.
result<quantization_map> parse_quantization_map(std::string_view text, std::string const& origin);

result<quantization_map> read_quantization_map(std::string const& path);

// The text of the file, four spaces to a level, as Python writes it.
std::string to_json(quantization_map const& map);

result<success> write_quantization_map(std::string const& path, quantization_map const& map);

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/quantization_map.inl>
#endif
