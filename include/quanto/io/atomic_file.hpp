// write_file_atomically = the new file, or the old one as it was; never half of one, not even after a power failure.
// The bytes go to a temporary file in the same directory, which is flushed to the disk and then renamed.
//
//     write_file_atomically("map.json", [&](FileSink& out) { return out.write(text); });
#pragma once

#include <cstddef>
#include <cstdio>

#include <quanto/core/function_ref.hpp>
#include <quanto/core/result.hpp>
#include <quanto/core/text.hpp>

namespace quanto::inline v0::io {

class FileSink {
public:
    // Precondition: the stream is open and outlives the sink.
    explicit FileSink(std::FILE* file) noexcept : file_(file) {}

    // False where the system takes no more bytes; there is no use in going on then.
    bool write(void const* data, std::size_t size) noexcept;
    bool write(text_view characters) noexcept;

private:
    std::FILE* file_;
};

// `write` puts the content into the sink and answers whether it could. Where it could not, or the system refuses
// anything, the error names the path, the temporary file is gone and the old file is what it was. An old file that is
// mapped stays readable; a symbolic link is replaced, not followed; permissions of the old file are kept.
result<success> write_file_atomically(text const& path, function_ref<bool(FileSink&)> write);

// The directory, made where it is missing; its parent must exist. Errors name the path: no parent, not a directory,
// what else the system says.
result<success> make_directory(text const& path);

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/atomic_file.inl>
#endif
