// The definition of the conversions between float and smaller floats T (float16, bfloat16, the float8 formats): that of
// the type, element by element. float16 and bfloat16 know one policy: beyond the range to infinity.
#pragma once

#include <cstddef>
#include <type_traits>

#include <quanto/types/float16.hpp>
#include <quanto/types/float8.hpp>

namespace quanto::inline v0 {

template <class T>
constexpr void convert_reference(float const* x, std::size_t n, [[maybe_unused]] overflow policy, T* out) noexcept {
    for (std::size_t i = 0; i != n; ++i)
        if constexpr (std::is_constructible_v<T, float, overflow>)
            out[i] = T(x[i], policy);
        else
            out[i] = T(x[i]);
}

template <class T>
constexpr void convert_reference(T const* x, std::size_t n, float* out) noexcept {
    for (std::size_t i = 0; i != n; ++i) out[i] = float(x[i]);
}

}  // namespace quanto::inline v0
