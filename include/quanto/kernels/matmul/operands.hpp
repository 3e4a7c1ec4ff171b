// What the matmul kernels of every instruction set share: where the codes of one group of one row lie.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/kernels/matmul/batch_product.hpp>
#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

// Rows [begin, end) of a weight.
struct row_range {
    std::size_t begin, end;
};

namespace detail {

// Elements t of a group: value = (bytes[t] & mask) * scale - shift. A code above others in its byte is thus a multiple
// of a power of two, which the scale takes back (exactly, unless below normal numbers).
struct group_source {
    std::uint8_t const* bytes = nullptr;
    std::int32_t mask = 0;
    float scale = 1.0f, shift = 0.0f;
};

// The weight as kernels walk it: rows of `groups` groups of `group` elements, the last one shorter.
template <QType W>
struct weight_rows {
    qtensor_view<W> w;
    std::size_t cols = 0, group = 0, groups = 0, packed_rows = 0;
    bool regrouped = false;  // a row of codes is one group, not one row

    explicit weight_rows(qtensor_view<W> const& v) noexcept
        : w(v),
          cols(v.layout.length()),
          group(v.layout.group_size()),
          groups(v.layout.groups_per_line()),
          packed_rows(v.packing().packed_rows()),
          regrouped(v.layout.code_cols() != v.layout.length()) {}

    group_source operator()(std::size_t n, std::size_t g) const noexcept {
        std::size_t row = regrouped ? n * groups + g : n;
        group_source s;
        s.mask = (1 << W::bits) - 1;
        float unit = 1.0f;
        while (row >= packed_rows) {
            row -= packed_rows;
            s.mask <<= W::bits;
            unit *= 1.0f / static_cast<float>(1 << W::bits);
        }
        s.bytes = w.codes + row * w.layout.code_cols() + (regrouped ? 0 : g * group);
        std::size_t const i = n * groups + g;
        s.scale = w.scale(i) * unit;
        s.shift = w.shift(i);
        return s;
    }
};

template <QType W>
weight_rows(qtensor_view<W> const&) -> weight_rows<W>;

// One int8 product of a batch, or a part of it: the numbers of batch_product.hpp.
struct int8_product {
    matrix_view<std::int8_t const> x, w;
    matrix_view<float> y;
    batch_axis w_rows;
    float scale;  // of x and, where w has none per row, of w
    float const *x_scales, *w_scales;
};

// A product of many rows, block by block: k of the columns of w, padded ones in all, times the rows of some strips.
struct dense_blocks {
    std::size_t padded, k, strips;

    bool is_one() const noexcept { return k == padded; }
    // Columns of the block that begins with one.
    std::size_t from(std::size_t column) const noexcept { return padded - column < k ? padded - column : k; }
};

// One row by the definition: for float8 codes that are NaN or infinite.
template <QType Q>
void matmul_row_by_definition(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y,
                              std::size_t n) noexcept {
    matmul_definition(
        x, [&](std::size_t, std::size_t k) { return w[n * x.cols + k]; },
        matrix_view<float>(y.data + n, y.rows, 1, y.stride));
}

}  // namespace detail
}  // namespace quanto::inline v0
