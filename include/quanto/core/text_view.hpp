// text_view = characters that somebody else owns, like std::string_view, and converted to and from it without being
// asked; <string_view> costs each includer 0.1 s.
#pragma once

#include <concepts>
#include <cstddef>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

// What a text_view can be of: std::string, std::string_view, text and their like.
template <class S>
concept Characters = requires(S const& s) {
    { s.data() } -> std::convertible_to<char const*>;
    { s.size() } -> std::convertible_to<std::size_t>;
};

class text_view;
// What a text_view becomes: std::string_view and its like.
template <class V>
concept StringView = Characters<V> && !std::same_as<V, text_view> && requires(V v) {
    v.remove_prefix(v.size());
};

// std::ostream and its like.
template <class O>
concept OutputStream = requires(O& out, char const* data) {
    out.write(data, 0).flush();
};

class text_view {
public:
    static constexpr std::size_t npos = static_cast<std::size_t>(-1);

    constexpr text_view() noexcept = default;
    constexpr text_view(char const* data, std::size_t size) noexcept : data_(data), size_(size) {}
    constexpr text_view(char const* zero_terminated) noexcept : data_(zero_terminated) {
        while (data_[size_] != '\0') ++size_;
    }
    template <Characters S>
    constexpr text_view(S const& s) noexcept : text_view(s.data(), s.size()) {}

    template <StringView V>
    constexpr operator V() const noexcept {
        return V(data_, size_);
    }

    constexpr char const* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr char const* begin() const noexcept { return data_; }
    constexpr char const* end() const noexcept { return data_ + size_; }
    // Precondition: i < size().
    constexpr char operator[](std::size_t i) const noexcept { return data_[i]; }
    constexpr char front() const noexcept { return data_[0]; }
    constexpr char back() const noexcept { return data_[size_ - 1]; }

    // Precondition: from <= size(); n <= size().
    constexpr text_view substr(std::size_t from, std::size_t n = npos) const noexcept {
        return {data_ + from, n < size_ - from ? n : size_ - from};
    }
    constexpr void remove_prefix(std::size_t n) noexcept { *this = substr(n); }

    constexpr bool starts_with(text_view part) const noexcept {
        return size_ >= part.size_ && substr(0, part.size_) == part;
    }
    constexpr bool ends_with(text_view part) const noexcept {
        return size_ >= part.size_ && substr(size_ - part.size_) == part;
    }
    // Where the part is first found, or npos.
    constexpr std::size_t find(text_view part) const noexcept {
        for (std::size_t i = 0; i + part.size_ <= size_; ++i)
            if (substr(i).starts_with(part)) return i;
        return npos;
    }
    constexpr std::size_t find(char c) const noexcept { return find(text_view(&c, 1)); }

    friend constexpr bool operator==(text_view a, text_view b) noexcept {
        if (a.size_ != b.size_) return false;
        for (std::size_t i = 0; i != a.size_; ++i)
            if (a[i] != b[i]) return false;
        return true;
    }
    // Compares with what has an operator of its own for what converts to it.
    template <Characters S>
    requires(!std::same_as<S, text_view>) friend constexpr bool operator==(text_view a, S const& b) noexcept {
        return a == text_view(b);
    }
    template <Characters S>
    requires(!std::same_as<S, text_view>) friend constexpr bool operator<(text_view a, S const& b) noexcept {
        return a < text_view(b);
    }
    // In the order of the bytes, as unsigned numbers.
    friend constexpr bool operator<(text_view a, text_view b) noexcept {
        for (std::size_t i = 0; i != a.size_ && i != b.size_; ++i)
            if (a[i] != b[i]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[i]);
        return a.size_ < b.size_;
    }
    template <OutputStream O>
    friend O& operator<<(O& out, text_view t) {
        out.write(t.data_, static_cast<std::ptrdiff_t>(t.size_));
        return out;
    }

private:
    char const* data_ = nullptr;
    std::size_t size_ = 0;
};

// The digits of a number.
class digits_of {
public:
    constexpr explicit digits_of(std::size_t number) noexcept {
        do digits_[--start_] = static_cast<char>('0' + number % 10);
        while ((number /= 10) != 0);
    }
    constexpr char const* data() const noexcept { return digits_ + start_; }
    constexpr std::size_t size() const noexcept { return sizeof digits_ - start_; }

private:
    char digits_[20]{};
    std::size_t start_ = sizeof digits_;
};

}  // namespace quanto::inline v0
