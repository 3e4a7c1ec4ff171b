// What a product with panels is given, and its definition. x (M, K), w (N, K) in panels, y (M, N):
//     x of int8, w qint8   y[m][n] = f(sum_g float(sum_{k in g} x[m][k] * code[n][k]) * (x_scale * scale[n][g]))
//                          the inner sum an exact int32, the outer one float32, in the order of the groups
//     others               y[m][n] = f(float(sum_k double(x[m][k]) * double(w[n][k])))     x: its values in float
// f: what epilogue.hpp says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <quanto/kernels/panel/epilogue.hpp>
#include <quanto/kernels/panel/panels.hpp>

namespace quanto::inline v0::detail {

// As the caller gives it. Precondition: the shapes fit, bias has a value per row of w or none, residual one per y or
// none, y overlaps no operand.
struct panel_product {
    input_matrix x;
    panels const& w;
    output_matrix y;
    product_options options;

    // Of `count` rows of x, from `first` on.
    panel_product slice(std::size_t first, std::size_t count) const noexcept {
        panel_product part{x.slice(first, count), w, y.slice(first, count), options};
        if (options.residual.data != nullptr) part.options.residual = options.residual.slice(first, count);
        return part;
    }
};

// As kernels read it: T is float or int8.
template <class T>
struct panel_operands {
    matrix_view<T const> x;
    float x_scale;  // of int8
    panels const& w;
    output_matrix y;
    product_options const& options;
};

// The same for code of no instruction set in particular.
template <std::size_t N>
__attribute__((noinline)) void finish_plainly(product_options const& o, output_matrix const& y, float (&v)[N],
                                              std::size_t m, std::size_t n, std::size_t count) noexcept {
    finish_outputs(o, y, &v, 1, m, n, count);
}

template <QType Q, class T>
void multiply_by_definition(panel_operands<T> const& o, std::size_t m, panel_range range) noexcept {
    auto const& layout = o.w.layout();
    std::size_t const rows = layout.panel_rows, end = range.end * rows < layout.rows ? range.end * rows : layout.rows;
    for (std::size_t n = range.begin * rows; n < end; ++n) {
        float y[1] = {}, &v = y[0];
        if constexpr (std::is_same_v<T, std::int8_t> && std::is_same_v<Q, qint8>) {
            for (std::size_t g = 0, k = 0; g != layout.groups(); ++g) {
                std::int64_t sum = 0;
                for (std::size_t const last = k + layout.size_of_group(g); k != last; ++k)
                    sum += std::int64_t{o.x(m, k)} * static_cast<std::int8_t>(o.w.template code<Q>(n, k));
                v += rounded(static_cast<float>(sum) * (o.x_scale * o.w.scale(n, g)));
            }
        } else {
            double sum = 0.0;
            for (std::size_t k = 0; k != o.x.cols; ++k) {
                float a = static_cast<float>(o.x(m, k));
                if constexpr (std::is_same_v<T, std::int8_t>) a *= o.x_scale;
                sum += static_cast<double>(a) * static_cast<double>(o.w.template value<Q>(n, k));
            }
            v = static_cast<float>(sum);
        }
        finish_plainly(o.options, o.y, y, m, n, 1);
    }
}

// Kernels may sum a row of x in float32 as they like where all |x| < not_summable: no product of a code overflows.
// Other rows follow the definition.
inline constexpr float not_summable = 0x1p100f;
inline bool is_summable(float const* x, std::size_t n) noexcept {
    bool ok = true;
    for (std::size_t k = 0; k != n; ++k) ok &= absolute(x[k]) < not_summable;
    return ok;
}

}  // namespace quanto::inline v0::detail
