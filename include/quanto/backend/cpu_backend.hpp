// cpu_backend = the fastest kernels (kernels/matmul/kernel_list.hpp) that this processor runs.
//     explain_matmul(M, w)  which kernel a product uses, and why
//     prepare(w)            the weight in the layout that the fastest kernels read (kernels/panel/layout.hpp)
// The rows of w are split over the executor in tiles of fixed size: results do not depend on the number of threads.
// |error of y[m][n]| <= (K + 4) * 2^-24 * sum_k |x[m][k]| * (|code * scale| + |shift|); the integer product is exact.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <quanto/backend/backend.hpp>
#include <quanto/backend/executor.hpp>
#include <quanto/kernels/floating_point_guard.hpp>
#include <quanto/kernels/matmul/kernel_list.hpp>
#include <quanto/kernels/matmul/reference.hpp>
#include <quanto/kernels/panel/product.hpp>

namespace quanto::inline v0 {

struct cpu_options {
    std::optional<executor_ref> executor{};  // nothing: the calling thread
    std::string_view force_isa{};            // cap: "portable", "avx2", "avx512"; empty: the best there is
};

class cpu_backend {
public:
    static constexpr std::size_t rows_per_task = 32;

    explicit cpu_backend(cpu_options const& options = {}) noexcept
        : executor_(options.executor), isa_(choose_isa(options.force_isa)) {}
    static constexpr std::string_view name() noexcept { return "cpu"; }

    template <QType Q>
    void matmul(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) const noexcept {
        if (x.cols == 0) return matmul_reference(x, w, y);
        multiply<Q>(x, detail::weight_rows<Q>(w), y);
    }
    // Float weights in their storage type. Workspace, where x has many rows: a copy of x as f32, and 24 rows of w for
    // each thread; without it the product is slower.
    void matmul(matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept {
        multiply_dense(x, w, y, workspace);
    }
    void matmul(matrix_view<float const> x, matrix_view<float16 const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept {
        multiply_dense(x, w, y, workspace);
    }
    void matmul(matrix_view<float const> x, matrix_view<bfloat16 const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept {
        multiply_dense(x, w, y, workspace);
    }
    void matmul(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                matrix_view<float> y) const noexcept {
        if (x.cols == 0) return matmul_reference(x, x_scale, w, y);
        detail::weight_rows<qint8> const rows_of_w(w);
        for_rows(y, x.cols, [&](row_range rows) { matmul_int8(target(), x, x_scale, rows_of_w, y, rows); });
    }

    bool prepares(any_qtype type) const noexcept { return has_panel_kernel(isa_, type); }
    // The weight as panels. Cost: one pass. Errors: out_of_memory.
    result<panels> prepare(any_qtensor const& w, memory_ref memory = {}) const noexcept {
        return panels::pack(w, memory);
    }
    // y = activation(x * w^T + bias). Errors: shape_mismatch, out_of_memory (for the workspace, options.memory).
    result<success> matmul(matrix_view<float const> x, panels const& w, matrix_view<float> y,
                           product_options const& options = {}) const noexcept {
        return multiply_panels(detail::panel_operands<float>{x, 1.0f, w, y, options}, input_of(options));
    }
    // x has the values x8 * x_scale.
    result<success> matmul(matrix_view<std::int8_t const> x8, float x_scale, panels const& w, matrix_view<float> y,
                           product_options const& options = {}) const noexcept {
        return multiply_panels(detail::panel_operands<std::int8_t>{x8, x_scale, w, y, options}, product_input::int8);
    }
    kernel_choice explain_matmul(std::size_t, panels const& w,
                                 product_input input = product_input::f32) const noexcept {
        auto const choice = choose_panel_kernel(isa_, w, input);
        return {"matmul", choice.name, choice.reason};
    }

    template <QType Q>
    kernel_choice explain_matmul(std::size_t, qtensor_view<Q> const&) const noexcept {
        kernel_choice choice{"matmul", {}, {}};
        for_each_matmul_kernel_of<Q>([&]<class K>(K) {
            if (K::target == target()) choice.kernel = K::name;
        });
        choice.reason = isa_.reason;
        return choice;
    }

private:
    isa target() const noexcept {
        if constexpr (static_isa) return detect_isa();
        return isa_.target;
    }

    static constexpr product_input input_of(product_options const& options) noexcept {
        return options.accuracy == product_accuracy::exact ? product_input::f32 : product_input::dynamic_int8;
    }

    template <class T>
    result<success> multiply_panels(detail::panel_operands<T> const& o, product_input input) const noexcept {
        if (auto ok = check_matmul(o.x.rows, o.x.cols, o.w.rows(), o.w.cols(), o.y.rows, o.y.cols); !ok) return ok;
        if (!o.options.bias.empty() && o.options.bias.size() != o.w.rows())
            return error(errc::shape_mismatch, "matmul: ", o.options.bias.size(), " biases for ", o.w.rows(), " rows");
        panel_kernel const kernel = choose_panel_kernel(isa_, o.w, input).kernel;
        return detail::multiply_panels(kernel, o, [&](std::size_t n, std::size_t work, auto const& f) {
            // Below some microseconds of work another thread is no help; four ranges per thread even out their speeds.
            std::size_t const wanted = executor_ && work >= (std::size_t{1} << 18) ? 4 * executor_->concurrency() : 1;
            std::size_t const tasks = n < wanted ? n : wanted;
            run(tasks, tasks > 1, [&](std::size_t i) { f(n * i / tasks, n * (i + 1) / tasks); });
        });
    }

    template <FloatStorage W>
    void multiply_dense(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y,
                        memory_ref workspace) const noexcept {
        if (x.cols == 0) return matmul_reference(x, w, y);
        bool const threads = executor_ && !is_small(y, x.cols);
        auto const run_tasks = [&](std::size_t n, auto const& task) { run(n, threads && n > 1, task); };
        dense_matmul(target(), x, w, y, threads ? executor_->concurrency() : 1, run_tasks, workspace);
    }

    template <QType W>
    void multiply(matrix_view<float const> x, detail::weight_rows<W> const& w, matrix_view<float> y) const noexcept {
        for_rows(y, x.cols, [&](row_range rows) {
            for_each_matmul_kernel_of<W>([&]<class K>(K) {
                if (K::target == target()) K::run(x, w, y, rows);
            });
        });
    }

    // Some microseconds of work or less: it stays on the calling thread.
    static bool is_small(matrix_view<float> y, std::size_t k) noexcept {
        return y.rows * y.cols < (std::size_t{1} << 18) / (k + 1);
    }

    template <class F>
    void for_rows(matrix_view<float> y, std::size_t k, F const& multiply_rows) const noexcept {
        run(ceil_div(y.cols, rows_per_task), executor_ && !is_small(y, k), [&](std::size_t i) {
            std::size_t const begin = i * rows_per_task;
            multiply_rows({begin, y.cols - begin < rows_per_task ? y.cols : begin + rows_per_task});
        });
    }

    // task(0 .. n - 1), each in a guard of its own: its thread may not be the caller's.
    template <class F>
    void run(std::size_t n, bool threads, F const& task) const noexcept {
        auto const guarded = [&](std::size_t i) {
            floating_point_guard const guard;
            task(i);
        };
        if (threads)
            executor_->run(n, guarded);
        else
            inline_executor::run(n, guarded);
    }

    std::optional<executor_ref> executor_;
    isa_choice isa_;
};

static_assert(Backend<cpu_backend>);

}  // namespace quanto::inline v0
