// MappedFile::open(path) = the bytes of a file, without reading them: pages come in when they are touched, and are
// shared by all processes. The storage and its copies keep the mapping alive. Where there is no mmap (or under
// QUANTO_NO_MMAP) the file is read into memory instead.
#pragma once

#include <quanto/core/text.hpp>
#include <quanto/tensor/storage.hpp>

namespace quanto::inline v0::io {

struct MappedFile {
    // All bytes of a regular file. Errors: the file is missing, not regular (directory, pipe, device), empty, or the
    // system refuses. Precondition, for as long as the storage lives: nobody truncates the file (replacing it is fine).
    static result<storage> open(text const& path);
};

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/mapped_file.inl>
#endif
