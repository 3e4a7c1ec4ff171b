// While a calibration runs: which module's quantized output an activation is, and who reads it quantized. The log is
// counted, so that an activation may outlive its calibration.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <quanto/core/reference_count.hpp>

namespace quanto::inline v0::nn {

struct reader_log {
    static constexpr std::size_t none = static_cast<std::size_t>(-1), unnamed = none - 1;

    explicit reader_log(std::size_t modules) : readers(modules, none) {}

    std::vector<std::size_t>
        readers;  // the first that read a module's output quantized: a module of this log, or unnamed
    reference_count owners{};
};

class activation_source {
public:
    activation_source() noexcept {}
    // Takes over one count of the log.
    activation_source(reader_log* log, std::size_t module) noexcept : log_(log), module_(module) {}
    activation_source(activation_source const& other) noexcept : log_(other.log_), module_(other.module_) {
        if (log_ != nullptr) log_->owners.retain();
    }
    activation_source(activation_source&& other) noexcept { swap(other); }
    activation_source& operator=(activation_source other) noexcept {
        swap(other);
        return *this;
    }
    ~activation_source() {
        if (log_ != nullptr && log_->owners.release()) delete log_;
    }

    // Somebody reads it quantized: an operation, or the module whose output is `reader`.
    void read_by() const noexcept { note(reader_log::unnamed); }
    void read_by(activation_source const& reader) const noexcept {
        note(reader.log_ == log_ ? reader.module_ : reader_log::unnamed);
    }
    friend bool operator==(activation_source const& a, activation_source const& b) noexcept {
        return a.log_ == b.log_ && a.module_ == b.module_;
    }

private:
    void note(std::size_t reader) const noexcept {
        if (log_ != nullptr && log_->readers[module_] == reader_log::none) log_->readers[module_] = reader;
    }
    void swap(activation_source& other) noexcept {
        std::swap(log_, other.log_);
        std::swap(module_, other.module_);
    }

    reader_log* log_ = nullptr;
    std::size_t module_ = 0;
};

}  // namespace quanto::inline v0::nn
