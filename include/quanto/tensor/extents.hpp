// extents = the shape of a tensor: up to 8 sizes, row-major, the last one innermost. Rank 0 is a scalar (one element).
#pragma once

#include <cstddef>
#include <initializer_list>

#include <quanto/core/assert.hpp>
#include <quanto/core/math.hpp>

namespace quanto::inline v0 {

class extents {
public:
    static constexpr std::size_t max_rank = 8;

    constexpr extents() noexcept = default;
    // Precondition: at most max_rank sizes.
    constexpr extents(std::initializer_list<std::size_t> sizes) noexcept {
        for (std::size_t n : sizes) push_back(n);
    }

    constexpr std::size_t rank() const noexcept { return rank_; }
    constexpr std::size_t operator[](std::size_t i) const noexcept {
        return QUANTO_ASSERT(i < rank_, "extents: no such dimension"), sizes_[i];
    }
    constexpr std::size_t& operator[](std::size_t i) noexcept {
        return QUANTO_ASSERT(i < rank_, "extents: no such dimension"), sizes_[i];
    }
    constexpr std::size_t front() const noexcept { return rank_ == 0 ? 1 : sizes_[0]; }
    constexpr std::size_t back() const noexcept { return rank_ == 0 ? 1 : sizes_[rank_ - 1]; }
    constexpr std::size_t const* begin() const noexcept { return sizes_; }
    constexpr std::size_t const* end() const noexcept { return sizes_ + rank_; }

    constexpr void push_back(std::size_t n) noexcept {
        QUANTO_ASSERT(rank_ < max_rank, "extents: more than 8 dimensions");
        if (rank_ < max_rank) sizes_[rank_++] = n;
    }

    // Number of elements. Precondition: it fits std::size_t (shapes from files go through checked_numel first).
    constexpr std::size_t numel() const noexcept {
        std::size_t n = 1;
        for (std::size_t size : *this) n *= size;
        return n;
    }
    constexpr bool checked_numel(std::size_t& n) const noexcept {
        n = 1;
        for (std::size_t size : *this)
            if (!checked_multiply(n, size, n)) return false;
        return true;
    }

    friend constexpr bool operator==(extents const& a, extents const& b) noexcept {
        if (a.rank_ != b.rank_) return false;
        for (std::size_t i = 0; i != a.rank_; ++i)
            if (a.sizes_[i] != b.sizes_[i]) return false;
        return true;
    }

private:
    std::size_t sizes_[max_rank]{};
    std::size_t rank_ = 0;
};

}  // namespace quanto::inline v0
