// x as the integer kernels read it. The groups of a row of w are cut into blocks of whole lines; in a block
//     x[m][k] ~ s[m] * code,    code = sum_i digit_i * 256^(D - 1 - i),   digits in -128 .. 127
//     D = 3    float x, float32 grade: blocks of at most 256 elements, s = max |x| of the block / 8355000
//     D = 1    int8 x, or float x rounded to int8: a block is a group, s one scale per row
// A tile is M rows of x, one line of w after the other: digit i of x[m][4q + t] is byte t of dword (q * M + m) * D + i,
// q counting the quads of all lines. Elements beyond a group's end are 0. Beside them, per block,
//     D > 1: s[m]      then for qint8: -128 * (sum of each digit), int32; else: the sum of the codes, float, times s if
//                      D > 1
// so that the unsigned codes of qint8 and the shifts cost one operation per block.
// Where digits are words, of int16, 256 above is 4096, D is 1 or 2, digits of float x are in -2048 .. 2047, and
// elements 4q + t and 4q + t + 2 are the words of dword ((2q + t) * M + m) * D + i, t = 0, 1.
// Kernels that multiply 8 digits at once have the lines of a block in pairs (place_of_digits in neon_pack.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/kernels/panel/layout.hpp>

namespace quanto::inline v0::detail {

struct digit_layout {
    static constexpr std::size_t longest_block = 256;  // 255 * 128 * 256 * 257 < 2^31: two digits at once fit int32
    static constexpr float largest_code = 8355000.0f;  // below 127 * 65536 + 127 * 256 + 127, rounded up or not
    // Rows whose largest magnitude is neither 0 nor in this range follow the definition: scales stay normal numbers.
    static constexpr float smallest = 0x1p-102f, largest = 0x1p100f;

    std::size_t groups, group_lines, last_lines;  // lines of each group but the last, and of the last
    std::size_t block_lines;                      // lines of a block; the last one of a group may be shorter
    std::size_t block_count;                      // of all groups
    std::size_t line_cols, digits, digit_size;    // columns of a line, D, bytes of a digit

    constexpr digit_layout(panel_layout const& w, std::size_t d, std::size_t size = 1) noexcept
        : groups(w.groups()),
          group_lines(w.lines(w.size_of_group(0))),
          last_lines(w.lines(w.size_of_group(w.groups() - 1))),
          block_lines(d == 1 ? group_lines
                             : ceil_div(group_lines, ceil_div(group_lines * w.line_cols(), longest_block))),
          block_count((groups - 1) * ceil_div(group_lines, block_lines) + ceil_div(last_lines, block_lines)),
          line_cols(w.line_cols()),
          digits(d),
          digit_size(size) {}

    constexpr std::size_t lines() const noexcept { return (groups - 1) * group_lines + last_lines; }
    constexpr std::size_t blocks() const noexcept { return block_count; }

    // A tile of m rows: the digits, the numbers of each block, the scale of each row (D = 1), which rows follow the
    // definition.
    constexpr std::size_t digit_bytes(std::size_t m) const noexcept {
        return lines() * line_cols * m * digits * digit_size;
    }
    constexpr std::size_t words_per_block(std::size_t m) const noexcept {
        return (digits == 1 ? 0 : m) + (line_cols == panel_layout::quad ? m * digits : m);
    }
    constexpr std::size_t tile_bytes(std::size_t m) const noexcept {
        return ceil_div(digit_bytes(m) + 4 * (blocks() * words_per_block(m) + m + 1), panel_layout::line_bytes) *
               panel_layout::line_bytes;
    }
};

}  // namespace quanto::inline v0::detail
