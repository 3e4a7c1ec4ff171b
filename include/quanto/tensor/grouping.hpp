// grouping = which elements share a scale, and where their codes lie.
//
// A tensor is seen as `lines` lines of `length` elements: one line per index of the axis (axis::first: the rows of the
// matrix (shape[0], rest); axis::last: its columns (rest, shape[-1])), or one single line (axis::none). Each line is
// cut into groups of `group` elements, the last one possibly shorter (ragged).
//
//     axis::first   element (r, k), i = r * length + k:  group r * groups_per_line + k / group,        code i
//     axis::last    element (r, j), i = r * lines + j:   group j * groups_per_line + r / group,
//                   code (r % group) * groups + group index; i where a line is one group or ragged
//
// Codes form a matrix (code_rows, code_cols), planar packed along its rows (packing.hpp). This is Python quanto's
// layout.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/core/math.hpp>
#include <quanto/tensor/extents.hpp>

namespace quanto::inline v0 {

enum class axis : std::uint8_t { none, first, last };

struct group {
    std::size_t size;
    friend constexpr bool operator==(group, group) noexcept = default;
};
inline constexpr group whole_axis{0};                                // a line is one group
inline constexpr group dynamic_group{static_cast<std::size_t>(-1)};  // known at run time

class grouping {
public:
    struct position {
        std::size_t code, group;
    };

    constexpr grouping() noexcept = default;
    constexpr grouping(extents const& shape, axis a, group g) noexcept : axis_(a) {
        std::size_t const numel = shape.numel();
        lines_ = a == axis::first ? shape.front() : a == axis::last ? shape.back() : 1;
        std::size_t const rank = shape.rank(), of_lines = a == axis::first ? 0 : a == axis::last ? rank - 1 : rank;
        length_ = 1;
        for (std::size_t d = 0; d != rank; ++d)
            if (d != of_lines) length_ *= shape[d];
        whole_ = g == whole_axis || g == dynamic_group || g.size > length_;
        group_ = whole_ ? length_ : g.size;
        per_line_ = length_ == 0 ? 0 : ceil_div(length_, group_);
        bool const regrouped = !whole_ && length_ % group_ == 0;
        if (!regrouped) {
            code_rows_ = shape.front();
            code_cols_ = code_rows_ == 0 ? 0 : numel / code_rows_;
        } else if (a == axis::last) {
            code_rows_ = group_;
            code_cols_ = groups();
        } else {
            code_rows_ = groups();
            code_cols_ = group_;
        }
        transposed_ = regrouped && a == axis::last;
    }

    constexpr axis along() const noexcept { return axis_; }
    constexpr std::size_t lines() const noexcept { return lines_; }
    constexpr std::size_t length() const noexcept { return length_; }
    constexpr std::size_t group_size() const noexcept { return group_; }
    constexpr std::size_t groups_per_line() const noexcept { return per_line_; }
    constexpr std::size_t groups() const noexcept { return lines_ * per_line_; }
    constexpr std::size_t numel() const noexcept { return lines_ * length_; }
    constexpr bool is_whole() const noexcept { return whole_; }
    constexpr bool is_ragged() const noexcept { return !whole_ && length_ % group_ != 0; }
    constexpr std::size_t code_rows() const noexcept { return code_rows_; }
    constexpr std::size_t code_cols() const noexcept { return code_cols_; }

    // Number of elements of group g, and the flat index of its element t.
    constexpr std::size_t size_of(std::size_t g) const noexcept {
        std::size_t const start = g % per_line_ * group_;
        return length_ - start < group_ ? length_ - start : group_;
    }
    constexpr std::size_t element(std::size_t g, std::size_t t) const noexcept {
        std::size_t const line = g / per_line_, k = g % per_line_ * group_ + t;
        return axis_ == axis::last ? k * lines_ + line : line * length_ + k;
    }
    // Where the element with flat index i has its code and its scale.
    constexpr position locate(std::size_t i) const noexcept {
        if (axis_ != axis::last) return {i, i / length_ * per_line_ + i % length_ / group_};
        std::size_t const r = i / lines_, g = i % lines_ * per_line_ + r / group_;
        return {transposed_ ? r % group_ * groups() + g : i, g};
    }

    // The shape of scale and shift in files: a line per group; without groups, the tensor's rank with 1 off the axis.
    // 8-bit codes along an axis of size 1 have one scale for the tensor, of rank 0.
    constexpr extents scale_shape(extents const& shape, int bits) const noexcept {
        if (axis_ == axis::none || (bits == 8 && whole_ && lines_ == 1)) return {};
        if (!whole_) return axis_ == axis::first ? extents{groups(), 1} : extents{1, groups()};
        extents s = shape;
        for (std::size_t d = 0; d != s.rank(); ++d)
            if (d != (axis_ == axis::first ? 0 : s.rank() - 1)) s[d] = 1;
        return s;
    }

private:
    axis axis_ = axis::none;
    bool whole_ = true, transposed_ = false;
    std::size_t lines_ = 0, length_ = 0, group_ = 0, per_line_ = 0, code_rows_ = 0, code_cols_ = 0;
};

}  // namespace quanto::inline v0
