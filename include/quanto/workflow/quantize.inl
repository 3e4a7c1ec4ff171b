// The bodies of quantize.hpp.
#pragma once

namespace quanto::inline v0 {

namespace detail {
QUANTO_BODY bool selects(quantize_options const& options, std::string_view name) noexcept {
    auto const any = [&](std::vector<std::string_view> const& patterns) {
        for (auto p : patterns)
            if (matches(name, p)) return true;
        return false;
    };
    return any(options.include) && !any(options.exclude);
}

QUANTO_BODY nn::weight_scheme scheme_for(any_qtype type, extents const& shape, std::optional<std::size_t> group,
                                         bool hqq) noexcept {
    if (type.bits() == 8) return {type};
    return {type, group ? *group : module_group_size(shape), hqq};
}

}  // namespace detail

}  // namespace quanto::inline v0
