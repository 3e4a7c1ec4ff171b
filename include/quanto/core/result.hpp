// result<T> = a T, or an error that says what is wrong and where. No exception, no allocation: the text lives in the
// error itself and is cut, with an ellipsis, at 255 bytes.
//
//     if (auto model = load(...); !model) std::puts(model.error().c_str());
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include <quanto/core/assert.hpp>
#include <quanto/core/config.hpp>
#include <quanto/core/text_view.hpp>

namespace quanto::inline v0 {

enum class errc : std::uint8_t {
    invalid_argument,  // a value that no caller may pass: an unknown qtype name, a group of 0
    shape_mismatch,    // operands or file and model disagree on a shape
    type_mismatch,     // the same for element types
    not_finite,        // NaN or infinity where a finite value is needed
    missing,           // a tensor, key or file that must be there
    unexpected,        // a tensor or key that nobody asked for
    malformed,         // bytes that do not follow their format
    io,                // the operating system refused
    out_of_memory,
    unsupported,  // well formed, but beyond this library or this target
};

constexpr text_view name(errc code) noexcept {
    switch (code) {
        case errc::invalid_argument:
            return "invalid argument";
        case errc::shape_mismatch:
            return "shape mismatch";
        case errc::type_mismatch:
            return "type mismatch";
        case errc::not_finite:
            return "not finite";
        case errc::missing:
            return "missing";
        case errc::unexpected:
            return "unexpected";
        case errc::malformed:
            return "malformed";
        case errc::io:
            return "i/o";
        case errc::out_of_memory:
            return "out of memory";
        case errc::unsupported:
            return "unsupported";
    }
    return "unknown";
}

class error {
public:
    static constexpr std::size_t capacity = 255;

    // error(errc::missing, "tensor '", key, "' is not in ", path): strings and unsigned integers, one after the other.
    template <class... Parts>
    constexpr explicit error(errc code, Parts const&... parts) noexcept : code_(code) {
        (append(parts), ...);
    }

    constexpr errc code() const noexcept { return code_; }
    constexpr text_view message() const noexcept { return {text_, size_}; }
    constexpr char const* c_str() const noexcept { return text_; }

    constexpr error& append(text_view part) noexcept {
        for (char c : part) {
            if (size_ == capacity) {
                text_[capacity - 3] = text_[capacity - 2] = text_[capacity - 1] = '.';
                break;
            }
            text_[size_++] = c;
        }
        text_[size_] = '\0';
        return *this;
    }

    constexpr error& append(std::size_t number) noexcept { return append(digits_of(number)); }

    // The same error seen from further out: error(..).within("fc1") reads "fc1: ...". Of a long name only the start is
    // kept, so that it does not hide what is wrong.
    constexpr error within(text_view where) const noexcept {
        constexpr std::size_t most = 120;
        return error(code_, where.substr(0, most), where.size() > most ? "...: " : ": ", message());
    }

private:
    errc code_;
    std::uint8_t size_ = 0;
    char text_[capacity + 1]{};
};

struct success {};  // result<success>: done, or an error

template <class T>
class [[nodiscard]] result {
public:
    result(T value) noexcept : value_(std::move(value)), ok_(true) {}
    result(quanto::error e) noexcept : error_(e), ok_(false) {}

    result(result&& other) noexcept : ok_(other.ok_) { take(std::move(other)); }
    result(result const& other) : ok_(other.ok_) { take(other); }
    result& operator=(result other) noexcept {
        destroy();
        ok_ = other.ok_;
        take(std::move(other));
        return *this;
    }
    ~result() { destroy(); }

    explicit operator bool() const noexcept { return ok_; }

    // Precondition of these: *this holds a value.
    T& operator*() & noexcept { return QUANTO_ASSERT(ok_, "result: no value"), value_; }
    T const& operator*() const& noexcept { return QUANTO_ASSERT(ok_, "result: no value"), value_; }
    T&& operator*() && noexcept { return QUANTO_ASSERT(ok_, "result: no value"), std::move(value_); }
    T* operator->() noexcept { return &**this; }
    T const* operator->() const noexcept { return &**this; }

    // Precondition: *this holds an error.
    quanto::error const& error() const noexcept { return QUANTO_ASSERT(!ok_, "result: no error"), error_; }

private:
    template <class R>
    void take(R&& other) {
        if (ok_)
            ::new (static_cast<void*>(&value_)) T(std::forward<R>(other).value_);
        else
            ::new (static_cast<void*>(&error_)) quanto::error(other.error_);
    }
    void destroy() noexcept {
        if (ok_) value_.~T();
    }

    union {
        T value_;
        quanto::error error_;
    };
    bool ok_;
};

}  // namespace quanto::inline v0
