// The bodies of mapped_file.hpp.
#pragma once

#include <cstdio>
#include <new>

#include <quanto/io/system_error.hpp>

#if !defined(QUANTO_NO_MMAP) && !(defined(__unix__) || defined(__APPLE__))
#define QUANTO_NO_MMAP
#endif
#if !defined(QUANTO_NO_MMAP)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace quanto::inline v0::io {

#if !defined(QUANTO_NO_MMAP)

namespace detail {

// Owns a mapping.
class file_mapping : shared_owner {
public:
    static result<storage> map(int file, text const& path) {
        struct stat info {};
        if (::fstat(file, &info) != 0) return system_error(path, "cannot inspect");
        if (!S_ISREG(info.st_mode))
            return error(errc::io, tail(path), S_ISDIR(info.st_mode) ? ": a directory" : ": not a regular file");
        if (info.st_size == 0) return error(errc::malformed, tail(path), ": the file is empty");
        auto const size = static_cast<std::size_t>(info.st_size);
        if (static_cast<off_t>(size) != info.st_size)
            return error(errc::unsupported, tail(path), ": larger than the address space");
        void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED) return system_error(path, "cannot map");
        auto* const owner = new (std::nothrow) file_mapping(data, size);
        if (owner == nullptr) {
            ::munmap(data, size);
            return error(errc::out_of_memory, tail(path), ": no memory to map it");
        }
        storage bytes = storage::share(*owner, data, size);
        owner->release();
        return bytes;
    }

private:
    file_mapping(void* data, std::size_t size) noexcept : shared_owner{unmap}, data_(data), size_(size) {}

    static void unmap(shared_owner* owner) noexcept {
        auto* const self = static_cast<file_mapping*>(owner);
        ::munmap(self->data_, self->size_);
        delete self;
    }

    void* data_;
    std::size_t size_;
};

}  // namespace detail

QUANTO_BODY result<storage> MappedFile::open(text const& path) {
    int const file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block
    if (file < 0) return system_error(path, "cannot open");
    auto mapped = detail::file_mapping::map(file, path);
    ::close(file);
    return mapped;
}

#else

namespace detail {
inline result<storage> read_file(std::FILE* file, text const& path) {
    if (std::fseek(file, 0, SEEK_END) != 0) return system_error(path, "cannot seek");
    long const end = std::ftell(file);
    if (end < 0 || std::fseek(file, 0, SEEK_SET) != 0) return system_error(path, "cannot seek");
    if (end == 0) return error(errc::malformed, tail(path), ": the file is empty");
    auto bytes = storage::allocate_for_overwrite(static_cast<std::size_t>(end));
    if (!bytes) return bytes.error().within(tail(path));
    if (std::fread(bytes->mutable_data(), 1, bytes->size(), file) != bytes->size())
        return system_error(path, "cannot read");
    return bytes;
}
}  // namespace detail

QUANTO_BODY result<storage> MappedFile::open(text const& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return system_error(path, "cannot open");
    auto bytes = detail::read_file(file, path);
    std::fclose(file);
    return bytes;
}

#endif

}  // namespace quanto::inline v0::io
