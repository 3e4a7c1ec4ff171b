// Batches of products (batch_product.hpp) for every instruction set, by the kernels of single ones. A batch is cut into
// pieces of fixed size, whatever the number of threads: some columns of y[b] (rows, where the rows of w are k), or, with
// few rows of x, walked along w (batch_walk.hpp).
#pragma once

#include <quanto/kernels/matmul/batch_walk.hpp>
#include <quanto/kernels/matmul/kernel_list.hpp>

namespace quanto::inline v0 {

namespace detail {

// The best kernel of int8 products; AVX-512 without its dot products of bytes takes that of AVX2.
inline void matmul_codes([[maybe_unused]] isa_choice const& choice, int8_product const& p) noexcept {
#if QUANTO_TARGETS_X86
    if (choice.vnni) return avx512vnni_codes::matmul_codes(p);
    if (choice.target != isa::portable) return avx2::matmul_codes(p);
#endif
    portable::matmul_codes(p);
}

// Memory for one piece at a time; who asks for more gets none.
struct fixed_memory {
    std::byte* data;
    std::size_t size;
    void* allocate(std::size_t bytes, std::size_t) const noexcept { return bytes <= size ? data : nullptr; }
    void deallocate(void*, std::size_t, std::size_t) const noexcept {}
};

// The functions of by_columns.inl for one instruction set and storage type.
template <class W>
struct column_functions {
    std::size_t lanes, width;
    void (*by_columns)(matrix_view<float const>, matrix_view<W const>, matrix_view<float>, row_range, bool) noexcept;
    void (*by_packed_columns)(matrix_view<float const>, matrix_view<W const>, matrix_view<float>, float*) noexcept;
};
#define QUANTO_COLUMN_FUNCTIONS(i) \
    column_functions<W> { i::lanes, i::column_tile_width, &i::matmul_by_columns<W>, &i::matmul_by_packed_columns<W> }
template <class W>
column_functions<W> column_functions_of(isa target) noexcept {
#if QUANTO_TARGETS_X86
    if (target == isa::avx512) return QUANTO_COLUMN_FUNCTIONS(avx512);
    if (target == isa::avx2) return QUANTO_COLUMN_FUNCTIONS(avx2);
#endif
    static_cast<void>(target);
    return QUANTO_COLUMN_FUNCTIONS(portable);
}
#undef QUANTO_COLUMN_FUNCTIONS

// How a batch is cut, and which form multiplies a piece.
struct batch_pieces {
    static constexpr std::size_t columns = 192, rows = 96;  // whole strips and tiles of all forms
    static constexpr std::size_t short_rows = 512;          // so many columns of packed floats stay in a cache

    bool by_rows, packs_columns;
    std::size_t of_matrix, size, all;
    std::size_t slot = 0;  // bytes that a piece needs to be multiplied fast

    batch_pieces(isa target, batch_product const& p) noexcept
        : by_rows(p.w_rows == batch_axis::k),
          packs_columns(!by_rows && p.x.first.type == dtype::f32 && p.k() <= short_rows),
          of_matrix(by_rows ? ceil_div(p.m(), rows) : ceil_div(p.n(), columns)),
          size(by_rows ? rows : columns),
          all(p.batches() * of_matrix) {
        auto const f = dense_functions_of<float>(target);
        if (by_rows || p.x.first.type != dtype::f32 || p.m() < f.lanes) return;
        std::size_t const width = column_functions_of<float>(target).width,
                          bytes = packs_columns ? width * ceil_div(p.k(), f.lanes) * f.lanes * sizeof(float)
                                                : dense_workspace(f, p.m(), p.k()).bytes(1);
        slot = ceil_div(bytes, storage::alignment) * storage::alignment;
    }
};

// Precondition: check(p), K > 0.
inline void multiply_piece(isa_choice const& choice, batch_product const& p, batch_pieces const& pieces,
                           std::size_t piece, fixed_memory memory) noexcept {
    isa const target = choice.target;
    auto const b = p.at(piece / pieces.of_matrix);
    auto const x = p.x[b], w = p.w[b];
    auto const y = p.y[b].as<float>();
    std::size_t const most = pieces.by_rows ? y.rows : y.cols, begin = piece % pieces.of_matrix * pieces.size,
                      end = most - begin < pieces.size ? most : begin + pieces.size;
    if (w.type == dtype::i8) {
        std::size_t const m = pieces.by_rows ? begin : 0, n = pieces.by_rows ? 0 : begin,
                          rows = pieces.by_rows ? end - begin : y.rows, cols = pieces.by_rows ? y.cols : end - begin;
        float const *const x_scales = p.x.scales_of(p.x_scales, b), *const w_scales = p.w.scales_of(p.w_scales, b);
        return matmul_codes(
            choice, {x.slice(m, rows).as<std::int8_t>(),
                     pieces.by_rows ? w.as<std::int8_t>() : w.slice(n, cols).as<std::int8_t>(),
                     matrix_view<float>(y.row(m) + n, rows, cols, y.stride), p.w_rows,
                     w_scales == nullptr ? x.scale * w.scale : x.scale, x_scales == nullptr ? nullptr : x_scales + m,
                     w_scales == nullptr ? nullptr : w_scales + n});
    }
    visit_element(w.type, [&]<class W>(W) {
        if constexpr (FloatStorage<W>) {
            auto const values = w.template as<W>();
            auto const f = column_functions_of<W>(target);
            if (pieces.by_rows) return f.by_columns(x.as<float>(), values, y, {begin, end}, false);
            matrix_view<W const> const part(values.row(begin), end - begin, x.cols, w.stride);
            matrix_view<float> const to(y.data + begin, y.rows, end - begin, y.stride);
            if (pieces.packs_columns && memory.size != 0)
                return f.by_packed_columns(x.as<float>(), part, to, reinterpret_cast<float*>(memory.data));
            auto const here = [](std::size_t n, auto const& task) {
                for (std::size_t i = 0; i != n; ++i) task(i);
            };
            dense_matmul(target, x.as<float>(), part, to, 1, here, memory_ref(&memory));
        }
    });
}

}  // namespace detail

// run(n, task) runs tasks 0 .. n - 1, `concurrency` of them at once. Workspace: for each of them the columns of some
// rows of w, or, where K is long, what dense_matmul needs; without memory for it the product is slower.
// Precondition: check(p), y overlaps no operand.
template <class Run>
void batch_matmul(isa_choice const& choice, batch_product const& p, std::size_t concurrency, Run const& run,
                  memory_ref memory) noexcept {
    if (p.k() == 0) return matmul_reference(p);
    bool walked = false;
    visit_element(p.w.first.type, [&]<class W>(W) {
        if constexpr (FloatStorage<W>) {
            auto const f = detail::column_functions_of<W>(choice.target);
            if (p.m() >= f.lanes) return;
            walked = true;
            detail::walk_batch(
                detail::batch_walk<W>{detail::dense_functions_of<W>(choice.target).rows_dot, f.by_columns, p},
                concurrency, run);
        }
    });
    if (walked) return;
    detail::batch_pieces const pieces(choice.target, p);
    std::size_t const tasks = pieces.all < concurrency ? pieces.all : concurrency, slot = pieces.slot,
                      bytes = tasks * slot;
    auto* const workspace = bytes == 0 ? nullptr : static_cast<std::byte*>(memory.allocate(bytes, storage::alignment));
    run(tasks, [&](std::size_t t) {
        detail::fixed_memory const mine{workspace + (workspace == nullptr ? 0 : t * slot),
                                        workspace == nullptr ? 0 : slot};
        for (std::size_t i = pieces.all * t / tasks; i != pieces.all * (t + 1) / tasks; ++i)
            detail::multiply_piece(choice, p, pieces, i, mine);
    });
    if (workspace != nullptr) memory.deallocate(workspace, bytes, storage::alignment);
}

namespace detail {
template <class W, isa I, batch_axis Rows>
inline constexpr kernel_name batch_name{"matmul_batch_",
                                        std::is_same_v<W, float>     ? "f32_f32"
                                        : std::is_same_v<W, float16> ? "f16_f32"
                                                                     : "bf16_f32",
                                        Rows == batch_axis::n ? "_" : "_by_columns_", name(I)};
}  // namespace detail

// "matmul_batch_bf16_f32_avx512", and where the rows of w are k "matmul_batch_bf16_f32_by_columns_avx512".
inline std::string_view batch_kernel_name(isa_choice const& choice, batch_product const& p) noexcept {
    if (p.w.first.type == dtype::i8)
        return choice.vnni                      ? "matmul_batch_int8_int8_avx512vnni"
               : choice.target != isa::portable ? "matmul_batch_int8_int8_avx2"
                                                : "matmul_batch_int8_int8_portable";
    return visit_element(p.w.first.type, [&]<class W>(W) {
        return with_isa(choice.target, [&]<isa I>(isa_constant<I>) -> std::string_view {
            if (p.w_rows == batch_axis::k) return detail::batch_name<W, I, batch_axis::k>;
            return detail::batch_name<W, I, batch_axis::n>;
        });
    });
}

}  // namespace quanto::inline v0
