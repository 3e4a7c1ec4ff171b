// Products of float8 panels (float8.inl) for AVX2 and AVX-512: multiply_float8<Q>(isa, operands, split).
// |error of y[m][n]| <= (K + 4) * 2^-24 * sum_k |x[m][k]| * |code * scale|, before the activation.
#pragma once

#include <cstddef>

#include <quanto/kernels/matmul/dense.hpp>
#include <quanto/kernels/panel/operands.hpp>
#include <quanto/kernels/panel/workspace.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_AVX2)
#define QUANTO_KERNEL_BYTES 32
namespace avx2 {
#include <quanto/kernels/panel/float8.inl>

#include <quanto/kernels/panel/float8_tile.inl>
}  // namespace avx2
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN(QUANTO_AVX512)
#define QUANTO_KERNEL_BYTES 64
namespace avx512 {
#include <quanto/kernels/panel/float8.inl>

#include <quanto/kernels/panel/float8_tile.inl>
}  // namespace avx512
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

// The functions of float8.inl and float8_tile.inl for one instruction set.
struct float8_functions {
    using dot = void (*)(panel_operands<float> const&, float const*, std::size_t, float const*, panel_range) noexcept;
    using kernel = void (*)(panel_operands<float> const&, float const*, float const*, std::size_t, std::size_t,
                            panel_range) noexcept;

    float (*pack_dot_row)(panel_layout const&, float const*, float*) noexcept;
    dot dots[4];
    std::size_t most_rows;
    std::size_t (*rows_of_tile)(std::size_t) noexcept;
    void (*pack_tile)(panel_layout const&, matrix_view<float const>, std::size_t, std::size_t, std::size_t, float*,
                      float*) noexcept;
    kernel (*kernel_of)(std::size_t) noexcept;
};

#define QUANTO_FLOAT8_FUNCTIONS(i)                                                                                     \
    float8_functions {                                                                                                 \
        &i::pack_dot_row<Q>, {&i::float8_dot<Q, 1>, &i::float8_dot<Q, 2>, &i::float8_dot<Q, 3>, &i::float8_dot<Q, 4>}, \
            i::most_rows, &i::rows_of_tile, &i::pack_tile<Q>, &i::kernel_of<Q>                                         \
    }

// Rows of x whose factor says that they may not be summed.
template <QType Q, class Split>
void multiply_rest_by_definition(panel_operands<float> const& o, float const* factors, std::size_t m0, std::size_t rows,
                                 Split const& split) noexcept {
    for (std::size_t m = 0; m != rows; ++m)
        if (!(factors[m] < not_summable))
            split(o.w.layout().panels(), o.w.rows() * o.w.cols(), [&](std::size_t begin, std::size_t end) {
                multiply_by_definition<Q>(o, m0 + m, {begin, end});
            });
}

template <QType Q, class Split>
result<success> multiply_float8(isa target, panel_operands<float> const& o, Split const& split) noexcept {
    constexpr std::size_t round_bytes = std::size_t{512} << 10;
    float8_functions const f = target == isa::avx512 ? QUANTO_FLOAT8_FUNCTIONS(avx512) : QUANTO_FLOAT8_FUNCTIONS(avx2);
    panel_layout const& w = o.w.layout();
    std::size_t const rows = o.x.rows, cols = o.x.cols, panel_count = w.panels();
    if (rows == 0 || panel_count == 0) return success{};
    bool const few = rows <= 4;
    // Floats of a row, groups padded to whole lines.
    std::size_t const padded =
        w.line_cols() * ((w.groups() - 1) * w.lines(w.group) + w.lines(w.size_of_group(w.groups() - 1)));
    // x goes through the workspace in rounds of tiles that fit a cache, as even as they can be.
    std::size_t const tiles = few ? 1 : ceil_div(rows, f.most_rows),
                      in_tile = few ? rows : f.rows_of_tile(ceil_div(rows, tiles)),
                      tile_floats = in_tile * (padded + 1);
    std::size_t const fitting = round_bytes / (tile_floats * sizeof(float)), whole = fitting == 0 ? 1 : fitting,
                      round = tiles < whole ? tiles : whole;
    std::size_t const bytes = round * tile_floats * sizeof(float);
    workspace space(bytes, o.options.memory);
    if (space.data() == nullptr)
        return error(errc::out_of_memory, "matmul: no memory for a workspace of ", bytes, " bytes");
    auto* const x = reinterpret_cast<float*>(space.data());
    float* const factors = x + round * in_tile * padded;
    if (few) {
        split(1, rows * cols, [&](std::size_t, std::size_t) {
            for (std::size_t m = 0; m != rows; ++m) factors[m] = f.pack_dot_row(w, o.x.row(m), x + m * padded);
        });
        split(panel_count, rows * w.rows * cols, [&](std::size_t begin, std::size_t end) {
            f.dots[rows - 1](o, x, padded, factors, {begin, end});
        });
        multiply_rest_by_definition<Q>(o, factors, 0, rows, split);
        return success{};
    }
    for (std::size_t m0 = 0; m0 < rows; m0 += round * in_tile) {
        std::size_t const here = rows - m0 < round * in_tile ? rows - m0 : round * in_tile,
                          count = ceil_div(here, in_tile);
        auto const valid_rows = [&](std::size_t t) {
            return here - t * in_tile < in_tile ? here - t * in_tile : in_tile;
        };
        split(count, here * cols, [&](std::size_t begin, std::size_t end) {
            for (std::size_t t = begin; t != end; ++t)
                f.pack_tile(w, o.x, m0 + t * in_tile, valid_rows(t), f.rows_of_tile(valid_rows(t)),
                            factors + t * in_tile, x + t * in_tile * padded);
        });
        auto const multiply = [&](std::size_t t, panel_range range) {
            f.kernel_of(f.rows_of_tile(valid_rows(t)))(o, x + t * in_tile * padded, factors + t * in_tile,
                                                       m0 + t * in_tile, valid_rows(t), range);
        };
        // One tile: a range of panels is one stream of memory. More: all tiles meet a panel while the cache has it.
        split(panel_count * count, here * w.rows * cols, [&](std::size_t begin, std::size_t end) {
            if (count == 1) return multiply(0, {begin, end});
            for (std::size_t i = begin; i != end; ++i) multiply(i % count, {i / count, i / count + 1});
        });
        multiply_rest_by_definition<Q>(o, factors, m0, here, split);
    }
    return success{};
}
#undef QUANTO_FLOAT8_FUNCTIONS

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
