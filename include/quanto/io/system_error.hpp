// What the operating system says, as an error: "models/a.safetensors: cannot open: No such file or directory".
#pragma once

#include <cerrno>
#include <cstring>

#include <quanto/core/result.hpp>

namespace quanto::inline v0::io {

// The end of a path: enough to recognize it, short enough to leave room for what is wrong.
constexpr text_view tail(text_view path) noexcept {
    constexpr std::size_t most = 120;
    return path.size() <= most ? path : path.substr(path.size() - most);
}

// errno, in words; errc::missing where the file does not exist.
inline error system_error(text_view path, text_view failed, int code = errno) noexcept {
    return error(code == ENOENT ? errc::missing : errc::io, tail(path), ": ", failed, ": ", std::strerror(code));
}

}  // namespace quanto::inline v0::io
