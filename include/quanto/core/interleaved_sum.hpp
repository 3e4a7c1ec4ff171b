// interleaved_sum = a sum in eight parts, term i of a run in part i % 8, which compilers add as one vector. The order, and
// so the result, is the same for every instruction set.
#pragma once

#include <cstddef>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

class interleaved_sum {
public:
    // f(0) .. f(n - 1); what is left of whole eights goes to part 0.
    template <class F>
    void add(std::size_t n, F const& f) noexcept {
        std::size_t i = 0;
        for (; i + 8 <= n; i += 8)
            for (std::size_t j = 0; j != 8; ++j) part_[j] += f(i + j);
        for (; i != n; ++i) part_[0] += f(i);
    }
    double total() const noexcept {
        return ((part_[0] + part_[4]) + (part_[2] + part_[6])) + ((part_[1] + part_[5]) + (part_[3] + part_[7]));
    }

private:
    double part_[8]{};
};

}  // namespace quanto::inline v0
