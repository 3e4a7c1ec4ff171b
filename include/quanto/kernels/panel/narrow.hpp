// Many rows of x times a weight of few rows: narrow.inl has the kernels, this what they are given and who runs them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <quanto/kernels/panel/operands.hpp>
#include <quanto/kernels/panel/workspace.hpp>

namespace quanto::inline v0::detail {

inline constexpr std::size_t narrow_rows = 6;  // of x at once: with 4 vectors of w 24 sums

// The kernels for a weight of some vectors. multiply: rows m0 .. m0 + valid of y, valid <= narrow_rows; it may use
// narrow_rows rows of scratch, and returns which rows must follow the definition, a bit each.
template <class T>
struct narrow_functions {
    void (*pack)(panels const&, std::byte*) noexcept;
    std::uint32_t (*multiply)(panel_operands<T> const&, std::byte const*, std::byte*, std::size_t,
                              std::size_t) noexcept;
};

// Vectors of a weight, 2 to 4, one row of ones more where its codes have shifts; 0 where that is not a narrow product.
constexpr std::size_t narrow_vectors(panel_layout const& w, std::size_t rows_of_x) noexcept {
    constexpr std::size_t least_rows = 16;  // below, packing w is not worth it
    std::size_t const rows = w.rows + (w.has_shift() ? 1 : 0);
    bool const fits = w.rows != 0 && rows <= panel_layout::panel_rows && rows_of_x >= least_rows;
    return !fits ? 0 : rows <= 8 ? 2 : ceil_div(rows, std::size_t{4});
}
// Bytes of a row of scratch, whose elements have `size` bytes.
constexpr std::size_t narrow_stride(std::size_t cols, std::size_t size) noexcept {
    return ceil_div(cols * size, panel_layout::line_bytes) * panel_layout::line_bytes;
}

// size: bytes of an element that kernels read; scratch: whether they need it.
template <QType Q, class T, class Split>
result<success> multiply_narrow_weight(panel_operands<T> const& o, narrow_functions<T> const& f, std::size_t vectors,
                                       std::size_t size, bool scratch, Split const& split) noexcept {
    constexpr std::size_t round_bytes = std::size_t{512} << 10, line = panel_layout::line_bytes;
    panel_layout const& w = o.w.layout();
    std::size_t const rows = o.x.rows, tiles = ceil_div(rows, narrow_rows);
    auto const steps = [&](std::size_t g) { return 1 + ceil_div(w.size_of_group(g) * size, std::size_t{16}); };
    std::size_t const packed = ((w.groups() - 1) * steps(0) + steps(w.groups() - 1)) * vectors * line,
                      tile_bytes = scratch ? narrow_rows * narrow_stride(w.cols, size) : 0;
    std::size_t const fitting = tile_bytes == 0            ? tiles
                                : tile_bytes < round_bytes ? round_bytes / tile_bytes
                                                           : 1,
                      round = tiles < fitting ? tiles : fitting, bytes = packed + round * tile_bytes;
    workspace space(bytes, o.options.memory);
    if (space.data() == nullptr)
        return error(errc::out_of_memory, "matmul: no memory for a workspace of ", bytes, " bytes");
    split(1, w.rows * w.cols, [&](std::size_t, std::size_t) { f.pack(o.w, space.data()); });
    for (std::size_t first = 0; first < tiles; first += round) {
        std::size_t const count = tiles - first < round ? tiles - first : round;
        split(count, count * narrow_rows * w.rows * w.cols, [&](std::size_t begin, std::size_t end) {
            for (std::size_t t = begin; t != end; ++t) {
                std::size_t const m0 = (first + t) * narrow_rows, left = rows - m0;
                std::uint32_t defined = f.multiply(o, space.data(), space.data() + packed + t * tile_bytes, m0,
                                                   left < narrow_rows ? left : narrow_rows);
                for (; defined != 0; defined &= defined - 1)
                    multiply_by_definition<Q>(o, m0 + static_cast<std::size_t>(std::countr_zero(defined)), {0, 1});
            }
        });
    }
    return success{};
}

}  // namespace quanto::inline v0::detail
