// What the tests of products with panels share: a shape, a weight read once, and y by the definition with the bounds in
// the headers of the kernels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <quanto/kernels/panel/digits.hpp>
#include <quanto/testing.hpp>

namespace quanto::test {

struct case_of {
    std::size_t m, n, k, group;
};

// One element of y, and how far a kernel may be from it: one that sums floats, and one that sums digits.
struct expectation {
    double sum = 0.0, sequential = 0.0, by_digits = 0.0;
};

// Rows of x times a weight that is read once. value, size: of each element, and |code * scale| + |shift| at most.
struct expected_values {
    panel_layout layout;
    detail::digit_layout digits;
    std::vector<double> value, size;

    template <QType Q>
    expected_values(qtensor_view<Q> const& w, panel_layout const& of)
        : layout(of), digits(of, 3), value(w.layout.numel()), size(value.size()) {
        for (std::size_t i = 0; i != value.size(); ++i) {
            value[i] = static_cast<double>(w[i]);
            size[i] = std::abs(value[i]) + 2.0 * std::abs(static_cast<double>(w.shift(w.layout.locate(i).group)));
        }
    }

    expectation operator()(std::vector<double> const& x, std::size_t n) const {
        expectation e;
        double magnitude = 0.0, of_largest = 0.0;
        std::size_t const block = digits.block_lines * digits.line_cols;
        double const *const a = x.data(), *const v = value.data() + n * x.size(), *const s = size.data() + n * x.size();
        for (std::size_t g = 0; g != layout.groups(); ++g)
            for (std::size_t first = 0; first < layout.size_of_group(g); first += block) {
                std::size_t const begin = g * layout.group + first,
                                  end = std::min(begin + block, g * layout.group + layout.size_of_group(g));
                double largest = 0.0, weights = 0.0;
                for (std::size_t k = begin; k != end; ++k) {
                    double const absolute = a[k] < 0.0 ? -a[k] : a[k];
                    e.sum += a[k] * v[k];
                    magnitude += absolute * s[k];
                    weights += s[k];
                    largest = largest < absolute ? absolute : largest;
                }
                of_largest += largest * weights;
            }
        e.sequential = testing::matmul_bound(x.size(), magnitude) + 0x1p-126;  // results below normal numbers
        e.by_digits = 0x1p-24 * (static_cast<double>(digits.blocks() + 10) * magnitude + 1.01 * of_largest) + 0x1p-126;
        return e;
    }
};

}  // namespace quanto::test
