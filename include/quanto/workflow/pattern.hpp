// matches(name, pattern): shell patterns over a whole name, as Python's fnmatch.fnmatchcase reads them.
//     *  any text, dots included     ?  one character     [abc] [a-z]  one of these     [!abc]  one of the others
// A bracket that is never closed stands for itself.
#pragma once

#include <cstddef>
#include <string_view>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

namespace detail {
// The length of the set at the start of p, brackets included; 0 if it is not one.
constexpr std::size_t set_length(std::string_view p) noexcept {
    std::size_t i = 1;
    if (i < p.size() && p[i] == '!') ++i;
    if (i < p.size() && p[i] == ']') ++i;
    while (i < p.size() && p[i] != ']') ++i;
    return i < p.size() ? i + 1 : 0;
}
constexpr bool in_set(char c, std::string_view set) noexcept {
    std::string_view inside = set.substr(1, set.size() - 2);
    bool const negated = inside.front() == '!';
    if (negated) inside.remove_prefix(1);
    bool found = false;
    for (std::size_t i = 0; i < inside.size(); ++i) {
        if (i + 2 < inside.size() && inside[i + 1] == '-') {
            found = found || (inside[i] <= c && c <= inside[i + 2]);
            i += 2;
        } else {
            found = found || inside[i] == c;
        }
    }
    return found != negated;
}
}  // namespace detail

// Cost: O(name * pattern).
constexpr bool matches(std::string_view name, std::string_view pattern) noexcept {
    std::size_t n = 0, p = 0, star = std::string_view::npos, resume = 0;
    while (n < name.size() || p < pattern.size()) {
        if (p < pattern.size()) {
            char const c = pattern[p];
            if (c == '*') {
                star = ++p;
                resume = n;
                continue;
            }
            std::size_t const set = c == '[' ? detail::set_length(pattern.substr(p)) : 0;
            if (n < name.size() &&
                (set != 0 ? detail::in_set(name[n], pattern.substr(p, set)) : c == '?' || c == name[n])) {
                p += set != 0 ? set : 1;
                ++n;
                continue;
            }
        }
        if (star == std::string_view::npos || resume >= name.size()) return false;
        n = ++resume;
        p = star;
    }
    return true;
}

}  // namespace quanto::inline v0
