// state_reader takes tensors from a file under the keys of state_dict.hpp and checks each before it hands it out:
// presence, type, shape, scales. What it hands out shares the mapped file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quanto/io/system_error.hpp>
#include <quanto/workflow/module_record.hpp>
#include <quanto/workflow/prepare.hpp>

namespace quanto::inline v0 {

struct load_report {
    std::vector<std::string> missing;     // kept as they were (strict loading: an error)
    std::vector<std::string> unexpected;  // ignored (strict loading: an error)
    std::size_t bytes_mapped = 0;         // of tensors that share the file's memory
    prepare_report prepared{};
};

namespace detail {

class state_reader {
public:
    state_reader(io::SafetensorsFile const& file, bool strict) : strict_(strict), file_(file), used_(file.size()) {}

    // All of these: nothing where it is missing and that is not an error.
    result<std::optional<any_tensor>> float_tensor(std::string const& key, extents const& shape);

    result<std::optional<any_tensor>> tensor(std::string const& key, dtype type, extents const& shape);

    result<std::optional<any_qtensor>> quantized(std::string_view module, extents const& shape, any_qtype type,
                                                 std::size_t group);

    // The scale of activations; nothing also for 1, which means "not seen".
    result<std::optional<float>> activation_scale(std::string const& key);

    bool is_strict() const noexcept { return strict_; }
    bool contains(std::string_view key) const noexcept { return file_.find(key) != nullptr; }
    io::SafetensorsFile const& file() const noexcept { return file_; }
    std::string_view where() const noexcept { return io::tail(file_.path()); }

    // After everything was taken: what nobody asked for.
    result<load_report> finish() &&;

private:
    result<std::optional<any_tensor>> take(std::string const& key);
    result<std::optional<any_tensor>> part(std::string const& key, extents const& shape);
    // Other writers do not align: then, and only then, a copy.
    static result<std::optional<any_tensor>> aligned(any_tensor x);

    // A scale of 0, which Python writes, is legal where all codes stand for 0; float8 codes that are NaN stand for
    // that, too, and are not legal beside another scale.
    template <QType Q>
    static result<success> check_scales(qtensor_view<Q> const& q, std::string_view code_key, std::string_view scale_key,
                                        std::string_view shift_key);

    bool strict_;
    io::SafetensorsFile const& file_;
    std::vector<bool> used_;
    load_report report_;
};

}  // namespace detail
}  // namespace quanto::inline v0

#if QUANTO_HAS_BODIES
#include <quanto/workflow/state_reader.inl>
#endif
