// The panel layout: w (N, K), grouped along K, as the kernels of every instruction set read it. 16 rows are
// interleaved, in lines of 64 bytes:
//     panel p        rows 16p .. 16p + 15 of w; a row beyond N has scale 0, shift 0 and codes of value 0
//     in a panel     group after group: the header, then the code lines
//     header         16 scales, then for 2 and 4 bits 16 shifts, in the scale type of w, padded to whole lines;
//                    integer zero points are stored as numbers of the scale type (0 .. 255 fit bf16)
//     code line c    byte 4r + t belongs to row r; elements k counted from the start of the group:
//         8 bits     code[r][4c + t], qint8 with its top bit flipped (code + 128, unsigned), float8 as it is
//         4 bits     code[r][8c + t] | code[r][8c + 4 + t] << 4
//         2 bits     the same with four codes: 16c + t, 16c + 4 + t << 2, 16c + 8 + t << 4, 16c + 12 + t << 6
// So quad q of a group (elements 4q .. 4q + 3) is field q % F of line q / F, F = 8 / bits. A group ends with codes of
// value 0 up to a whole line; a product pads x with 0 there. One product with a panel reads one stream of memory.
#pragma once

#include <cstddef>

#include <quanto/core/math.hpp>
#include <quanto/types/dtype.hpp>

namespace quanto::inline v0 {

// Panels [begin, end) of a weight.
struct panel_range {
    std::size_t begin, end;
};

struct panel_layout {
    static constexpr std::size_t panel_rows = 16, line_bytes = 64, quad = 4;

    std::size_t rows = 0, cols = 0, group = 0;  // N, K, elements per group (the last group of a row may be shorter)
    std::size_t fields = 1;                     // codes per byte: 1, 2, 4
    dtype scale_type = dtype::f32;

    constexpr bool has_shift() const noexcept { return fields != 1; }
    constexpr std::size_t panels() const noexcept { return ceil_div(rows, panel_rows); }
    constexpr std::size_t groups() const noexcept { return group == 0 ? 0 : ceil_div(cols, group); }
    constexpr std::size_t size_of_group(std::size_t g) const noexcept {
        return cols - g * group < group ? cols - g * group : group;
    }

    // Elements of a row in one line, and lines of `size` elements.
    constexpr std::size_t line_cols() const noexcept { return quad * fields; }
    constexpr std::size_t lines(std::size_t size) const noexcept { return ceil_div(size, line_cols()); }

    constexpr std::size_t shift_offset() const noexcept { return panel_rows * size_of(scale_type); }
    constexpr std::size_t header_bytes() const noexcept {
        return ceil_div(shift_offset() * (has_shift() ? 2 : 1), line_bytes) * line_bytes;
    }
    constexpr std::size_t group_bytes(std::size_t size) const noexcept {
        return header_bytes() + lines(size) * line_bytes;
    }
    constexpr std::size_t panel_bytes() const noexcept {
        return groups() == 0 ? 0 : (groups() - 1) * group_bytes(group) + group_bytes(size_of_group(groups() - 1));
    }
    constexpr std::size_t bytes() const noexcept { return panels() * panel_bytes(); }

    // From the start of a panel: group g, and quad q of a group.
    constexpr std::size_t group_offset(std::size_t g) const noexcept { return g * group_bytes(group); }
    constexpr std::size_t quad_offset(std::size_t g, std::size_t q) const noexcept {
        return group_offset(g) + header_bytes() + q / fields * line_bytes;
    }
};

static_assert(panel_layout{16, 128, 128, 2, dtype::f16}.bytes() == 17 * 64);
static_assert(panel_layout{16, 128, 128, 2, dtype::f32}.bytes() == 18 * 64);
static_assert(panel_layout{17, 130, 130, 1, dtype::bf16}.bytes() == 2 * 34 * 64);
static_assert(panel_layout{1, 257, 128, 4, dtype::f32}.panel_bytes() == (10 + 10 + 3) * 64);

}  // namespace quanto::inline v0
