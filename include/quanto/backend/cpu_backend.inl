// The products and convolutions of cpu_backend, with all kernels behind them.
#pragma once

#include <cstring>

#include <quanto/kernels/convolution/avx2.hpp>
#include <quanto/kernels/convolution/avx512vnni.hpp>
#include <quanto/kernels/convolution/dense.hpp>
#include <quanto/kernels/floating_point_guard.hpp>
#include <quanto/kernels/matmul/batch.hpp>
#include <quanto/kernels/matmul/kernel_list.hpp>
#include <quanto/kernels/panel/product.hpp>

namespace quanto::inline v0 {

struct cpu_backend::products {
    std::optional<executor_ref> const& executor;
    isa_choice const& choice;
    isa target;

    explicit products(cpu_backend const& b) noexcept : executor(b.executor_), choice(b.isa_), target(b.target()) {}

    template <QType W>
    void multiply(matrix_view<float const> x, qtensor_view<W> const& w, matrix_view<float> y) const noexcept {
        if (x.cols == 0) return matmul_reference(x, w, y);
        detail::weight_rows<W> const rows_of_w(w);
        for_rows(y, x.cols, [&](row_range rows) {
            for_each_matmul_kernel_of<W>([&]<class K>(K) {
                if (K::target == target) K::run(x, rows_of_w, y, rows);
            });
        });
    }
    void multiply(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                  matrix_view<float> y) const noexcept {
        if (x.cols == 0) return matmul_reference(x, x_scale, w, y);
        detail::weight_rows<qint8> const rows_of_w(w);
        for_rows(y, x.cols, [&](row_range rows) { matmul_int8(target, x, x_scale, rows_of_w, y, rows); });
    }
    template <FloatStorage W>
    void multiply(matrix_view<float const> x, matrix_view<W const> w, matrix_view<float> y,
                  memory_ref workspace) const noexcept {
        if (x.cols == 0) return matmul_reference(x, w, y);
        bool const threads = executor && !is_small(y.rows, y.cols, x.cols);
        auto const run_tasks = [&](std::size_t n, auto const& task) { run(n, threads && n > 1, task); };
        dense_matmul(target, x, w, y, threads ? executor->concurrency() : 1, run_tasks, workspace);
    }
    result<success> multiply(batch_product const& p, memory_ref workspace) const noexcept {
        if (auto ok = check(p); !ok) return ok;
        if (p.batches() == 0 || p.m() == 0 || p.n() == 0) return success{};
        bool const threads = executor && !is_small(p.batches() * p.m(), p.n(), p.k());
        batch_matmul(
            choice, p, threads ? executor->concurrency() : 1,
            [&](std::size_t n, auto const& task) { run(n, threads && n > 1, task); }, workspace);
        return success{};
    }
    result<success> multiply(detail::panel_product const& p) const noexcept {
        if (auto ok = check_matmul(p.x.rows, p.x.cols, p.w.rows(), p.w.cols(), p.y.rows, p.y.cols); !ok) return ok;
        if (!p.w.has_values()) return error(errc::out_of_memory, "matmul: the weight is a copy that got no memory");
        if (auto const& bias = p.options.bias; !bias.empty() && bias.size() != p.w.rows())
            return error(errc::shape_mismatch, "matmul: ", bias.size(), " biases for ", p.w.rows(), " rows");
        if (auto const& r = p.options.residual; r.data != nullptr && (r.rows != p.y.rows || r.cols != p.y.cols))
            return error(errc::shape_mismatch, "matmul: a residual of ", r.rows, " x ", r.cols, " for a result of ",
                         p.y.rows, " x ", p.y.cols);
        if (auto const& r = p.options.residual; r.data != nullptr && r.data == p.y.data && r.rows * r.cols != 0)
            return multiply_in_place(p);
        return multiply_apart(p);
    }
    result<success> multiply_apart(detail::panel_product const& p) const noexcept {
        panel_kernel const kernel = choose_panel_kernel(choice, p.w, input_of(p.x.type, p.options.accuracy)).kernel;
        return detail::multiply_panels(kernel, target, p, [&](std::size_t n, std::size_t work, auto const& f) {
            // Below some microseconds of work another thread is no help; four ranges per thread even out their speeds.
            std::size_t const wanted = executor && work >= (std::size_t{1} << 18) ? 4 * executor->concurrency() : 1;
            std::size_t const tasks = n < wanted ? n : wanted;
            run(tasks, tasks > 1, [&](std::size_t i) { f(n * i / tasks, n * (i + 1) / tasks); });
        });
    }
    // Kernels may write a row of y twice: the residual is copied before, some rows at a time. (Sums with float8 weights
    // may have another order than in one product of all rows.)
    result<success> multiply_in_place(detail::panel_product const& p) const noexcept {
        auto const& r = p.options.residual;
        QUANTO_ASSERT((r.rows == 1 || r.stride == p.y.stride) && size_of(r.type) == size_of(p.y.type),
                      "y overlaps the residual");
        std::size_t const row = r.cols * size_of(r.type), round = detail::rows_of_round(r.rows, row);
        detail::workspace copy(round * row, p.options.memory);
        if (copy.data() == nullptr)
            return error(errc::out_of_memory, "matmul: no memory for a workspace of ", round * row, " bytes");
        for (std::size_t first = 0; first < r.rows; first += round) {
            detail::panel_product part = p.slice(first, r.rows - first < round ? r.rows - first : round);
            input_matrix& residual = part.options.residual;
            for (std::size_t m = 0; m != residual.rows; ++m) std::memcpy(copy.data() + m * row, residual.at(m, 0), row);
            residual.data = copy.data();
            residual.stride = residual.cols;
            if (auto done = multiply_apart(part); !done) return done;
        }
        return success{};
    }
    result<bool> convolve(float_convolution const& c) const noexcept {
        if (!c.layout.pads_little() || c.layout.size() == 0) return false;
        std::size_t const places = c.images * c.layout.out.area();
        bool const threads = executor && !is_small(places, c.outputs, c.layout.size());
        auto const done = dense_convolution(target, c, threads ? executor->concurrency() : 1,
                                            [&](std::size_t n, auto const& task) { run(n, threads && n > 1, task); });
        if (!done) return done.error();
        return true;
    }
    kernel_choice explain_convolve(panels const& w) const noexcept {
        auto const product = choose_panel_kernel(choice, w, product_input::int8);
        if (product.kernel == panel_kernel::avx512vnni)
            return {"convolve", "convolve_int8_panel_avx512vnni", product.reason};
        if (product.kernel == panel_kernel::avx2) return {"convolve", "convolve_int8_panel_avx2", product.reason};
        return {};
    }
    result<bool> convolve([[maybe_unused]] int8_convolution const& c) const noexcept {
#if QUANTO_TARGETS_X86
        if (c.layout.pads_little() && !explain_convolve(c.w).kernel.empty()) {
            bool const threads = executor && !is_small(c.layout.out.area(), c.w.rows(), c.w.cols());
            auto const done = detail::convolve_pictures(
                choice.vnni ? detail::avx512vnni::functions_of_pictures : detail::avx2_dot::functions_of_pictures, c,
                [&](std::size_t n, auto const& task) { run(n, threads && n > 1, task); });
            if (!done) return done.error();
            return true;
        }
#endif
        return false;
    }

private:
    // Some microseconds of work or less: it stays on the calling thread.
    static bool is_small(std::size_t m, std::size_t n, std::size_t k) noexcept {
        constexpr std::size_t few = std::size_t{1} << 18;
        return k < few && m * n < few / (k + 1);
    }

    template <class F>
    void for_rows(matrix_view<float> y, std::size_t k, F const& multiply_rows) const noexcept {
        run(ceil_div(y.cols, rows_per_task), executor && !is_small(y.rows, y.cols, k), [&](std::size_t i) {
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
            executor->run(n, guarded);
        else
            inline_executor::run(n, guarded);
    }
};

template <QType Q>
void cpu_backend::matmul(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) const noexcept {
    products(*this).multiply(x, w, y);
}
QUANTO_BODY void cpu_backend::matmul(matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y,
                                     memory_ref workspace) const noexcept {
    products(*this).multiply(x, w, y, workspace);
}
QUANTO_BODY void cpu_backend::matmul(matrix_view<float const> x, matrix_view<float16 const> w, matrix_view<float> y,
                                     memory_ref workspace) const noexcept {
    products(*this).multiply(x, w, y, workspace);
}
QUANTO_BODY void cpu_backend::matmul(matrix_view<float const> x, matrix_view<bfloat16 const> w, matrix_view<float> y,
                                     memory_ref workspace) const noexcept {
    products(*this).multiply(x, w, y, workspace);
}
QUANTO_BODY void cpu_backend::matmul(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                                     matrix_view<float> y) const noexcept {
    products(*this).multiply(x, x_scale, w, y);
}
QUANTO_BODY result<success> cpu_backend::matmul(input_matrix x, panels const& w, output_matrix y,
                                                product_options const& options) const noexcept {
    return products(*this).multiply({x, w, y, options});
}
QUANTO_BODY result<success> cpu_backend::matmul(batch_product const& p, memory_ref workspace) const noexcept {
    return products(*this).multiply(p, workspace);
}
QUANTO_BODY kernel_choice cpu_backend::explain_matmul(batch_product const& p) const noexcept {
    if (p.k() == 0) return {"matmul", "reference", "there is nothing to sum"};
    return {"matmul", batch_kernel_name(isa_, p), isa_.reason};
}
QUANTO_BODY result<bool> cpu_backend::convolve(float_convolution const& c) const noexcept {
    return products(*this).convolve(c);
}
QUANTO_BODY result<bool> cpu_backend::convolve(int8_convolution const& c) const noexcept {
    return products(*this).convolve(c);
}
QUANTO_BODY kernel_choice cpu_backend::explain_convolve() const noexcept {
    return {"convolve", dense_convolution_name(target()), isa_.reason};
}
QUANTO_BODY kernel_choice cpu_backend::explain_convolve(panels const& w) const noexcept {
    return products(*this).explain_convolve(w);
}
template <QType Q>
kernel_choice cpu_backend::explain_matmul(std::size_t, qtensor_view<Q> const& w, product_input input) const noexcept {
    kernel_choice choice{"matmul", {}, isa_.reason};
    if (std::is_same_v<Q, qint8> && input == product_input::int8 && w.layout.groups_per_line() == 1) {
        choice.kernel = matmul_int8_name(target());
        return choice;
    }
    for_each_matmul_kernel_of<Q>([&]<class K>(K) {
        if (K::target == target()) choice.kernel = K::name;
    });
    return choice;
}
QUANTO_BODY kernel_choice cpu_backend::explain_matmul(std::size_t, dtype weight) const noexcept {
    return {"matmul",
            weight == dtype::f16    ? dense_kernel_name<float16>(target())
            : weight == dtype::bf16 ? dense_kernel_name<bfloat16>(target())
                                    : dense_kernel_name<float>(target()),
            "a float weight"};
}

#if defined(QUANTO_IMPLEMENTATION)
#define QUANTO_INSTANTIATE(Q)                                                                               \
    template void cpu_backend::matmul(matrix_view<float const>, qtensor_view<Q> const&, matrix_view<float>) \
        const noexcept;                                                                                     \
    template kernel_choice cpu_backend::explain_matmul(std::size_t, qtensor_view<Q> const&, product_input)  \
        const noexcept
QUANTO_INSTANTIATE(qint2);
QUANTO_INSTANTIATE(qint4);
QUANTO_INSTANTIATE(qint8);
QUANTO_INSTANTIATE(qfloat8_e4m3fn);
QUANTO_INSTANTIATE(qfloat8_e4m3fnuz);
QUANTO_INSTANTIATE(qfloat8_e5m2);
#undef QUANTO_INSTANTIATE
#endif

}  // namespace quanto::inline v0
