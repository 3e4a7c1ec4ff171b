// Batches of products (batch_product.hpp) for every instruction set, by the kernels of single ones. A batch is cut into
// pieces of fixed size, whatever the number of threads: some columns of y[b] (rows, where the rows of w are k).
#pragma once

#include <quanto/kernels/matmul/batch_product.hpp>
#include <quanto/kernels/matmul/kernel_list.hpp>

namespace quanto::inline v0 {

namespace detail {

// The one row of codes after the other, as matmul_int8 walks it.
struct rows_of_codes {
    matrix_view<std::int8_t const> w;
    float scale;
    std::size_t cols, group, groups = 1;

    explicit rows_of_codes(input_matrix const& m) noexcept
        : w(m.as<std::int8_t>()), scale(m.scale), cols(m.cols), group(m.cols) {}
    group_source operator()(std::size_t n, std::size_t) const noexcept {
        return {reinterpret_cast<std::uint8_t const*>(w.row(n)), 0xff, scale, 0.0f};
    }
};

// Memory for one dense_matmul at a time; who asks for more gets none.
struct fixed_memory {
    std::byte* data;
    std::size_t size;
    void* allocate(std::size_t bytes, std::size_t) const noexcept { return bytes <= size ? data : nullptr; }
    void deallocate(void*, std::size_t, std::size_t) const noexcept {}
};

template <class W>
void matmul_by_columns(isa target, matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y,
                       row_range rows) noexcept {
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return avx512::matmul_by_columns(x, w, y, rows);
    if (target == isa::avx2) return avx2::matmul_by_columns(x, w, y, rows);
#endif
    static_cast<void>(target);
    portable::matmul_by_columns(x, w, y, rows);
}

// How a batch is cut.
struct batch_pieces {
    static constexpr std::size_t columns = 240, rows = 96;  // whole strips of dense.inl, whole tiles of by_columns.inl

    bool by_rows;
    std::size_t of_matrix, size, all;

    explicit batch_pieces(batch_product const& p) noexcept
        : by_rows(p.w_rows == batch_axis::k),
          of_matrix(by_rows ? ceil_div(p.m(), rows) : ceil_div(p.n(), columns)),
          size(by_rows ? rows : columns),
          all(p.batches() * of_matrix) {}
};

// Bytes that a piece needs to be multiplied fast: those of dense_matmul.
inline std::size_t piece_bytes(isa target, batch_product const& p) noexcept {
    if (p.w_rows == batch_axis::k || p.x.first.type != dtype::f32) return 0;
    auto const f = dense_functions_of<float>(target);
    if (p.m() < f.lanes) return 0;
    std::size_t const padded = ceil_div(p.k(), f.line) * f.line,
                      bytes = (ceil_div(p.m(), f.panel_cols) * f.panel_cols + f.strip_rows) * padded * sizeof(float);
    return ceil_div(bytes, storage::alignment) * storage::alignment;
}

// Precondition: check(p), K > 0.
inline void multiply_piece(isa target, batch_product const& p, std::size_t piece, fixed_memory memory) noexcept {
    batch_pieces const pieces(p);
    auto const b = p.at(piece / pieces.of_matrix);
    auto const x = p.x[b], w = p.w[b];
    auto const y = p.y[b].as<float>();
    std::size_t const most = pieces.by_rows ? y.rows : y.cols, begin = piece % pieces.of_matrix * pieces.size,
                      end = most - begin < pieces.size ? most : begin + pieces.size;
    if (w.type == dtype::i8)
        return matmul_int8(target, x.as<std::int8_t>(), x.scale, rows_of_codes(w), y, {begin, end});
    visit_element(w.type, [&]<class W>(W) {
        if constexpr (FloatStorage<W>) {
            auto const values = w.template as<W>();
            if (pieces.by_rows) return matmul_by_columns(target, x.as<float>(), values, y, {begin, end});
            auto const here = [](std::size_t n, auto const& task) {
                for (std::size_t i = 0; i != n; ++i) task(i);
            };
            dense_matmul(target, x.as<float>(), matrix_view<W const>(values.row(begin), end - begin, x.cols, w.stride),
                         matrix_view<float>(y.data + begin, y.rows, end - begin, y.stride), 1, here,
                         memory_ref(&memory));
        }
    });
}

}  // namespace detail

// run(n, task) runs tasks 0 .. n - 1, `concurrency` of them at once. Workspace: with that many slots of it, the one of
// dense_matmul each; without memory for it the product is slower. Precondition: check(p), y overlaps no operand.
template <class Run>
void batch_matmul(isa target, batch_product const& p, std::size_t concurrency, Run const& run,
                  memory_ref memory) noexcept {
    if (p.k() == 0) return matmul_reference(p);
    detail::batch_pieces const pieces(p);
    std::size_t const tasks = pieces.all < concurrency ? pieces.all : concurrency,
                      slot = detail::piece_bytes(target, p), bytes = tasks * slot;
    auto* const workspace = bytes == 0 ? nullptr : static_cast<std::byte*>(memory.allocate(bytes, storage::alignment));
    run(tasks, [&](std::size_t t) {
        detail::fixed_memory const mine{workspace + (workspace == nullptr ? 0 : t * slot),
                                        workspace == nullptr ? 0 : slot};
        for (std::size_t i = pieces.all * t / tasks; i != pieces.all * (t + 1) / tasks; ++i)
            detail::multiply_piece(target, p, i, mine);
    });
    if (workspace != nullptr) memory.deallocate(workspace, bytes, storage::alignment);
}

namespace detail {
template <class W, isa I, batch_axis Rows>
inline constexpr kernel_name batch_name{"matmul_batch_",
                                        std::is_same_v<W, float>      ? "f32_f32"
                                        : std::is_same_v<W, float16>  ? "f16_f32"
                                        : std::is_same_v<W, bfloat16> ? "bf16_f32"
                                                                      : "int8_int8",
                                        Rows == batch_axis::n ? "_" : "_by_columns_", name(I)};
}  // namespace detail

// "matmul_batch_bf16_f32_avx512", and where the rows of w are k "matmul_batch_bf16_f32_by_columns_avx512".
inline std::string_view batch_kernel_name(isa target, batch_product const& p) noexcept {
    return visit_element(p.w.first.type, [&]<class W>(W) {
        return with_isa(target, [&]<isa I>(isa_constant<I>) -> std::string_view {
            if (p.w_rows == batch_axis::k) return detail::batch_name<W, I, batch_axis::k>;
            return detail::batch_name<W, I, batch_axis::n>;
        });
    });
}

}  // namespace quanto::inline v0
