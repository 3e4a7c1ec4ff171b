// save(model, directory) writes model.safetensors and quantization_map.json into a directory, which it makes where it is
// missing (not its parents). The first is self-describing (its metadata say what the second does, and more); Python
// quanto reads both. Each file is replaced as a whole or not at all, the tensors first.
#pragma once

#include <string>

#include <quanto/io/atomic_file.hpp>
#include <quanto/io/safetensors_writer.hpp>
#include <quanto/workflow/state_dict.hpp>

namespace quanto::inline v0 {

// A model that is not frozen is saved with its float masters. Weights that released their portable form are restored
// one at a time. Errors: those of state_dict and of the system.
template <nn::ModuleTree M>
result<success> save(M const& model, std::string const& directory) {
    if (directory.empty()) return error(errc::missing, "save: the name of the directory is empty");
    detail::state_writer state(true);
    if (auto done = detail::collect_state(model, state); !done) return done;
    if (auto done = io::make_directory(directory); !done) return done;
    auto const restore = [&](std::size_t tensor) { return state.bytes_of(tensor); };
    auto written = io::write_safetensors(directory + "/model.safetensors", state.tensors, metadata_of(model), restore);
    if (!written) return written;
    return io::write_quantization_map(directory + "/quantization_map.json", quantization_map_of(model));
}

}  // namespace quanto::inline v0
