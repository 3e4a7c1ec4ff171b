// quantization_map = what is quantized in a model, by module name, as Python quanto keeps it beside the weights:
//     {"fc1": {"weights": "qint4", "activations": "none"}, ...}
#pragma once

#include <optional>

#include <quanto/core/result.hpp>
#include <quanto/core/text.hpp>
#include <quanto/types/any_qtype.hpp>

namespace quanto::inline v0::io {

struct quantization_map {
    struct entry {
        text module;
        std::optional<any_qtype> weights, activations;
    };
    list<entry> entries;

    entry const* find(text_view module) const noexcept;
};

// `origin` names it in errors. Errors: malformed, or invalid_argument for a qtype that does not exist; both name
// the module.
result<quantization_map> parse_quantization_map(text_view json_text, text_view origin);

result<quantization_map> read_quantization_map(text const& path);

// The text of the file, four spaces to a level, as Python writes it.
text to_json(quantization_map const& map);

result<success> write_quantization_map(text const& path, quantization_map const& map);

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/quantization_map.inl>
#endif
