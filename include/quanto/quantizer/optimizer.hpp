// Optimizers choose scale (and shift) of each group from its values:
//     absmax         max|x| / qmax                                          8-bit types
//     max_range      the whole range, (max - min) / levels                  2- and 4-bit types
//     hqq            max_range, then shifts that make few large errors instead of many small ones (half-quadratic)
//     chosen_scales  none: they were chosen before, and are rounded to the type in which they are stored
// Your own is any type with one of the two call operators that the concepts below name.
#pragma once

#include <cstddef>

#include <quanto/quantizer/affine.hpp>
#include <quanto/tensor/grouping.hpp>
#include <quanto/tensor/storage.hpp>

namespace quanto::inline v0 {

// The values of a tensor, group by group: x(g, t) is element t of group g, as float.
template <FloatStorage S>
struct grouped_values {
    S const* data;
    grouping layout;

    constexpr std::size_t groups() const noexcept { return layout.groups(); }
    constexpr std::size_t size_of(std::size_t g) const noexcept { return layout.size_of(g); }
    constexpr float operator()(std::size_t g, std::size_t t) const noexcept {
        return static_cast<float>(data[layout.element(g, t)]);
    }
    static constexpr dtype type() noexcept { return dtype_of<S>; }
};

template <class O, class Q, class S = float>
concept SymmetricOptimizer = requires(O const& optimizer, grouped_values<S> x, float* scale) {
    optimizer.template operator()<Q>(x, scale);
};
template <class O, class Q, class S = float>
concept AffineOptimizer = requires(O const& optimizer, grouped_values<S> x, float* scale, float* shift) {
    optimizer.template operator()<Q>(x, scale, shift);
};

struct absmax {
    template <QType Q, FloatStorage S>
    requires(Q::bits == 8) constexpr void operator()(grouped_values<S> x, float* scale) const noexcept {
        for (std::size_t g = 0; g != x.groups(); ++g) {
            float largest = 0.0f;
            for (std::size_t t = 0; t != x.size_of(g); ++t)
                if (float const a = absolute(x(g, t)); a > largest) largest = a;
            scale[g] = symmetric_scale<Q>(largest, x.type());
        }
    }
};

struct max_range {
    bool include_zero = false;  // extend each range to contain 0, as an integer zero point needs

    template <SubByteQType Q, FloatStorage S>
    constexpr void operator()(grouped_values<S> x, float* scale, float* shift) const noexcept {
        for (std::size_t g = 0; g != x.groups(); ++g) {
            float low = include_zero ? 0.0f : x(g, 0), high = low;
            for (std::size_t t = 0; t != x.size_of(g); ++t) {
                float const v = x(g, t);
                low = v < low ? v : low;
                high = v > high ? v : high;
            }
            auto const p = affine_range<Q>(low, high, x.type());
            scale[g] = p.scale;
            shift[g] = p.shift;
        }
    }
};

struct chosen_scales {
    float const* scales;  // of each group, positive
    float const* shifts = nullptr;

    template <QType Q, FloatStorage S>
    requires(Q::bits == 8) constexpr void operator()(grouped_values<S> x, float* scale) const noexcept {
        for (std::size_t g = 0; g != x.groups(); ++g) scale[g] = detail::storable_scale(scales[g], Q::qmax, x.type());
    }
    template <SubByteQType Q, FloatStorage S>
    constexpr void operator()(grouped_values<S> x, float* scale, float* shift) const noexcept {
        for (std::size_t g = 0; g != x.groups(); ++g) {
            scale[g] = detail::storable_scale(scales[g], static_cast<float>(levels<Q>), x.type());
            shift[g] = stored_as(shifts[g], x.type());
        }
    }
};

}  // namespace quanto::inline v0
