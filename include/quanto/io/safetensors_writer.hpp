// write_safetensors(path, tensors, metadata) writes a safetensors file as a whole or not at all (atomic_file.hpp).
// Tensors whose bytes are not in memory are made one at a time, when they are written.
//
// The same tensors give the same bytes: they are laid out by element size, the widest first, then 1-byte tensors whose
// size is a multiple of 16, then the others; by name within each. The header is padded to a multiple of 64 bytes, so
// that every tensor is aligned for its type, and int8 weights start at multiples of 16 where all before them allow it.
#pragma once

#include <optional>

#include <quanto/core/function_ref.hpp>
#include <quanto/io/safetensors.hpp>

namespace quanto::inline v0::io {

// make(i) gives the bytes of tensors[i], which has a type and a shape only; it is asked once for each such tensor, in
// the order of the file. Errors: invalid_argument (a name twice or not UTF-8, "__metadata__", a tensor without its
// bytes), and those of make and write_file_atomically.
using tensor_maker = function_ref<result<storage>(std::size_t)>;
result<success> write_safetensors(text const& path, list_view<SafetensorsFile::entry> tensors,
                                  list_view<metadata_entry> metadata = {},
                                  std::optional<tensor_maker> make = std::nullopt);

}  // namespace quanto::inline v0::io

#if QUANTO_HAS_BODIES
#include <quanto/io/safetensors_writer.inl>
#endif
