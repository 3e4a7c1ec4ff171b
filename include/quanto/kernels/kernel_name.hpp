// kernel_name("matmul_", "qint4", "_f32_", "avx2") = the name by which lists, tests, benchmarks and explain_* call a
// kernel, made when the program is compiled.
#pragma once

#include <cstddef>
#include <string_view>

#include <quanto/core/config.hpp>

namespace quanto::inline v0::detail {

class kernel_name {
public:
    template <class... Parts>
    constexpr explicit kernel_name(Parts const&... parts) noexcept {
        (append(parts), ...);
    }
    constexpr operator std::string_view() const noexcept { return {text_, size_}; }

private:
    constexpr void append(std::string_view part) noexcept {
        for (char c : part) text_[size_++] = c;
    }

    char text_[64]{};
    std::size_t size_ = 0;
};

}  // namespace quanto::inline v0::detail
