// Products of float weights in their storage type: y = x * transposed(w), w of float, float16 or bfloat16.
//     dense_kernel_name<float16>(isa::avx2) == "matmul_f16_f32_avx2"       (kernel_list.hpp)
//     dense_matmul<float16>(isa, x, w, y, concurrency, run, memory)        chooses between the two forms of dense.inl
// Rows of y are the same for every number of threads. Workspace (dense_workspace), M and K padded: M * K floats, and for
// each thread 24 * K and a tile, or where K is cut at most 4 * 24 * (384 + M); none where M is less than the lanes of a
// vector or N too small to copy x for. Without memory for it, the form for few rows does the work.
#pragma once

#include <quanto/core/memory.hpp>
#include <quanto/kernels/matmul/simd.hpp>
#include <quanto/tensor/storage.hpp>

namespace quanto::inline v0 {

namespace detail {

// The functions of dense.inl for one instruction set and storage type.
template <class W>
struct dense_functions {
    std::size_t lanes, panel_cols, strip_rows, line, longest_block, most_strips, tile_floats;
    void (*rows_dot)(matrix_view<float const>, matrix_view<W const>, matrix_view<float>, row_range) noexcept;
    void (*pack_panel)(matrix_view<float const>, std::size_t, dense_blocks const&, float*) noexcept;
    void (*multiply_strips)(float const*, matrix_view<W const>, row_range, dense_blocks const&, matrix_view<float>,
                            float*) noexcept;
    void (*pack_strip)(matrix_view<W const>, std::size_t, std::size_t, std::size_t, float*) noexcept;
    void (*multiply_tile)(float const*, std::size_t, float const*, std::size_t, std::size_t, float*, bool) noexcept;
};

#define QUANTO_DENSE_FUNCTIONS(i)                                                                                \
    dense_functions<W> {                                                                                         \
        i::lanes, i::panel_cols, i::strip_rows, i::strip_line, i::longest_block, i::most_strips, i::tile_floats, \
            &i::rows_dot<W>, &i::pack_panel, &i::multiply_strips<W>, &i::pack_strip<W>, &i::multiply_tile        \
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

// K in blocks of about the same length, and the floats that are copied and summed: x once, the rest by each task.
struct dense_workspace {
    static constexpr std::size_t longest_whole = 1024, fewest_panels = 4;  // K is cut beyond one and from the other on

    dense_blocks blocks;
    std::size_t panels, of_task;

    template <class W>
    dense_workspace(dense_functions<W> const& f, std::size_t m, std::size_t k) noexcept {
        std::size_t const lines = ceil_div(k, f.line), count = ceil_div(m, f.panel_cols);
        blocks.padded = lines * f.line;
        bool const whole = f.most_strips == 1 || count < fewest_panels || blocks.padded <= longest_whole;
        blocks.k = whole ? blocks.padded : ceil_div(lines, ceil_div(blocks.padded, f.longest_block)) * f.line;
        blocks.strips = whole ? 1 : f.most_strips;
        panels = count * f.panel_cols * blocks.padded;
        of_task = blocks.strips * (f.strip_rows * blocks.k + (blocks.is_one() ? 1 : count) * f.tile_floats);
    }
    std::size_t bytes(std::size_t tasks) const noexcept { return (panels + tasks * of_task) * sizeof(float); }
};

}  // namespace detail

// run(n, task) runs tasks 0 .. n - 1, `concurrency` of them at once. Precondition: K >= 1, shapes fit.
template <FloatStorage W, class Run>
void dense_matmul(isa target, matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y,
                  std::size_t concurrency, Run const& run, memory_ref memory) noexcept {
    constexpr std::size_t rows_per_task = 32;
    auto const f = detail::dense_functions_of<W>(target);
    std::size_t const strips = ceil_div(w.rows, f.strip_rows), tasks = strips < concurrency ? strips : concurrency;
    detail::dense_workspace const floats(f, x.rows, x.cols);
    std::size_t const bytes = floats.bytes(tasks);
    bool const few = x.rows < f.lanes || (w.rows <= f.strip_rows / 2 && w.rows <= x.cols / 8);
    auto* const workspace = few ? nullptr : static_cast<float*>(memory.allocate(bytes, storage::alignment));
    if (workspace == nullptr)
        return run(ceil_div(w.rows, rows_per_task), [&](std::size_t i) {
            std::size_t const begin = i * rows_per_task;
            f.rows_dot(x, w, y, {begin, w.rows - begin < rows_per_task ? w.rows : begin + rows_per_task});
        });
    run(ceil_div(x.rows, f.panel_cols), [&](std::size_t i) { f.pack_panel(x, i, floats.blocks, workspace); });
    run(tasks, [&](std::size_t i) {
        std::size_t const begin = strips * i / tasks * f.strip_rows, end = strips * (i + 1) / tasks * f.strip_rows;
        f.multiply_strips(workspace, w, {begin, end < w.rows ? end : w.rows}, floats.blocks, y,
                          workspace + floats.panels + i * floats.of_task);
    });
    memory.deallocate(workspace, bytes, storage::alignment);
}

}  // namespace quanto::inline v0
