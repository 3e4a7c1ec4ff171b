// Products of float8 panels (float8.inl) for AVX2 and AVX-512: multiply_float8<Q>(isa, operands, split).
// Up to 4 rows of x read w once, at the speed of memory; more share what is decoded.
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
}
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

QUANTO_TARGET_BEGIN(QUANTO_AVX512)
#define QUANTO_KERNEL_BYTES 64
namespace avx512 {
#include <quanto/kernels/panel/float8.inl>
}
#undef QUANTO_KERNEL_BYTES
QUANTO_TARGET_END

// The functions of float8.inl for one instruction set.
struct float8_functions {
    using dot = void (*)(panel_operands<float> const&, float const*, std::size_t, float const*, panel_range) noexcept;

    std::size_t panel_cols, strip_rows, strip_line;
    float (*largest_magnitude)(float const*, std::size_t) noexcept;
    float (*pack_dot_row)(panel_layout const&, float const*, float*) noexcept;
    dot dots[4];
    void (*pack_strip)(matrix_view<float const>, std::size_t, std::size_t, float*) noexcept;
    void (*outer)(panel_operands<float> const&, float const*, std::size_t, std::size_t) noexcept;
};

#define QUANTO_FLOAT8_FUNCTIONS(i)                                                                    \
    float8_functions {                                                                                \
        i::panel_cols, i::strip_rows, i::strip_line, &i::largest_magnitude, &i::pack_dot_row<Q>,      \
            {&i::float8_dot<Q, 1>, &i::float8_dot<Q, 2>, &i::float8_dot<Q, 3>, &i::float8_dot<Q, 4>}, \
            &i::pack_strip<float>, &i::float8_outer<Q>                                                \
    }

template <QType Q, class Split>
result<success> multiply_float8(isa target, panel_operands<float> const& o, Split const& split) noexcept {
    float8_functions const f = target == isa::avx512 ? QUANTO_FLOAT8_FUNCTIONS(avx512) : QUANTO_FLOAT8_FUNCTIONS(avx2);
    panel_layout const& w = o.w.layout();
    std::size_t const rows = o.x.rows, cols = o.x.cols;
    if (rows == 0 || w.rows == 0) return success{};
    bool const few = rows <= 4;
    // few: rows of x as float8_dot reads them, 3 floats at most added to a group; then a factor for each.
    std::size_t const padded = ceil_div(few ? cols + 3 * w.groups() : cols, f.strip_line) * f.strip_line;
    std::size_t const floats = (few ? rows : ceil_div(rows, f.strip_rows) * f.strip_rows) * padded + (few ? rows : 0);
    workspace space(floats * sizeof(float), o.options.memory);
    if (space.data() == nullptr)
        return error(errc::out_of_memory, "matmul: no memory for a workspace of ", floats * sizeof(float), " bytes");
    auto* const x = reinterpret_cast<float*>(space.data());
    std::size_t const work = rows * w.rows * cols;
    float* const factors = x + rows * padded;  // of few
    if (few) {
        split(1, rows * cols, [&](std::size_t, std::size_t) {
            for (std::size_t m = 0; m != rows; ++m) factors[m] = f.pack_dot_row(w, o.x.row(m), x + m * padded);
        });
        split(w.panels(), work, [&](std::size_t begin, std::size_t end) {
            f.dots[rows - 1](o, x, padded, factors, {begin, end});
        });
    } else {
        split(ceil_div(rows, f.strip_rows), rows * cols, [&](std::size_t begin, std::size_t end) {
            for (std::size_t s = begin; s != end; ++s)
                f.pack_strip(o.x, s * f.strip_rows, padded, x + s * f.strip_rows * padded);
        });
        split(ceil_div(w.rows, f.panel_cols), work, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i != end; ++i) f.outer(o, x, padded, i * f.panel_cols);
        });
    }
    for (std::size_t m = 0; m != rows; ++m)
        if (float const size = few ? factors[m] : f.largest_magnitude(o.x.row(m), cols); !(size < not_summable))
            split(w.panels(), w.rows * cols, [&](std::size_t begin, std::size_t end) {
                multiply_by_definition<Q>(o, m, {begin, end});
            });
    return success{};
}
#undef QUANTO_FLOAT8_FUNCTIONS

}  // namespace quanto::inline v0::detail

QUANTO_INTRINSICS_END

#endif
