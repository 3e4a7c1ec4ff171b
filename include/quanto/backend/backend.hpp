// A Backend multiplies. x (M, K), w (N, K) quantized along axis::first with any group, y (M, N):
//     b.matmul(x, w, y)            y[m][n] = sum_k x[m][k] * w[n][k]         w of every qtype, or float
//     b.matmul(x8, x_scale, w, y)  y[m][n] = float(sum_k x8[m][k] * code[n][k]) * (x_scale * scale[n])
// The members trust their operands; the free function checks them and also takes tensors:
//     matmul(b, x, w, y)           result<success>
// A PreparingBackend also multiplies with panels, the layout of kernels/panel/layout.hpp, with an epilogue; those
// members check their operands themselves:
//     b.prepares(qtype)                              whether it pays: the portable form is slower
//     b.prepare(w, memory)                           result<panels>
//     b.matmul(x, panels, y, options)                y = activation(x * w^T + bias) + residual
// x and y of every element type (tensor/any_matrix_view.hpp): float, float16, bfloat16, and codes, {x8, x_scale}.
// A BatchingBackend multiplies many small matrices at once (kernels/matmul/batch_product.hpp):
//     b.matmul(batch, workspace)   b.explain_matmul(batch)
// An ExplainingBackend says which kernel it uses, and why:
//     b.explain_matmul(M, w)   b.explain_matmul(M, panels, input)        kernel_choice
// In all of them, and where convolutions are a backend's, y holds anything before and is written whole, also where
// there is nothing to sum.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <quanto/kernels/convolution/operands.hpp>
#include <quanto/kernels/matmul/batch_product.hpp>
#include <quanto/kernels/panel/choice.hpp>
#include <quanto/kernels/panel/panels.hpp>
#include <quanto/kernels/panel/product_options.hpp>
#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

namespace detail {
template <class B, class Q>
concept multiplies = requires(B const& b, matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) {
    { b.matmul(x, w, y) }
    noexcept->std::same_as<void>;
};
template <class B, class... Qs>
concept multiplies_all = (multiplies<B, Qs> && ...);
}  // namespace detail

template <class B>
concept Backend = requires(B const& b, matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y,
                           matrix_view<std::int8_t const> x8, float x_scale, qtensor_view<qint8> const& w8) {
    { b.name() }
    noexcept->std::convertible_to<std::string_view>;
    { b.matmul(x, w, y) }
    noexcept->std::same_as<void>;
    { b.matmul(x8, x_scale, w8, y) }
    noexcept->std::same_as<void>;
}
&&detail::multiplies_all<B, qint2, qint4, qint8, qfloat8_e4m3fn, qfloat8_e4m3fnuz, qfloat8_e5m2>;

// Float weights in their storage type, with memory for a workspace.
template <class B>
concept StorageBackend = Backend<B> &&
    requires(B const& b, matrix_view<float const> x, matrix_view<float const> w, matrix_view<float16 const> w16,
             matrix_view<bfloat16 const> wb16, matrix_view<float> y, memory_ref workspace) {
    { b.matmul(x, w, y, workspace) }
    noexcept->std::same_as<void>;
    { b.matmul(x, w16, y, workspace) }
    noexcept->std::same_as<void>;
    { b.matmul(x, wb16, y, workspace) }
    noexcept->std::same_as<void>;
};

// Errors of prepare: out_of_memory; of the products: shape_mismatch, out_of_memory (for the workspace, options.memory).
template <class B>
concept PreparingBackend = Backend<B> && requires(B const& b, any_qtensor const& w, memory_ref memory, panels const& p,
                                                  input_matrix x, output_matrix y, product_options const& options) {
    { b.prepares(w.type()) }
    noexcept->std::same_as<bool>;
    { b.prepare(w, memory) }
    noexcept->std::same_as<result<panels>>;
    { b.matmul(x, p, y, options) }
    noexcept->std::same_as<result<success>>;
};

// Which kernel computes a product, and why this one.
struct kernel_choice {
    std::string_view op, kernel, reason;
};

template <class B>
concept ExplainingBackend = Backend<B> &&
    requires(B const& b, std::size_t m, qtensor_view<qint8> const& w, panels const& p, product_input input) {
    { b.explain_matmul(m, w) }
    noexcept->std::same_as<kernel_choice>;
    { b.explain_matmul(m, p, input) }
    noexcept->std::same_as<kernel_choice>;
};

// Errors: shape_mismatch, unsupported.
template <class B>
concept BatchingBackend = Backend<B> && requires(B const& b, batch_product const& p, memory_ref workspace) {
    { b.matmul(p, workspace) }
    noexcept->std::same_as<result<success>>;
    { b.explain_matmul(p) }
    noexcept->std::same_as<kernel_choice>;
};

// One that also convolves without patches. True: it is done; false: there is no kernel for it. Errors: out_of_memory.
// explain_convolve: the kernel of float convolutions, and of int8 ones with these weights (none: empty).
template <class B>
concept ConvolvingBackend = Backend<B> &&
    requires(B const& b, float_convolution const& c, int8_convolution const& c8, panels const& w) {
    { b.convolve(c) }
    noexcept->std::same_as<result<bool>>;
    { b.convolve(c8) }
    noexcept->std::same_as<result<bool>>;
    { b.explain_convolve() }
    noexcept->std::same_as<kernel_choice>;
    { b.explain_convolve(w) }
    noexcept->std::same_as<kernel_choice>;
};

// The shapes of a product, checked. Errors: shape_mismatch, naming them.
inline result<success> check_matmul(std::size_t x_rows, std::size_t x_cols, std::size_t w_rows, std::size_t w_cols,
                                    std::size_t y_rows, std::size_t y_cols) noexcept {
    if (x_cols == w_cols && y_rows == x_rows && y_cols == w_rows) return success{};
    return error(errc::shape_mismatch, "matmul: x is (", x_rows, ", ", x_cols, "), w (", w_rows, ", ", w_cols, "), y (",
                 y_rows, ", ", y_cols, "): needs (M, K), (N, K), (M, N)");
}

template <Backend B, QType Q>
result<success> matmul(B const& backend, matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) {
    if (w.layout.along() != axis::first && w.layout.lines() != 0)
        return error(errc::unsupported, "matmul: the weight must be quantized along axis::first");
    if (auto ok = check_matmul(x.rows, x.cols, w.rows(), w.cols(), y.rows, y.cols); !ok) return ok;
    return backend.matmul(x, w, y), success{};
}

template <Backend B>
result<success> matmul(B const& backend, matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y) {
    if (auto ok = check_matmul(x.rows, x.cols, w.rows, w.cols, y.rows, y.cols); !ok) return ok;
    return backend.matmul(x, w, y), success{};
}

template <StorageBackend B, FloatStorage S>
result<success> matmul(B const& backend, matrix_view<float const> x, matrix_view<S const> w, matrix_view<float> y,
                       memory_ref workspace = {}) {
    if (auto ok = check_matmul(x.rows, x.cols, w.rows, w.cols, y.rows, y.cols); !ok) return ok;
    return backend.matmul(x, w, y, workspace), success{};
}

template <Backend B>
result<success> matmul(B const& backend, matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                       matrix_view<float> y) {
    if (w.layout.along() != axis::first && w.layout.lines() != 0)
        return error(errc::unsupported, "matmul: the weight must be quantized along axis::first");
    if (auto ok = check_matmul(x.rows, x.cols, w.rows(), w.cols(), y.rows, y.cols); !ok) return ok;
    return backend.matmul(x, x_scale, w, y), success{};
}

template <Backend B, QType Q, axis Axis, group Group, class Extents>
result<success> matmul(B const& backend, matrix_view<float const> x, QTensor<Q, Axis, Group, Extents> const& w,
                       matrix_view<float> y) {
    return matmul(backend, x, qtensor_view<Q>(w), y);
}

template <Backend B>
result<success> matmul(B const& backend, matrix_view<float const> x, any_qtensor const& w, matrix_view<float> y) {
    return w.visit([&]<QType Q>(qtensor_view<Q> const& v) { return matmul(backend, x, v, y); });
}

}  // namespace quanto::inline v0
