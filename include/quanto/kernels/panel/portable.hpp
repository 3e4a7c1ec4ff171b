// Products with panels in plain C++, for every qtype, group and shape. Per panel of 16 rows and group,
//     total[r] += scale[r] * sum_k code[r][k] * x[k] - shift[r] * sum_k x[k]
// in float32 with k ascending, or with int8 x in exact int32 and with the two products rounded one by one; then, for
// int8 x, times x_scale (of qint8: total[r] += sum * (x_scale * scale[r])).
// |error of y[m][n]| <= (K + 4) * 2^-24 * sum_k |x[m][k]| * (|code * scale| + |shift|), before the activation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <quanto/kernels/panel/operands.hpp>

namespace quanto::inline v0::detail::portable {

// Row m times panel p.
template <QType Q, class T>
void multiply_panel(panel_operands<T> const& o, std::size_t m, std::size_t p) noexcept {
    using sum_type = std::conditional_t<std::is_same_v<T, std::int8_t> && !Q::is_floating_point, std::int32_t, float>;
    constexpr bool exact = std::is_same_v<T, std::int8_t> && std::is_same_v<Q, qint8>;
    auto const& layout = o.w.layout();
    constexpr std::size_t rows = panel_layout::panel_rows;
    std::size_t const n0 = p * rows, n = layout.rows - n0 < rows ? layout.rows - n0 : rows;
    T const* x = o.x.row(m);
    float total[rows] = {};
    for (std::size_t g = 0; g != layout.groups(); ++g) {
        std::size_t const size = layout.size_of_group(g);
        sum_type sum[rows] = {}, sum_x = 0;
        auto const* const codes = reinterpret_cast<std::uint8_t const*>(o.w.group(n0, g)) + layout.header_bytes();
        for (std::size_t k = 0; k != size; ++k) {
            std::size_t const q = k / layout.quad;
            std::uint8_t const* const line = codes + q / layout.fields * layout.line_bytes + k % layout.quad;
            int const low = static_cast<int>(q % layout.fields) * Q::bits;
            auto const v = static_cast<sum_type>(x[k]);
            sum_x += v;
            for (std::size_t r = 0; r != rows; ++r) {
                auto const code =
                    static_cast<std::uint8_t>(((line[r * layout.quad] >> low) & ((1 << Q::bits) - 1)) ^ panel_flip<Q>);
                sum[r] += static_cast<sum_type>(code_value<Q>(code)) * v;
            }
        }
        x += size;
        for (std::size_t r = 0; r != n; ++r) {
            float const scale = o.w.scale(n0 + r, g);
            if constexpr (exact) {
                total[r] += rounded(static_cast<float>(sum[r]) * (o.x_scale * scale));
            } else {
                total[r] += rounded(static_cast<float>(sum[r]) * scale);
                if constexpr (SubByteQType<Q>) total[r] -= rounded(static_cast<float>(sum_x) * o.w.shift(n0 + r, g));
            }
        }
    }
    if constexpr (std::is_same_v<T, std::int8_t> && !exact)
        for (float& v : total) v = rounded(v * o.x_scale);
    finish_plainly(o.options, o.y, total, m, n0, n);
}

template <QType Q, class T>
void multiply_panels(panel_operands<T> const& o, panel_range range) noexcept {
    for (std::size_t m = 0; m != o.x.rows; ++m) {
        if constexpr (std::is_same_v<T, float>)
            if (!is_summable(o.x.row(m), o.x.cols)) {
                multiply_by_definition<Q>(o, m, range);
                continue;
            }
        for (std::size_t p = range.begin; p != range.end; ++p) multiply_panel<Q>(o, m, p);
    }
}

}  // namespace quanto::inline v0::detail::portable
