// Runs the kernel that choose_panel_kernel names. `split(n, f)` calls f(begin, end) for ranges that cut 0 .. n, in any
// order and on any thread: the results are the same.
#pragma once

#include <cstddef>

#include <quanto/kernels/panel/avx2.hpp>
#include <quanto/kernels/panel/avx512vnni.hpp>
#include <quanto/kernels/panel/choice.hpp>
#include <quanto/kernels/panel/float8.hpp>
#include <quanto/kernels/panel/neon_dot.hpp>
#include <quanto/kernels/panel/neon_i8mm.hpp>
#include <quanto/kernels/panel/portable.hpp>
#include <quanto/kernels/panel/values.hpp>
#include <quanto/kernels/panel/workspace.hpp>

namespace quanto::inline v0::detail {

// The kernels of an instruction set: rows(m), those of the tile that takes m rows of x; pack, of such a tile; and
// beside w of Fields codes per byte, the digits of a float x of float32 grade, and bytes per digit.
struct byte_digits {
    template <std::size_t Fields>
    static constexpr std::size_t exact_digits = 3;
    template <std::size_t Fields>
    static constexpr std::size_t digit_size = 1;
};
struct word_digits_of_bytes {
    template <std::size_t Fields>
    static constexpr std::size_t exact_digits = Fields == 1 ? 2 : 3;
    template <std::size_t Fields>
    static constexpr std::size_t digit_size = Fields == 1 ? 2 : 1;
};
#define QUANTO_TILES(kernels, digits)                                                     \
    struct kernels##_tiles : digits {                                                     \
        template <std::size_t Fields, std::size_t D>                                      \
        static constexpr std::size_t rows(std::size_t m) noexcept {                       \
            return kernels::tile_rows<Fields, D>(m);                                      \
        }                                                                                 \
        template <std::size_t Fields, std::size_t D>                                      \
        static tile_kernel kernel(std::size_t rows) noexcept {                            \
            return kernels::kernel_of<Fields, D>(rows);                                   \
        }                                                                                 \
        template <std::size_t Fields, std::size_t D, class T>                             \
        static void pack(panel_operands<T> const& o, tile_row const& row, std::size_t m0, \
                         std::size_t valid) noexcept {                                    \
            kernels::pack_tile<Fields, D>(o, row, m0, valid);                             \
        }                                                                                 \
    }
#if QUANTO_TARGETS_X86
QUANTO_TILES(avx512vnni, byte_digits);
QUANTO_TILES(avx2_dot, word_digits_of_bytes);
#elif QUANTO_TARGETS_NEON
QUANTO_TILES(neon_dot, byte_digits);
QUANTO_TILES(neon_i8mm, byte_digits);
#endif
#undef QUANTO_TILES

// x goes through the workspace in rounds of some tiles, so that it stays in the cache while all panels pass.
template <class Tiles, QType Q, std::size_t D, class T, class Split>
result<success> multiply_tiles(panel_operands<T> const& o, Split const& split) noexcept {
    constexpr std::size_t fields = codes_per_byte<Q>, round_bytes = std::size_t{512} << 10;
    auto const& w = o.w.layout();
    std::size_t const rows = o.x.rows, panel_count = w.panels();
    if (rows == 0 || panel_count == 0) return success{};
    tile_product const p{o.w.bytes().data(),
                         w.panel_bytes(),
                         w.header_bytes(),
                         w.shift_offset(),
                         w.rows,
                         w.scale_type,
                         o.w.integer_zero_point(),
                         {w, D, Tiles::template digit_size<fields>},
                         o.y,
                         o.options};
    std::size_t const in_tile = Tiles::template rows<fields, D>(rows);
    std::size_t const tile_bytes = p.x.tile_bytes(in_tile), tiles = ceil_div(rows, in_tile);
    std::size_t const fitting = tile_bytes < round_bytes ? round_bytes / tile_bytes : 1;
    std::size_t const round = tiles < fitting ? tiles : fitting;
    workspace space(round * tile_bytes, o.options.memory);
    if (space.data() == nullptr)
        return error(errc::out_of_memory, "matmul: no memory for a workspace of ", round * tile_bytes, " bytes");
    for (std::size_t first = 0; first < tiles; first += round) {
        std::size_t const count = tiles - first < round ? tiles - first : round;
        auto const valid_rows = [&](std::size_t t) {
            std::size_t const left = rows - (first + t) * in_tile;
            return left < in_tile ? left : in_tile;
        };
        split(count, count * in_tile * w.cols, [&](std::size_t begin, std::size_t end) {
            for (std::size_t t = begin; t != end; ++t)
                Tiles::template pack<fields, D>(
                    o, {p.x, space.data() + t * tile_bytes, Tiles::template rows<fields, D>(valid_rows(t)), 0},
                    (first + t) * in_tile, valid_rows(t));
        });
        auto const multiply = [&](std::size_t t, panel_range panels) {
            std::size_t const valid = valid_rows(t), tile = Tiles::template rows<fields, D>(valid),
                              m0 = (first + t) * in_tile;
            std::byte* const x = space.data() + t * tile_bytes;
            Tiles::template kernel<fields, D>(tile)(p, x, m0, valid, panels);
            for (std::uint32_t marks = tile_row{p.x, x, tile, 0}.marks(); marks != 0; marks &= marks - 1)
                multiply_by_definition<Q>(o, m0 + static_cast<std::size_t>(std::countr_zero(marks)), panels);
        };
        // One tile: a kernel reads a range of panels from memory. More: all tiles meet a panel while the cache has it.
        split(panel_count * count, count * in_tile * w.rows * w.cols, [&](std::size_t begin, std::size_t end) {
            if (count == 1) return multiply(0, {begin, end});
            std::size_t panel = begin / count, t = begin % count;
            for (std::size_t i = begin; i != end; ++i) {
                multiply(t, {panel, panel + 1});
                if (++t == count) t = 0, ++panel;
            }
        });
    }
    return success{};
}

template <class Tiles, QType Q, class T, class Split>
result<success> multiply_tiles(panel_operands<T> const& o, Split const& split) noexcept {
    constexpr std::size_t digits = Tiles::template exact_digits<codes_per_byte<Q>>;
    if constexpr (std::is_same_v<T, float>)
        if (o.options.accuracy == product_accuracy::exact) return multiply_tiles<Tiles, Q, digits>(o, split);
    return multiply_tiles<Tiles, Q, 1>(o, split);
}

// Whether x is of int8, or rounded to it.
template <class T>
bool sums_codes(panel_operands<T> const& o) noexcept {
    return std::is_same_v<T, std::int8_t> || o.options.accuracy == product_accuracy::dynamic_int8;
}

template <QType Q, class T, class Split>
result<success> multiply_operands(panel_kernel kernel, panel_operands<T> const& o, Split const& split) noexcept {
#if QUANTO_TARGETS_X86
    if constexpr (Q::is_floating_point) {
        if (kernel == panel_kernel::avx512) return multiply_float8<Q>(isa::avx512, o, split);
        if (kernel == panel_kernel::avx2) return multiply_float8<Q>(isa::avx2, o, split);
    } else {
        if (kernel == panel_kernel::avx512vnni) {
            if (std::size_t const vectors = narrow_vectors(o.w.layout(), o.x.rows); vectors != 0 && sums_codes(o))
                return multiply_narrow_weight<Q>(o, avx512vnni::narrow_functions_of<codes_per_byte<Q>, T>(vectors),
                                                 vectors, sizeof(std::int8_t), std::is_same_v<T, float>, split);
            return multiply_tiles<avx512vnni_tiles, Q>(o, split);
        }
        if (kernel == panel_kernel::avx2) return multiply_tiles<avx2_dot_tiles, Q>(o, split);
    }
#elif QUANTO_TARGETS_NEON
    if constexpr (!Q::is_floating_point) {
        if (kernel == panel_kernel::neon_i8mm) return multiply_tiles<neon_i8mm_tiles, Q>(o, split);
        if (kernel == panel_kernel::neon_dot) return multiply_tiles<neon_dot_tiles, Q>(o, split);
    }
#endif
    split(o.w.layout().panels(), o.x.rows * o.w.rows() * o.w.cols(), [&](std::size_t begin, std::size_t end) {
        if (kernel == panel_kernel::portable) return portable::multiply_panels<Q>(o, {begin, end});
        for (std::size_t m = 0; m != o.x.rows; ++m) multiply_by_definition<Q>(o, m, {begin, end});
    });
    return success{};
}

// Rows of row_bytes that go through a workspace at once, in whole tiles of every kernel.
constexpr std::size_t rows_of_round(std::size_t rows, std::size_t row_bytes) noexcept {
    constexpr std::size_t round_bytes = std::size_t{4} << 20, whole_tiles = 48;
    std::size_t const fitting = row_bytes == 0 ? rows : round_bytes / row_bytes / whole_tiles * whole_tiles,
                      most = fitting < whole_tiles ? whole_tiles : fitting;
    return rows < most ? rows : most;
}

// Kernels read floats, with integer weights int8, and one bfloat16. x of another type goes through the workspace, in
// rounds of some rows. `target`: for the conversion.
template <QType Q, class Split>
result<success> multiply_values(panel_kernel kernel, isa target, panel_product const& p, Split const& split) noexcept {
    auto const multiply = [&]<class T>(matrix_view<T const> x, float scale, panel_product const& of) {
        return multiply_operands<Q>(kernel, panel_operands<T>{x, scale, of.w, of.y, of.options}, split);
    };
    if constexpr (!Q::is_floating_point)
        if (p.x.type == dtype::i8) return multiply(p.x.as<std::int8_t>(), p.x.scale, p);
    if (p.x.type == dtype::f32) return multiply(p.x.as<float>(), 1.0f, p);
#if QUANTO_TARGETS_X86
    if constexpr (Q::is_floating_point)
        if (kernel == panel_kernel::avx512bf16) {
            if (p.x.rows != 1)
                return multiply_float8<Q>(
                    isa::avx512, panel_operands<bfloat16>{p.x.as<bfloat16>(), 1.0f, p.w, p.y, p.options}, split);
            kernel = panel_kernel::avx512;  // one row takes less time as floats
        }
#endif
    std::size_t const cols = p.x.cols, round = rows_of_round(p.x.rows, cols * sizeof(float)),
                      bytes = round * cols * sizeof(float);
    workspace space(bytes, p.options.memory);
    if (space.data() == nullptr)
        return error(errc::out_of_memory, "matmul: no memory for a workspace of ", bytes, " bytes");
    auto* const values = reinterpret_cast<float*>(space.data());
    read_values const read = reader_of_values(target, p.x.type);
    for (std::size_t first = 0; first < p.x.rows; first += round) {
        std::size_t const rows = p.x.rows - first < round ? p.x.rows - first : round;
        panel_product const part = p.slice(first, rows);
        split(rows, rows * cols, [&](std::size_t begin, std::size_t end) {
            for (std::size_t m = begin; m != end; ++m) read(part.x.at(m, 0), cols, part.x.scale, values + m * cols);
        });
        if (auto done = multiply(matrix_view<float const>(values, rows, cols), 1.0f, part); !done) return done;
    }
    return success{};
}

// Precondition: kernel is what choose_panel_kernel says of the weight and the kind of x.
template <class Split>
result<success> multiply_panels(panel_kernel kernel, isa target, panel_product const& p, Split const& split) noexcept {
    return p.w.type().visit([&]<QType Q>(Q) { return multiply_values<Q>(kernel, target, p, split); });
}

}  // namespace quanto::inline v0::detail
