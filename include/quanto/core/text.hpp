// text = characters of its own, like std::string, which it is made from and converts to; <string> costs each includer
// 0.2 s.
#pragma once

#include <quanto/core/list.hpp>
#include <quanto/core/text_view.hpp>

namespace quanto::inline v0 {

class text {
public:
    text() noexcept = default;
    text(char const* zero_terminated) : text(text_view(zero_terminated)) {}
    template <Characters S>
    text(S const& s) {
        *this += text_view(s);
    }

    template <StringView V>
    operator V() const noexcept {
        return V(data(), size());
    }

    char const* data() const noexcept { return c_str(); }
    char const* c_str() const noexcept { return characters_.empty() ? "" : characters_.data(); }
    std::size_t size() const noexcept { return characters_.empty() ? 0 : characters_.size() - 1; }
    bool empty() const noexcept { return size() == 0; }
    char const* begin() const noexcept { return data(); }
    char const* end() const noexcept { return data() + size(); }
    // Precondition: not empty.
    char back() const noexcept { return data()[size() - 1]; }

    text_view substr(std::size_t from, std::size_t n = text_view::npos) const noexcept {
        return text_view(*this).substr(from, n);
    }
    bool starts_with(text_view part) const noexcept { return text_view(*this).starts_with(part); }
    bool ends_with(text_view part) const noexcept { return text_view(*this).ends_with(part); }
    std::size_t find(text_view part) const noexcept { return text_view(*this).find(part); }

    void clear() noexcept { characters_.clear(); }
    // Precondition: what is appended is not a part of this text.
    text& operator+=(text_view more) {
        if (!characters_.empty()) characters_.pop_back();
        for (char c : more) characters_.push_back(c);
        characters_.push_back('\0');
        return *this;
    }
    text& operator+=(char c) { return *this += text_view(&c, 1); }

    template <Characters S>
    friend bool operator==(text const& a, S const& b) noexcept {
        return text_view(a) == text_view(b);
    }
    friend bool operator==(text const& a, char const* b) noexcept { return text_view(a) == b; }
    template <Characters S>
    friend bool operator<(text const& a, S const& b) noexcept {
        return text_view(a) < text_view(b);
    }
    friend bool operator<(text const& a, char const* b) noexcept { return text_view(a) < b; }
    template <OutputStream O>
    friend O& operator<<(O& out, text const& t) {
        return out << text_view(t);
    }

private:
    list<char> characters_;  // and '\0', unless there are none
};

}  // namespace quanto::inline v0
