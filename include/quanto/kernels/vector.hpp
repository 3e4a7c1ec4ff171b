// Vector kernels are written once, in a vocabulary (vector.inl) that exists in a namespace per instruction set:
//     #define QUANTO_KERNELS <quanto/kernels/pack/simd.inl>
//     #include <quanto/kernels/each_target.inl>          detail::elementwise::portable::pack, ...::avx2::pack, ...
// The portable one is in GNU vectors, or, where QUANTO_XSIMD is defined (in all units of a program, or none), in
// xsimd's batches for the unit's own architecture. In lists and choices an instruction set is a type:
//     for_each_isa([]<isa I>(isa_constant<I>) { ... })    with_isa(target, []<isa I>(isa_constant<I>) { ... })
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include <quanto/core/math.hpp>
#include <quanto/kernels/target.hpp>

#if defined(QUANTO_XSIMD)
#include <xsimd/xsimd.hpp>
#define QUANTO_PORTABLE_IS_XSIMD 1
#else
#define QUANTO_PORTABLE_IS_XSIMD 0
#endif

#define QUANTO_KERNEL_INLINE __attribute__((always_inline)) inline

#define QUANTO_KERNELS <quanto/kernels/vocabulary.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <isa I>
using isa_constant = std::integral_constant<isa, I>;

// The instruction sets that this unit has kernels for, the best first.
template <class F>
constexpr void for_each_isa(F&& f) {
#if QUANTO_TARGETS_X86
    f(isa_constant<isa::avx512>{});
    f(isa_constant<isa::avx2>{});
#endif
    f(isa_constant<isa::portable>{});
}

// f of the one that `target` is. Precondition: target <= detect_isa().
template <class F>
constexpr decltype(auto) with_isa([[maybe_unused]] isa target, F&& f) {
#if defined(QUANTO_STATIC_ISA)
    return f(isa_constant<detect_isa()>{});
#else
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return f(isa_constant<isa::avx512>{});
    if (target == isa::avx2) return f(isa_constant<isa::avx2>{});
#endif
    return f(isa_constant<isa::portable>{});
#endif
}

namespace detail::elementwise {
// "quantize_" "qint4" "_f32_" and the instruction set: the one name that lists, tests, benchmarks and explain_* use.
struct kernel_name {
    char text[64]{};
    std::size_t size = 0;

    template <class... Parts>
    constexpr explicit kernel_name(isa target, Parts const&... parts) noexcept {
        (append(parts), ...);
        append(target == isa::portable && QUANTO_PORTABLE_IS_XSIMD ? std::string_view("xsimd") : quanto::name(target));
    }
    constexpr operator std::string_view() const noexcept { return {text, size}; }

private:
    constexpr void append(std::string_view part) noexcept {
        for (char c : part) text[size++] = c;
    }
};
}  // namespace detail::elementwise

}  // namespace quanto::inline v0

// The call in the namespace of I.
#if QUANTO_TARGETS_X86
#define QUANTO_CALL(I, call)                                                          \
    do {                                                                              \
        if constexpr (I == isa::avx512) return detail::elementwise::avx512::call;     \
        if constexpr (I == isa::avx2) return detail::elementwise::avx2::call;         \
        if constexpr (I == isa::portable) return detail::elementwise::portable::call; \
    } while (false)
#else
#define QUANTO_CALL(I, call) return detail::elementwise::portable::call
#endif
