// Products of float8 panels for AVX2 and AVX-512: multiply_float8<Q>(isa, operands, split), with x of float or bfloat16.
//     |error of y[m][n]| <= (K + 4) * 2^-24 * sum_k |x[m][k]| * |code * scale| + sum_k lost * ((|code| + 1) * scale + 1)
// before the activation; lost: 2^-149 of the largest |x[m][k]|, of bfloat16 2^-125. Results below normal numbers are
// rounded to multiples of 2^-149, too.
#pragma once

#include <cstddef>

#include <quanto/kernels/matmul/dense.hpp>
#include <quanto/kernels/panel/narrow.hpp>
#include <quanto/kernels/panel/operands.hpp>
#include <quanto/kernels/panel/workspace.hpp>

#if QUANTO_TARGETS_X86

QUANTO_INTRINSICS_BEGIN

namespace quanto::inline v0::detail {

// Rows that a tile of `rows` has room for: they are packed four at a time.
constexpr std::size_t stride_of_tile(std::size_t rows) noexcept { return rows < 4 ? 4 : rows; }

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

#include <quanto/kernels/panel/float8_narrow.inl>
}  // namespace avx512
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN(QUANTO_AVX512BF16)
namespace avx512bf16 {
using namespace avx512;

#include <quanto/kernels/panel/float8_bf16.inl>
//
#include <quanto/kernels/panel/float8_tile.inl>
}  // namespace avx512bf16
QUANTO_TARGET_END

// The functions of the files above for one instruction set, and x of T. dots: of 1, 2 .. rows; more rows go in tiles.
template <class T>
struct float8_functions {
    using dot = void (*)(panel_operands<T> const&, float const*, std::size_t, float const*, panel_range) noexcept;
    using tile = void (*)(dtype, std::byte const*, std::byte const*, std::size_t, float const*,
                          float (*)[panel_layout::panel_rows]) noexcept;
    using finish = void (*)(panel_operands<T> const&, float (*)[panel_layout::panel_rows], float const*, std::size_t,
                            std::size_t, std::size_t) noexcept;

    std::size_t most_rows, round_bytes;
    std::size_t (*rows_of_tile)(std::size_t) noexcept;
    void (*pack_tile)(panel_layout const&, matrix_view<T const>, std::size_t, std::size_t, std::size_t, float*,
                      float*) noexcept;
    tile (*kernel_of)(std::size_t) noexcept;
    finish finish_tile;
    std::size_t few_rows = 0;
    float (*pack_dot_row)(panel_layout const&, T const*, float*) noexcept = nullptr;
    dot dots[4] = {};
    // Where codes are decoded once for many tiles.
    void (*decode)(std::byte const*, std::size_t, std::byte*) noexcept = nullptr;
    tile (*kernel_of_decoded)(std::size_t) noexcept = nullptr;
};

#define QUANTO_FLOAT8_TILES(i, step, round)                                                                        \
    .most_rows = i::most_rows, .round_bytes = std::size_t{round} << 10, .rows_of_tile = &i::rows_of_tile<i::step>, \
    .pack_tile = &i::pack_tile<i::step>, .kernel_of = &i::kernel_of<i::step>, .finish_tile = &i::finish_tile<T>
#define QUANTO_FLOAT8_DOTS(i)                           \
    .few_rows = 4, .pack_dot_row = &i::pack_dot_row<Q>, \
    .dots = {&i::float8_dot<Q, 1>, &i::float8_dot<Q, 2>, &i::float8_dot<Q, 3>, &i::float8_dot<Q, 4>}
template <QType Q, class T>
float8_functions<T> float8_functions_of([[maybe_unused]] isa target) noexcept {
    if constexpr (std::is_same_v<T, bfloat16>)
        return {QUANTO_FLOAT8_TILES(avx512bf16, bf16_step<Q>, 512)};
    else if (target == isa::avx512)
        return {QUANTO_FLOAT8_TILES(avx512, f32_step<Q>, 512), QUANTO_FLOAT8_DOTS(avx512)};
    else
        return {QUANTO_FLOAT8_TILES(avx2, f32_step<Q>, 1536), QUANTO_FLOAT8_DOTS(avx2),
                .decode = &avx2::decode_lines<Q>, .kernel_of_decoded = &avx2::kernel_of<avx2::decoded_step<Q>>};
}
#undef QUANTO_FLOAT8_DOTS
#undef QUANTO_FLOAT8_TILES

// Rows of x whose factor says that they may not be summed.
template <QType Q, class T, class Split>
void multiply_rest_by_definition(panel_operands<T> const& o, float const* factors, std::size_t m0, std::size_t rows,
                                 Split const& split) noexcept {
    for (std::size_t m = 0; m != rows; ++m)
        if (!(factors[m] < not_summable))
            split(o.w.layout().panels(), o.w.rows() * o.w.cols(), [&](std::size_t begin, std::size_t end) {
                multiply_by_definition<Q>(o, m0 + m, {begin, end});
            });
}

// Rows of sums that a task keeps; lines that it decodes at once, where as many tiles share them.
inline constexpr std::size_t totals_at_once = 192, decoded_lines = 64, least_decoded = 4;

// x of float; or of bfloat16, where the processor has AVX-512's products of them.
template <QType Q, class T, class Split>
result<success> multiply_float8(isa target, panel_operands<T> const& o, Split const& split) noexcept {
    panel_layout const& w = o.w.layout();
    std::size_t const rows = o.x.rows, cols = o.x.cols, panel_count = w.panels();
    if (rows == 0 || panel_count == 0) return success{};
    if constexpr (std::is_same_v<T, float>)
        if (std::size_t const vectors = narrow_vectors(w, rows); vectors != 0 && target == isa::avx512)
            return multiply_narrow_weight<Q>(o, avx512::narrow_functions_of<Q>(vectors), vectors, sizeof(float), true,
                                             split);
    auto const f = float8_functions_of<Q, T>(target);
    bool const few = rows <= f.few_rows;
    std::size_t const words = w.line_cols() * sizeof(T) / sizeof(float);  // of a line of x
    // Words of a row, groups padded to whole lines.
    std::size_t const padded = words * ((w.groups() - 1) * w.lines(w.group) + w.lines(w.size_of_group(w.groups() - 1)));
    // x goes through the workspace in rounds of tiles that fit a cache, as even as they can be.
    std::size_t const tiles = few ? 1 : ceil_div(rows, f.most_rows),
                      in_tile = few ? rows : f.rows_of_tile(ceil_div(rows, tiles)), room = stride_of_tile(in_tile),
                      tile_floats = room * (padded + 1);
    std::size_t const fitting = f.round_bytes / (tile_floats * sizeof(float)), whole = fitting == 0 ? 1 : fitting,
                      round = tiles < whole ? tiles : whole;
    std::size_t const bytes = round * tile_floats * sizeof(float);
    workspace space(bytes, o.options.memory);
    if (space.data() == nullptr)
        return error(errc::out_of_memory, "matmul: no memory for a workspace of ", bytes, " bytes");
    auto* const x = reinterpret_cast<float*>(space.data());
    float* const factors = x + round * room * padded;
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
                            factors + t * in_tile, x + t * room * padded);
        });
        // Products of panels with tiles, number panel * count + t. One tile: a range of panels is one stream of memory.
        // More: all tiles meet a piece of a panel while the cache has it.
        bool const decodes = f.decode != nullptr && count >= least_decoded;
        auto const kernel_of = decodes ? f.kernel_of_decoded : f.kernel_of;
        std::size_t const at_once = count == 1 ? 1 : totals_at_once / in_tile;
        split(panel_count * count, here * w.rows * cols, [&](std::size_t begin, std::size_t end) {
            alignas(64) float totals[totals_at_once][panel_layout::panel_rows];
            alignas(64) std::byte decoded[decoded_lines * panel_layout::line_bytes * sizeof(float)];
            for (std::size_t next = 0; begin != end; begin = next) {
                next = end - begin < at_once ? end : begin + at_once;
                __builtin_memset(totals, 0, (next - begin) * in_tile * sizeof totals[0]);
                std::size_t done = 0;  // lines
                for (std::size_t g = 0; g != w.groups(); ++g)
                    for (std::size_t line = 0, lines = w.lines(w.size_of_group(g)), piece; line != lines;
                         line += piece, done += piece) {
                        piece = decodes && lines - line > decoded_lines ? decoded_lines : lines - line;
                        for (std::size_t i = begin; i != next; ++i) {
                            std::size_t const panel = i / count, t = i % count, tile = f.rows_of_tile(valid_rows(t));
                            std::byte const* const header = o.w.group(panel * panel_layout::panel_rows, g);
                            std::byte const* const codes = header + w.header_bytes() + line * panel_layout::line_bytes;
                            if (decodes && (i == begin || t == 0)) f.decode(codes, piece, decoded);
                            kernel_of(tile)(w.scale_type, header, decodes ? decoded : codes, piece,
                                            x + t * room * padded + done * words * stride_of_tile(tile),
                                            totals + (i - begin) * in_tile);
                        }
                    }
                for (std::size_t i = begin; i != next; ++i) {
                    std::size_t const panel = i / count, t = i % count;
                    f.finish_tile(o, totals + (i - begin) * in_tile, factors + t * in_tile, m0 + t * in_tile,
                                  valid_rows(t), panel * panel_layout::panel_rows);
                }
            }
        });
        multiply_rest_by_definition<Q>(o, factors, m0, here, split);
    }
    return success{};
}

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
