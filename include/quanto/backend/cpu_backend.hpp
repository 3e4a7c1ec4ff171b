// cpu_backend = the fastest kernels (kernels/matmul/kernel_list.hpp) that this processor runs.
//     explain_matmul(M, w)  which kernel a product uses, and why
//     prepare(w)            the weight in the layout that the fastest kernels read (kernels/panel/layout.hpp)
// The rows of w are split over the executor in tiles of fixed size: results do not depend on the number of threads.
// |error of y[m][n]| <= (K + 4) * 2^-24 * sum_k |x[m][k]| * a[n][k], a = |code * scale| + |shift|; sums of int8 times qint8
// are exact. Prepared weights: kernels/panel/avx512vnni.hpp and float8.hpp have the bounds; where float x is cut into
// digits, 2^-24 * sum_k a * ((B + 10) * |x| + 1.01 * X), of B blocks of 256 elements at most, X the largest |x| of one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <quanto/backend/backend.hpp>
#include <quanto/backend/executor.hpp>

namespace quanto::inline v0 {

struct cpu_options {
    std::optional<executor_ref> executor{};  // nothing: the calling thread
    std::string_view force_isa{};            // cap: "portable", "avx2", "avx512", "neon_dot"; empty: the best there is
};

class cpu_backend {
public:
    static constexpr std::size_t rows_per_task = 32;

    explicit cpu_backend(cpu_options const& options = {}) noexcept
        : executor_(options.executor), isa_(choose_isa(options.force_isa)) {}
    static constexpr std::string_view name() noexcept { return "cpu"; }
    isa target() const noexcept {
        if constexpr (static_isa) return detect_isa();
        return isa_.target;
    }

    template <QType Q>
    void matmul(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) const noexcept;
    // Float weights in their storage type. Workspace, where x has many rows: a copy of x as f32, and for each thread
    // 24 rows of w, or of long ones parts of 96 with their sums (kernels/matmul/dense.hpp); without it the product is
    // slower.
    void matmul(matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept;
    void matmul(matrix_view<float const> x, matrix_view<float16 const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept;
    void matmul(matrix_view<float const> x, matrix_view<bfloat16 const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept;
    // Precondition: K <= longest_int8_sum.
    void matmul(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                matrix_view<float> y) const noexcept;
    template <QType Q>
    kernel_choice explain_matmul(std::size_t m, qtensor_view<Q> const& w,
                                 product_input input = product_input::f32) const noexcept;
    // Of a float weight. Precondition: is_float_storage(weight).
    kernel_choice explain_matmul(std::size_t m, dtype weight) const noexcept;
    // Many small products. Errors: shape_mismatch, unsupported element types. Workspace, where x[b] has many rows: for
    // each thread what a float product takes; without it the product is slower.
    result<success> matmul(batch_product const& p, memory_ref workspace = {}) const noexcept;
    // Precondition: check(p).
    kernel_choice explain_matmul(batch_product const& p) const noexcept;

    bool prepares(any_qtype type) const noexcept { return has_panel_kernel(isa_, type); }
    // The weight as panels. Cost: one pass. Errors: out_of_memory. A product of one row reads memory as fast as the pages
    // allow: measured on Zen 4, 30 GB/s of those of 2 MiB (MADV_HUGEPAGE, by `memory`), 17 of those of 4 KiB.
    result<panels> prepare(any_qtensor const& w, memory_ref memory = {}) const noexcept {
        return panels::pack(w, memory);
    }
    // y = activation(x * w^T + bias) + residual, x and y of any element type. Precondition: y does not overlap x or the
    // bias, nor a residual other than itself (same stride, elements of the same size), of which some rows are copied
    // first (4 MiB, or 48 rows). Errors: shape_mismatch, out_of_memory (for the workspace, options.memory; a copy of w
    // that got none); y then holds anything, also where it is the residual.
    result<success> matmul(input_matrix x, panels const& w, output_matrix y,
                           product_options const& options = {}) const noexcept;
    // True: it is done; false: there is no kernel for it. Errors: out_of_memory.
    result<bool> convolve(float_convolution const& c) const noexcept;
    result<bool> convolve(int8_convolution const& c) const noexcept;
    kernel_choice explain_convolve() const noexcept;
    kernel_choice explain_convolve(panels const& w) const noexcept;
    kernel_choice explain_matmul(std::size_t, panels const& w,
                                 product_input input = product_input::f32) const noexcept {
        auto const choice = choose_panel_kernel(isa_, w, input);
        return {"matmul", choice.name, choice.reason};
    }

private:
    struct products;  // cpu_backend.inl

    std::optional<executor_ref> executor_;
    isa_choice isa_;
};

static_assert(BatchingBackend<cpu_backend> && PreparingBackend<cpu_backend>);

}  // namespace quanto::inline v0

#if QUANTO_HAS_BODIES
#include <quanto/backend/cpu_backend.inl>
#endif
