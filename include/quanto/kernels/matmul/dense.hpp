// Products of float weights in their storage type: y = x * transposed(w), w of float, float16 or bfloat16.
//     dense_kernel_name<float16>(isa::avx2) == "matmul_f16_f32_avx2"       (kernel_list.hpp)
//     dense_matmul<float16>(isa, x, w, y, concurrency, run, memory)        chooses between the two forms of dense.inl
// Rows of y are the same for every number of threads. Workspace: (M + 24 * threads) * K floats where M is at least the
// lanes of a vector and N large enough to copy x for; without memory for it, the form for few rows does the work.
#pragma once

#include <quanto/core/memory.hpp>
#include <quanto/kernels/matmul/simd.hpp>
#include <quanto/tensor/storage.hpp>

namespace quanto::inline v0 {

namespace detail {

// The functions of dense.inl for one instruction set and storage type.
template <class W>
struct dense_functions {
    std::size_t lanes, panel_cols, strip_rows, line;
    void (*rows_dot)(matrix_view<float const>, matrix_view<W const>, matrix_view<float>, row_range) noexcept;
    void (*pack_panel)(matrix_view<float const>, std::size_t, std::size_t, float*) noexcept;
    void (*pack_strip)(matrix_view<W const>, std::size_t, std::size_t, float*) noexcept;
    void (*multiply_strip)(float const*, float const*, std::size_t, matrix_view<float>, std::size_t) noexcept;
    void (*multiply_tile)(float const*, std::size_t, float const*, std::size_t, std::size_t, float*) noexcept;
};

#define QUANTO_DENSE_FUNCTIONS(i)                                                                                  \
    dense_functions<W> {                                                                                           \
        i::lanes, i::panel_cols, i::strip_rows, i::strip_line, &i::rows_dot<W>, &i::pack_panel, &i::pack_strip<W>, \
            &i::multiply_strip, &i::multiply_tile                                                                  \
    }
template <class W>
dense_functions<W> dense_functions_of(isa target) noexcept {
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return QUANTO_DENSE_FUNCTIONS(avx512);
    if (target == isa::avx2) return QUANTO_DENSE_FUNCTIONS(avx2);
#endif
    static_cast<void>(target);
    return QUANTO_DENSE_FUNCTIONS(portable);
}
#undef QUANTO_DENSE_FUNCTIONS

}  // namespace detail

// run(n, task) runs tasks 0 .. n - 1, `concurrency` of them at once. Precondition: K >= 1, shapes fit.
template <FloatStorage W, class Run>
void dense_matmul(isa target, matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y,
                  std::size_t concurrency, Run const& run, memory_ref memory) noexcept {
    constexpr std::size_t rows_per_task = 32;
    auto const f = detail::dense_functions_of<W>(target);
    std::size_t const padded = ceil_div(x.cols, f.line) * f.line, strips = ceil_div(w.rows, f.strip_rows),
                      tasks = strips < concurrency ? strips : concurrency;
    std::size_t const panel_floats = ceil_div(x.rows, f.panel_cols) * f.panel_cols * padded,
                      strip_floats = f.strip_rows * padded,
                      bytes = (panel_floats + tasks * strip_floats) * sizeof(float);
    bool const few = x.rows < f.lanes || (w.rows <= f.strip_rows / 2 && w.rows <= x.cols / 8);
    auto* const workspace = few ? nullptr : static_cast<float*>(memory.allocate(bytes, storage::alignment));
    if (workspace == nullptr)
        return run(ceil_div(w.rows, rows_per_task), [&](std::size_t i) {
            std::size_t const begin = i * rows_per_task;
            f.rows_dot(x, w, y, {begin, w.rows - begin < rows_per_task ? w.rows : begin + rows_per_task});
        });
    run(ceil_div(x.rows, f.panel_cols), [&](std::size_t i) { f.pack_panel(x, i, padded, workspace); });
    run(tasks, [&](std::size_t i) {
        float* const strip = workspace + panel_floats + i * strip_floats;
        for (std::size_t s = strips * i / tasks; s != strips * (i + 1) / tasks; ++s) {
            f.pack_strip(w, s * f.strip_rows, padded, strip);
            f.multiply_strip(workspace, strip, padded, y, s * f.strip_rows);
        }
    });
    memory.deallocate(workspace, bytes, storage::alignment);
}

}  // namespace quanto::inline v0
