// batch_product = products of many small matrices, as attention has them: for each b = (i, j, ..) of counts,
//     y[b] = x[b] * w[b]^T      w[b] (N, K)          queries times keys
//     y[b] = x[b] * w[b]        w[b] (K, N)          probabilities times values:  .w_rows = batch_axis::k
// x[b] (M, K), y[b] (M, N). Matrix b starts i * steps[0] + j * steps[1] + .. elements after the first one, and has a row
// stride of its own: heads that alternate in the rows of one tensor are a batch, and so is one that repeats (step 0).
// Element types:
//     x f32, w f32, f16 or bf16     float32 sums;  |error| <= (K + 4) * 2^-24 * sum_k |x * w|
//     x int8, w int8                float(exact sum) * (x.scale * w.scale)
// y is f32. Codes may have a scale per row, of w (N, K) instead of w.scale, and of x in the end:
//     float(exact sum) * (x.scale * w_scales[n]) * x_scales[m]         K <= longest_int8_sum
// They belong to rows of memory: x_scales[i] to the elements i * stride .. of x, so that matrix b begins with that of its
// first row: steps are multiples of the stride (no heads beside each other in a row).
#pragma once

#include <array>
#include <cstddef>

#include <quanto/kernels/matmul/reference.hpp>
#include <quanto/tensor/any_matrix_view.hpp>
#include <quanto/tensor/extents.hpp>

namespace quanto::inline v0 {

using batch_index = std::array<std::size_t, extents::max_rank>;

template <class Void>
struct any_batch_view {
    any_matrix_view<Void> first;
    std::array<std::size_t, extents::max_rank> steps{};

    any_matrix_view<Void> operator[](batch_index const& b) const noexcept {
        any_matrix_view<Void> m = first;
        m.data = first.at(0, offset(b));
        return m;
    }
    // Of one scale for each row, those of a matrix. Null: there are none.
    float const* scales_of(float const* row_scales, batch_index const& b) const noexcept {
        return row_scales == nullptr || first.stride == 0 ? row_scales : row_scales + offset(b) / first.stride;
    }

private:
    std::size_t offset(batch_index const& b) const noexcept {
        std::size_t sum = 0;
        for (std::size_t d = 0; d != b.size(); ++d) sum += b[d] * steps[d];
        return sum;
    }
};
using input_batch = any_batch_view<void const>;
using output_batch = any_batch_view<void>;

enum class batch_axis : std::uint8_t { n, k };  // what the rows of w are

struct batch_product {
    extents counts{};
    input_batch x{}, w{};
    output_batch y{};
    batch_axis w_rows = batch_axis::n;
    float const *x_scales = nullptr, *w_scales = nullptr;

    std::size_t batches() const noexcept { return counts.numel(); }
    std::size_t m() const noexcept { return x.first.rows; }
    std::size_t k() const noexcept { return x.first.cols; }
    std::size_t n() const noexcept { return w_rows == batch_axis::n ? w.first.rows : w.first.cols; }
    batch_index at(std::size_t b) const noexcept {
        batch_index index{};
        for (std::size_t d = counts.rank(); d-- != 0; b /= counts[d]) index[d] = b % counts[d];
        return index;
    }
};

// Errors: shape_mismatch, unsupported (other element types, sums that overflow), invalid_argument.
inline result<success> check(batch_product const& p) noexcept {
    if (std::size_t n = 0; !p.counts.checked_numel(n))
        return error(errc::invalid_argument, "a batch of products: more than memory can hold");
    std::size_t const w_cols = p.w_rows == batch_axis::n ? p.w.first.cols : p.w.first.rows;
    if (p.k() != w_cols || p.y.first.rows != p.m() || p.y.first.cols != p.n())
        return error(errc::shape_mismatch, "a batch of products: x is (", p.m(), ", ", p.k(), "), w (", p.w.first.rows,
                     ", ", p.w.first.cols, "), y (", p.y.first.rows, ", ", p.y.first.cols, ")");
    dtype const x = p.x.first.type, w = p.w.first.type;
    bool const floats = x == dtype::f32 && is_float_storage(w);
    bool const codes = x == dtype::i8 && w == dtype::i8 && (p.w_rows == batch_axis::n || p.w_scales == nullptr);
    if (codes && p.k() > longest_int8_sum)
        return error(errc::unsupported, "a batch of products: ", p.k(), " products of int8 may overflow an int32");
    auto const has_whole_rows = [&](input_batch const& b, float const* row_scales) {
        for (std::size_t d = 0; row_scales != nullptr && b.first.stride != 0 && d != p.counts.rank(); ++d)
            if (p.counts[d] > 1 && b.steps[d] % b.first.stride != 0) return false;
        return true;
    };
    if (!has_whole_rows(p.x, p.x_scales) || !has_whole_rows(p.w, p.w_scales))
        return error(errc::unsupported, "a batch of products: a scale per row, where several matrices share a row");
    if ((floats || codes) && p.y.first.type == dtype::f32) return success{};
    return error(errc::unsupported, "a batch of products of ", name(x), " and ", name(w), " to ", name(p.y.first.type));
}

// The definition. Precondition: check(p).
inline void matmul_reference(batch_product const& p) noexcept {
    for (std::size_t b = 0; b != p.batches(); ++b) {
        auto const x = p.x[p.at(b)], w = p.w[p.at(b)];
        auto const y = p.y[p.at(b)].as<float>();
        float const* const x_scales = p.x.scales_of(p.x_scales, p.at(b));
        float const* const w_scales = p.w.scales_of(p.w_scales, p.at(b));
        visit_element(w.type, [&]<class W>(W) {
            auto const values = w.template as<W>();
            auto const at = [&](std::size_t n, std::size_t k) {
                return p.w_rows == batch_axis::n ? values(n, k) : values(k, n);
            };
            if constexpr (FloatStorage<W>)
                return detail::matmul_definition(
                    x.as<float>(), [&](std::size_t n, std::size_t k) { return static_cast<float>(at(n, k)); }, y);
            if constexpr (std::is_same_v<W, std::int8_t>)
                for (std::size_t m = 0; m != y.rows; ++m)
                    for (std::size_t n = 0; n != y.cols; ++n) {
                        std::int32_t sum = 0;
                        for (std::size_t k = 0; k != x.cols; ++k)
                            sum += std::int32_t{x.as<std::int8_t>()(m, k)} * at(n, k);
                        float const scale = x.scale * (w_scales == nullptr ? w.scale : w_scales[n]);
                        y(m, n) = static_cast<float>(sum) * scale * (x_scales == nullptr ? 1.0f : x_scales[m]);
                    }
        });
    }
}

}  // namespace quanto::inline v0
