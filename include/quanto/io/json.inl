// The bodies of json.hpp.
#pragma once

#include <cstdint>
#include <limits>

namespace quanto::inline v0::io {

QUANTO_BODY bool JsonReader::read_unsigned(std::size_t& value) noexcept {
    if (!is_digit(peek())) return fail("an unsigned integer is expected");
    std::size_t const start = pos_;
    constexpr std::size_t max = std::numeric_limits<std::size_t>::max();
    for (value = 0; is_digit(at()); ++pos_) {
        auto const digit = static_cast<std::size_t>(at() - '0');
        if (pos_ != start && value == 0) return fail("a number starts with a superfluous zero");
        if (value > (max - digit) / 10) return fail("the integer is too large");
        value = value * 10 + digit;
    }
    return at() == '.' || at() == 'e' || at() == 'E' ? fail("an unsigned integer is expected") : true;
}

QUANTO_BODY bool JsonReader::skip() {
    std::size_t const outside = depth_;
    std::uint64_t objects = 0;  // bit i: the i-th innermost open container is an object
    do {
        char const c = peek();
        if (c == '{' || c == '[') {
            if (!(c == '{' ? enter_object() : enter_array())) return false;
            objects = objects << 1 | (c == '{');
        } else if (!(c == '"' ? string(nullptr) : c == '-' || is_digit(c) ? number() : word())) {
            return false;
        }
        while (depth_ != outside && !((objects & 1) != 0 ? next_key(nullptr) : next_element())) {
            if (!ok()) return false;
            objects >>= 1;
        }
    } while (depth_ != outside);
    return true;
}

QUANTO_BODY bool JsonReader::string(text* out) {
    if (!take('"', "a string is expected")) return false;
    if (out != nullptr) out->clear();
    for (;;) {
        std::size_t const run = pos_;
        for (unsigned char c; (c = static_cast<unsigned char>(at())) >= 0x20 && c != '"' && c != '\\';) {
            std::size_t const n = utf8_length(text_.substr(pos_));
            if (n == 0) return fail("not UTF-8");
            pos_ += n;
        }
        if (out != nullptr) *out += text_.substr(run, pos_ - run);
        if (pos_ == text_.size()) return fail("the string does not end");
        if (at() == '"') return ++pos_, true;
        if (at() != '\\') return fail("a control character in a string");
        if (!escape(out)) return false;
    }
}

QUANTO_BODY bool JsonReader::escape(text* out) {
    constexpr text_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    ++pos_;
    if (std::size_t const i = letters.find(at()); i != text_view::npos) {
        if (out != nullptr) *out += meanings[i];
        return ++pos_, true;
    }
    std::uint32_t code = 0, low = 0;
    if (!unit(code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return fail("a lone surrogate");
    if (code >= 0xd800 && code < 0xdc00) {
        if (at() != '\\') return fail("a lone surrogate");
        ++pos_;
        if (!unit(low)) return false;
        if (low < 0xdc00 || low >= 0xe000) return fail("a lone surrogate");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (out == nullptr) return true;
    auto const put = [&](std::uint32_t byte) { *out += static_cast<char>(byte); };
    auto const tail = [&](int shift) { put(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) return put(code), true;
    if (code < 0x800) return put(0xc0 | code >> 6), tail(0), true;
    if (code < 0x10000) return put(0xe0 | code >> 12), tail(6), tail(0), true;
    return put(0xf0 | code >> 18), tail(12), tail(6), tail(0), true;
}

QUANTO_BODY bool JsonReader::unit(std::uint32_t& value) noexcept {
    if (at() != 'u') return fail("an unknown escape");
    for (int i = 0; i != 4; ++i) {
        ++pos_;
        char const c = at(), lower = static_cast<char>(c | 0x20);
        bool const letter = 'a' <= lower && lower <= 'f';
        if (!is_digit(c) && !letter) return fail("four hexadecimal digits are expected");
        value = value << 4 | static_cast<std::uint32_t>(letter ? lower - 'a' + 10 : c - '0');
    }
    return ++pos_, true;
}

QUANTO_BODY bool JsonReader::digits() noexcept {
    if (!is_digit(at())) return fail("a digit is expected");
    while (is_digit(at())) ++pos_;
    return true;
}

QUANTO_BODY bool JsonReader::number() noexcept {
    if (at() == '-') ++pos_;
    if (at() == '0')
        ++pos_;
    else if (!digits())
        return false;
    if (is_digit(at())) return fail("a number starts with a superfluous zero");
    if (at() == '.' && (++pos_, !digits())) return false;
    if (at() != 'e' && at() != 'E') return true;
    ++pos_;
    if (at() == '+' || at() == '-') ++pos_;
    return digits();
}

QUANTO_BODY bool JsonReader::word() noexcept {
    for (text_view w : {"true", "false", "null"})
        if (ok() && text_.substr(pos_).starts_with(w)) return pos_ += w.size(), true;
    return fail("a value is expected");
}

QUANTO_BODY text json_string(text_view characters) {
    constexpr text_view hex = "0123456789abcdef", special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    text out = "\"";
    for (char c : characters) {
        auto const byte = static_cast<unsigned char>(c);
        if (std::size_t const i = special.find(c); i != text_view::npos)
            (out += '\\') += letters[i];
        else if (byte < 0x20)
            ((out += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
        else
            out += c;
    }
    return out += '"';
}

}  // namespace quanto::inline v0::io
