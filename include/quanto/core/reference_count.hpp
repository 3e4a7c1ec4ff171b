// reference_count = a thread-safe counter of owners, starting at one. (<atomic> costs each includer 0.15 s; the
// compilers' own operations are the same instructions.)
#pragma once

#include <cstddef>

#include <quanto/core/config.hpp>
#if !defined(__GNUC__)
#include <atomic>
#endif

namespace quanto::inline v0 {

class reference_count {
public:
#if defined(__GNUC__)
    void retain() noexcept { __atomic_fetch_add(&count_, 1, __ATOMIC_RELAXED); }
    bool release() noexcept {
        return __atomic_fetch_sub(&count_, 1, __ATOMIC_ACQ_REL) == 1;
    }  // true: that was the last

private:
    std::size_t count_ = 1;
#else
    void retain() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
    bool release() noexcept { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

private:
    std::atomic<std::size_t> count_{1};
#endif
};

}  // namespace quanto::inline v0
