// floating_point_guard = for its life, float arithmetic rounds to nearest and keeps subnormals, whatever the caller
// set; then the caller's environment is back. Kernels run inside one, so results do not depend on the environment.
#pragma once

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

class floating_point_guard {
public:
    floating_point_guard(floating_point_guard const&) = delete;
    floating_point_guard& operator=(floating_point_guard const&) = delete;
#if defined(__SSE__) && defined(__GNUC__)
    floating_point_guard() noexcept : saved_(__builtin_ia32_stmxcsr()) {
        if ((saved_ & controls) != 0) __builtin_ia32_ldmxcsr(saved_ & ~controls);
    }
    ~floating_point_guard() {
        if ((saved_ & controls) != 0) __builtin_ia32_ldmxcsr(saved_);
    }

private:
    static constexpr unsigned controls = 0x8000u | 0x6000u | 0x0040u;  // FTZ, rounding, DAZ
    unsigned saved_;
#elif defined(__aarch64__) && defined(__GNUC__)
    floating_point_guard() noexcept {
        asm volatile("mrs %0, fpcr" : "=r"(saved_)::"memory");
        if ((saved_ & controls) != 0) asm volatile("msr fpcr, %0" ::"r"(saved_ & ~controls) : "memory");
    }
    ~floating_point_guard() {
        if ((saved_ & controls) != 0) asm volatile("msr fpcr, %0" ::"r"(saved_) : "memory");
    }

private:
    static constexpr unsigned long long controls = 1ull << 24 | 3ull << 22 | 1ull << 19;  // FZ, rounding, FZ16
    unsigned long long saved_;
#else
    floating_point_guard() noexcept {}
    ~floating_point_guard() {}
#endif
};

}  // namespace quanto::inline v0
