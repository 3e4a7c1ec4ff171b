// A folder in the system's temporary one, removed at the end.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

struct Directory {
    // Of this process alone: the cases run side by side.
    explicit Directory(std::string const& name)
        : path(std::filesystem::temp_directory_path() / (name + '-' + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path);
    }
    Directory(Directory const&) = delete;
    Directory& operator=(Directory const&) = delete;
    ~Directory() { std::filesystem::remove_all(path); }
    std::string operator/(std::string const& file) const { return (path / file).string(); }
    std::string string() const { return path.string(); }

    std::filesystem::path path;
};
