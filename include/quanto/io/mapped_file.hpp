// MappedFile::open(path) = the bytes of a file, without reading them: pages come in when they are touched, and are
// shared by all processes. The storage and its copies keep the mapping alive. Where there is no mmap (or under
// QUANTO_NO_MMAP) the file is read into memory instead.
#pragma once

#include <cstdio>
#include <new>
#include <string>

#include <quanto/io/system_error.hpp>
#include <quanto/tensor/storage.hpp>

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

class MappedFile : shared_owner {
public:
    // All bytes of a regular file. Errors: the file is missing, not regular (directory, pipe, device), empty, or the
    // system refuses. Precondition, for as long as the storage lives: nobody truncates the file (replacing it is fine).
    static result<storage> open(std::string const& path) {
        int const file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block
        if (file < 0) return system_error(path, "cannot open");
        auto mapped = map(file, path);
        ::close(file);
        return mapped;
    }

private:
    MappedFile(void* data, std::size_t size) noexcept : shared_owner{unmap}, data_(data), size_(size) {}

    static result<storage> map(int file, std::string const& path) {
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
        auto* const owner = new (std::nothrow) MappedFile(data, size);
        if (owner == nullptr) {
            ::munmap(data, size);
            return error(errc::out_of_memory, tail(path), ": no memory to map it");
        }
        storage bytes = storage::share(*owner, data, size);
        owner->release();
        return bytes;
    }

    static void unmap(shared_owner* owner) noexcept {
        auto* const self = static_cast<MappedFile*>(owner);
        ::munmap(self->data_, self->size_);
        delete self;
    }

    void* data_;
    std::size_t size_;
};

#else

class MappedFile {
public:
    static result<storage> open(std::string const& path) {
        std::FILE* const file = std::fopen(path.c_str(), "rb");
        if (file == nullptr) return system_error(path, "cannot open");
        auto bytes = read(file, path);
        std::fclose(file);
        return bytes;
    }

private:
    static result<storage> read(std::FILE* file, std::string const& path) {
        if (std::fseek(file, 0, SEEK_END) != 0) return system_error(path, "cannot seek");
        long const end = std::ftell(file);
        if (end < 0 || std::fseek(file, 0, SEEK_SET) != 0) return system_error(path, "cannot seek");
        if (end == 0) return error(errc::malformed, tail(path), ": the file is empty");
        auto bytes = storage::allocate(static_cast<std::size_t>(end));
        if (!bytes) return bytes.error().within(tail(path));
        if (std::fread(bytes->mutable_data(), 1, bytes->size(), file) != bytes->size())
            return system_error(path, "cannot read");
        return bytes;
    }
};

#endif

}  // namespace quanto::inline v0::io
