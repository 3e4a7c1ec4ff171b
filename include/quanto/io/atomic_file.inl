// The bodies of atomic_file.hpp.
#pragma once

#include <cerrno>

#include <quanto/io/system_error.hpp>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <filesystem>
#endif

namespace quanto::inline v0::io {

QUANTO_BODY bool FileSink::write(void const* data, std::size_t size) noexcept {
    return size == 0 || std::fwrite(data, 1, size, file_) == size;
}

QUANTO_BODY bool FileSink::write(text_view characters) noexcept { return write(characters.data(), characters.size()); }

namespace detail {
// False: see errno.
inline bool write_and_sync(std::FILE* file, function_ref<bool(FileSink&)> write) {
    FileSink sink(file);
    errno = 0;
    if (!write(sink) || std::fflush(file) != 0) return false;
#if defined(__unix__) || defined(__APPLE__)
    return ::fsync(::fileno(file)) == 0;
#else
    return true;
#endif
}

// A new file next to `path`, whose name comes back in `temporary`; nullptr: see errno.
inline std::FILE* create_beside(text const& path, text& temporary) {
    for (std::size_t i = 0; i != 1000; ++i) {
        ((temporary = path) += ".tmp") += digits_of(i);
        std::FILE* const file = std::fopen(temporary.c_str(), "wbx");
        if (file != nullptr || errno != EEXIST) return file;
    }
    return nullptr;
}

inline bool replace(text const& temporary, text const& path) {
#if defined(__unix__) || defined(__APPLE__)
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return false;
    // The new name reaches the disk with its directory. Some file systems refuse that: then it is as safe as they are.
    std::size_t n = path.size();
    while (n != 0 && path.data()[n - 1] != '/') --n;
    text const directory = n == 0 ? "." : text_view(path).substr(0, n);
    if (int const handle = ::open(directory.c_str(), O_RDONLY | O_CLOEXEC); handle >= 0) {
        ::fsync(handle);
        ::close(handle);
    }
    return true;
#else
    std::remove(path.c_str());  // rename refuses an existing target here: for an instant there is no file
    return std::rename(temporary.c_str(), path.c_str()) == 0;
#endif
}

}  // namespace detail

QUANTO_BODY result<success> write_file_atomically(text const& path, function_ref<bool(FileSink&)> write) {
#if defined(__unix__) || defined(__APPLE__)
    struct stat old {};
    bool const exists = ::stat(path.c_str(), &old) == 0;
    if (exists && !S_ISREG(old.st_mode)) return error(errc::io, tail(path), ": cannot write: not a regular file");
#endif
    text temporary;
    std::FILE* const file = detail::create_beside(path, temporary);
    if (file == nullptr) return system_error(path, "cannot create a file beside it");
    bool written = detail::write_and_sync(file, write);
#if defined(__unix__) || defined(__APPLE__)
    if (written && exists) written = ::fchmod(::fileno(file), old.st_mode & 07777) == 0;
#endif
    int code = errno;
    if (std::fclose(file) != 0 && written) written = false, code = errno;
    if (written && detail::replace(temporary, path)) return success{};
    if (written) code = errno;
    std::remove(temporary.c_str());
    if (code == 0) return error(errc::io, tail(path), ": cannot write: given up by the writer");
    return system_error(path, "cannot write", code);
}

QUANTO_BODY result<success> make_directory(text const& path) {
#if defined(__unix__) || defined(__APPLE__)
    if (::mkdir(path.c_str(), 0777) == 0) return success{};
    struct stat there {};
    int const code = errno;
    if (code == EEXIST && ::stat(path.c_str(), &there) == 0 && S_ISDIR(there.st_mode)) return success{};
    return system_error(path, "cannot make the directory", code == EEXIST ? ENOTDIR : code);
#else
    std::error_code problem, ignored;
    if (std::filesystem::create_directory(path, problem) || std::filesystem::is_directory(path, ignored))
        return success{};
    return system_error(path, "cannot make the directory", problem ? problem.value() : ENOTDIR);
#endif
}

}  // namespace quanto::inline v0::io
