// A tile of x, rows packed as digits.hpp says, and what its kernels are given. A kernel multiplies one tile with a
// range of panels; the rows that it must not sum are marked while they are packed, and follow the definition.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/kernels/panel/digits.hpp>
#include <quanto/kernels/panel/operands.hpp>

namespace quanto::inline v0::detail {

// What the kernels of a tile need: w and x as addresses and counts.
struct tile_product {
    std::byte const* w;
    std::size_t panel_bytes, header_bytes, shift_offset, rows;
    dtype scale_type;
    bool integer_zero_point;
    digit_layout x;
    output_matrix const& y;
    product_options const& options;

    // The sums of a panel, to `valid` rows of y from m0 on.
    __attribute__((always_inline)) void finish(float (*totals)[16], std::size_t m0, std::size_t valid,
                                               std::size_t panel) const noexcept {
        std::size_t const n = panel * panel_layout::panel_rows, left = rows - n;
        finish_outputs(options, y, totals, valid, m0, n, left < 16 ? left : 16);
    }
};

// f(product, tile, m0, valid, panels): the first `valid` rows of the tile have a y, from row m0 on.
using tile_kernel = void (*)(tile_product const&, std::byte const*, std::size_t, std::size_t, panel_range) noexcept;

// Whether a row with numbers of this largest magnitude (its bits; NaN above all) follows the definition.
inline bool follows_definition(std::uint32_t largest) noexcept {
    return largest != 0 && (largest < bit_cast<std::uint32_t>(digit_layout::smallest) ||
                            largest > bit_cast<std::uint32_t>(digit_layout::largest));
}

// scale: what codes up to largest_code are multiplied by, for values up to `largest` (its bits). Returns the inverse.
// 0 both, where the row follows the definition.
inline float scale_of_codes(std::uint32_t largest, float largest_code, float& scale) noexcept {
    bool const defined = follows_definition(largest);
    scale = defined ? 0.0f : bit_cast<float>(largest) / largest_code;
    return defined || largest == 0 ? 0.0f : largest_code / bit_cast<float>(largest);
}

// Row m of a tile of `rows` rows.
struct tile_row {
    digit_layout const& layout;
    std::byte* tile;
    std::size_t rows, m;

    float* block(std::size_t b) const noexcept {
        return reinterpret_cast<float*>(tile + layout.digit_bytes(rows)) + b * layout.words_per_block(rows);
    }
    float& scale() const noexcept { return block(layout.blocks())[m]; }
    // The rows that follow the definition, a bit each.
    std::uint32_t& marks() const noexcept { return *reinterpret_cast<std::uint32_t*>(block(layout.blocks()) + rows); }
    // Before `valid` rows are packed: those beyond are 0, and no row is marked.
    void clear(std::size_t valid) const noexcept {
        if (valid != rows) __builtin_memset(tile, 0, layout.tile_bytes(rows));
        marks() = 0;
    }
    void mark() const noexcept { marks() |= 1u << m; }
    // As scale_of_codes; marks the row where it follows the definition.
    float choose_scale(std::uint32_t largest, float largest_code, float& scale) const noexcept {
        if (follows_definition(largest)) mark();
        return scale_of_codes(largest, largest_code, scale);
    }
};

// The blocks of a row, one after the other: x[k .. k + n), padded to `quads` quads.
class block_walk {
public:
    std::size_t k = 0, n = 0, quads = 0;

    block_walk(digit_layout const& layout, std::size_t cols, std::size_t group) noexcept
        : layout_(layout), cols_(cols), group_(group) {}
    bool next() noexcept {
        k += n;
        if (lines_ == 0) {
            if (group_index_ == layout_.groups) return false;
            k = group_index_ * group_;
            end_ = cols_ - k < group_ ? cols_ : k + group_;
            lines_ = ++group_index_ == layout_.groups ? layout_.last_lines : layout_.group_lines;
        }
        std::size_t const take = lines_ < layout_.block_lines ? lines_ : layout_.block_lines;
        lines_ -= take;
        quads = take * layout_.line_cols / panel_layout::quad;
        n = end_ - k < panel_layout::quad * quads ? end_ - k : panel_layout::quad * quads;
        return true;
    }

private:
    digit_layout const& layout_;
    std::size_t cols_, group_, group_index_ = 0, end_ = 0, lines_ = 0;
};

}  // namespace quanto::inline v0::detail
