// JsonReader walks a JSON text that nobody vouches for: one pass, no allocation of its own, no recursion. The caller
// pulls what it expects; the first thing that is not there stops the reader, every later call answers false, and
// error() tells the byte. So a walk needs one check, at its end:
//
//     JsonReader json(R"({"a": "x", "b": "y"})");
//     text key, value;
//     for (json.enter_object(); json.next_key(key);)
//         if (json.read_string(value)) use(key, value);
//     if (!json.finish()) return json.error();
//
// Strict: RFC 8259 to the letter, UTF-8 without overlong forms, surrogates or byte order mark, depth of at most 64.
// Repeated keys are the caller's to notice. json_string is the way back.
#pragma once

#include <cstddef>

#include <quanto/core/result.hpp>
#include <quanto/core/text.hpp>

namespace quanto::inline v0::io {

// Bytes of the UTF-8 character at the start of `text`, or 0 where there is none. Precondition: text is not empty.
constexpr std::size_t utf8_length(text_view text) noexcept {
    auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    unsigned const lead = byte(0), second = byte(1);
    if (lead < 0x80) return 1;
    std::size_t const n = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    for (std::size_t i = 1; i < n; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    bool const overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    bool const beyond = (lead == 0xed && second >= 0xa0) || (lead == 0xf4 && second >= 0x90);
    return overlong || beyond ? 0 : n;
}

constexpr bool is_utf8(text_view text) noexcept {
    while (!text.empty()) {
        std::size_t const n = utf8_length(text);
        if (n == 0) return false;
        text.remove_prefix(n);
    }
    return true;
}

class JsonReader {
public:
    static constexpr std::size_t max_depth = 64;

    // Precondition: the text outlives the reader.
    explicit JsonReader(text_view text) noexcept : text_(text) {}

    // Steps into the object (array) that comes next; then next_key (next_element) until it answers false.
    bool enter_object() noexcept { return enter('{', "an object is expected"); }
    bool enter_array() noexcept { return enter('[', "an array is expected"); }

    // True: the next member's key, its value must be read or skipped now. False: the object has ended, or an error.
    bool next_key(text& key) { return next_key(&key); }
    bool next_element() noexcept { return next(']', "a comma or ']' is expected"); }

    // The next value, unescaped; it must be a string (a whole number without sign, fraction and exponent that fits).
    bool read_string(text& value) { return string(&value); }
    bool read_unsigned(std::size_t& value) noexcept;

    // Passes over the next value, whatever it is.
    bool skip();

    // Nothing but white space is left. Precondition: every container that was entered has ended.
    bool finish() noexcept {
        peek();
        return pos_ == text_.size() && ok() ? true : fail("text after the end");
    }

    bool ok() const noexcept { return problem_ == nullptr; }
    std::size_t position() const noexcept { return pos_; }

    // Precondition: !ok().
    quanto::error error() const noexcept {
        QUANTO_ASSERT(!ok(), "JsonReader: no error");
        return quanto::error(too_deep_ ? errc::unsupported : errc::malformed, "byte ", pos_, ": ", problem_);
    }

private:
    static constexpr bool is_digit(char c) noexcept { return '0' <= c && c <= '9'; }

    bool fail(char const* problem) noexcept {
        if (ok()) problem_ = problem;
        return false;
    }

    // The character here; 0 at the end of the text.
    char at() const noexcept { return pos_ < text_.size() ? text_[pos_] : '\0'; }

    // The next character that is not white space; 0 at the end of the text and after an error.
    char peek() noexcept {
        if (!ok()) return '\0';
        while (at() == ' ' || at() == '\n' || at() == '\r' || at() == '\t') ++pos_;
        return at();
    }

    bool take(char c, char const* problem) noexcept {
        if (peek() != c) return fail(problem);
        ++pos_;
        return true;
    }

    bool enter(char open, char const* problem) noexcept {
        if (peek() == open && depth_ == max_depth) return too_deep_ = true, fail("nested more than 64 deep");
        if (!take(open, problem)) return false;
        ++depth_;
        return first_ = true;
    }

    bool next(char close, char const* problem) noexcept {
        bool const first = first_;
        first_ = false;
        if (peek() == close) {
            ++pos_, --depth_;
            return false;
        }
        return first ? ok() : take(',', problem);
    }

    bool next_key(text* key) {
        return next('}', "a comma or '}' is expected") && string(key) && take(':', "a colon is expected");
    }

    bool string(text* out);

    bool escape(text* out);

    // The "u1f3a" of an escape.
    bool unit(std::uint32_t& value) noexcept;

    bool digits() noexcept;

    bool number() noexcept;

    bool word() noexcept;

    text_view text_;
    std::size_t pos_ = 0, depth_ = 0;
    char const* problem_ = nullptr;
    bool too_deep_ = false;
    bool first_ = false;  // no member of the innermost container has been read yet
};

// As a JSON string, quotes included. Precondition: is_utf8(characters).
text json_string(text_view characters);

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/json.inl>
#endif
