// The bodies behind vectorized: a tensor as runs, each one call of a kernel.
#pragma once

#include <quanto/kernels/activate/kernel_list.hpp>
#include <quanto/kernels/dequantize/kernel_list.hpp>
#include <quanto/kernels/floating_point_guard.hpp>
#include <quanto/kernels/quantize/kernel_list.hpp>
#include <quanto/kernels/softmax/kernel_list.hpp>

namespace quanto::inline v0::detail {

// Values that are converted are read twice, and stay in the first cache meanwhile; maps of groups are on the stack.
inline constexpr std::size_t piece_elements = 2048, run_groups = 32;

// Consecutive elements whose codes are in bits [position, ..) of consecutive bytes: `count` groups of `size`, all of
// group_size, or a part of one, which then has count 1.
struct element_run {
    std::size_t group, element, byte, size, count, group_size;
    int position;
    bool starts_group;
};

// f(run) for all runs of elements [begin, end), of at most `most` groups, in the order of the elements, while it
// returns true. Precondition: not along axis::last.
template <int Bits, class F>
bool for_each_run(grouping const& layout, std::size_t begin, std::size_t end, std::size_t most, F const& f) noexcept {
    auto const least = [](std::size_t a, std::size_t b) { return a < b ? a : b; };
    std::size_t const full = layout.group_size(), length = layout.length();
    std::size_t const plane = planar_packing<Bits>{layout.code_rows(), layout.code_cols()}.bytes();
    std::size_t const line = layout.is_ragged() ? length : layout.numel();  // what the last, shorter group ends
    for (std::size_t element = begin; element < end;) {
        std::size_t const byte = element % plane, at = element % length, done = at % full;
        std::size_t const line_left = line - element % line, room = least(plane - byte, end - element);
        std::size_t const groups = done != 0 ? 0 : least(most, least(line_left, room) / full);
        std::size_t const left = least(full - done, line_left);
        element_run r{.group = element / length * layout.groups_per_line() + at / full,
                      .element = element,
                      .byte = byte,
                      .size = groups != 0 ? full : least(left, room),
                      .count = groups != 0 ? groups : 1,
                      .group_size = done + left,
                      .position = static_cast<int>(element / plane) * Bits,
                      .starts_group = done == 0};
        if (!f(r)) return false;
        element += r.size * r.count;
    }
    return true;
}

// Values as floats: as they are, or converted piece by piece.
//     floats(x, size, count, f)    f(v, n, m, at): v = m groups of n values, x[at ..)
// Precondition: count is 1, or fits(size * count), which makes one piece.
template <FloatStorage S>
class float_reader {
public:
    explicit float_reader(isa target) noexcept
        : convert_(with_isa(target, []<isa I>(isa_constant<I>) -> conversion { return &convert_kernel<S, I>::run; })) {}

    static constexpr std::size_t most_groups(std::size_t size) noexcept {
        return size == 0 ? 0 : piece_elements / size;
    }
    static constexpr bool fits(std::size_t n) noexcept { return n <= piece_elements; }
    template <class F>
    void operator()(S const* x, std::size_t size, std::size_t count, F const& f) noexcept {
        if (fits(size * count)) {
            convert_(x, size * count, values_);
            return f(values_, size, count, std::size_t{0});
        }
        for (std::size_t i = 0; i < size; i += piece_elements) {
            std::size_t const n = fits(size - i) ? size - i : piece_elements;
            convert_(x + i, n, values_);
            f(values_, n, std::size_t{1}, i);
        }
    }

private:
    using conversion = void (*)(S const*, std::size_t, float*) noexcept;
    conversion convert_;
    float values_[piece_elements];
};
template <>
class float_reader<float> {
public:
    explicit float_reader(isa) noexcept {}

    static constexpr std::size_t most_groups(std::size_t) noexcept { return static_cast<std::size_t>(-1); }
    static constexpr bool fits(std::size_t) noexcept { return true; }
    template <class F>
    void operator()(float const* x, std::size_t size, std::size_t count, F const& f) const noexcept {
        f(x, size, count, std::size_t{0});
    }
};

// The range of n values as type Q needs it; n > 0.
template <QType Q, FloatStorage S>
value_range range_of(float_reader<S>& floats, isa target, S const* x, std::size_t n) noexcept {
    auto const range = with_isa(target, []<isa I>(isa_constant<I>) { return &quantize_kernel<Q, I>::range; });
    value_range all;
    floats(x, n, 1, [&](float const* v, std::size_t size, std::size_t, std::size_t at) {
        value_range const r = range(v, size);
        if (at == 0)
            all = r;
        else
            all.add(r);
    });
    return all;
}

template <FloatStorage S>
float largest_magnitude(isa target, S const* x, std::size_t n) noexcept {
    floating_point_guard const guard;
    float_reader<S> floats(target);
    return range_of<qint8>(floats, target, x, n).high;
}

// The kernels of a type for one instruction set.
template <QType Q>
struct quantize_functions {
    decltype(&quantize_kernel<Q, isa::portable>::run) run;
    decltype(&quantize_kernel<Q, isa::portable>::by_range) by_range;

    explicit quantize_functions(isa target) noexcept {
        with_isa(target, [this]<isa I>(isa_constant<I>) {
            run = &quantize_kernel<Q, I>::run;
            by_range = &quantize_kernel<Q, I>::by_range;
        });
    }
};
template <QType Q>
auto dequantize_function(isa target) noexcept {
    return with_isa(target, []<isa I>(isa_constant<I>) { return &dequantize_kernel<Q, I>::run; });
}

template <QType Q, FloatStorage S>
bool quantize_by_range(isa target, grouped_values<S> x, range_rule const& rule, float* scale, float* shift,
                       std::uint8_t* codes) noexcept {
    floating_point_guard const guard;
    float_reader<S> floats(target);
    quantize_functions<Q> const kernels(target);
    affine_map map;
    return for_each_run<Q::bits>(
        x.layout, 0, x.layout.numel(), floats.most_groups(x.layout.group_size()), [&](element_run const& r) {
            S const* const values = x.data + r.element;
            if (r.size == r.group_size && floats.fits(r.size)) {
                bool good = true;
                floats(values, r.size, r.count, [&](float const* v, std::size_t size, std::size_t count, std::size_t) {
                    good = kernels.by_range(v, size, count, rule, r.position, scale + r.group, shift + r.group,
                                            codes + r.byte);
                });
                return good;
            }
            if (r.starts_group && (!is_finite(range_of<qint8>(floats, target, values, r.group_size).high) ||
                                   !map_of_range<Q>(range_of<Q>(floats, target, values, r.group_size), rule,
                                                    scale[r.group], shift[r.group], map)))
                return false;
            floats(values, r.size, 1, [&](float const* v, std::size_t size, std::size_t, std::size_t at) {
                kernels.run(v, size, 1, &map, r.position, codes + r.byte + at);
            });
            return true;
        });
}

template <QType Q, FloatStorage S>
bool quantize_by_scale(isa target, grouped_values<S> x, bool integer_zero_point, float const* scale, float* shift,
                       std::uint8_t* codes) noexcept {
    floating_point_guard const guard;
    float_reader<S> floats(target);
    quantize_functions<Q> const kernels(target);
    affine_map maps[run_groups];
    std::size_t const fitting = floats.most_groups(x.layout.group_size());
    return for_each_run<Q::bits>(
        x.layout, 0, x.layout.numel(), fitting < run_groups ? fitting : run_groups, [&](element_run const& r) {
            for (std::size_t i = 0; r.starts_group && i != r.count; ++i)
                if (!complete_map<Q>(integer_zero_point, scale[r.group + i], shift[r.group + i], maps[i])) return false;
            floats(x.data + r.element, r.size, r.count,
                   [&](float const* v, std::size_t size, std::size_t count, std::size_t at) {
                       kernels.run(v, size, count, maps, r.position, codes + r.byte + at);
                   });
            return true;
        });
}

// The groups of all fields of the first bytes together; returns how many bytes that were: none, where groups do not
// end with the planes.
template <QType Q>
std::size_t dequantize_planes(isa target, qtensor_view<Q> const& w, float* out) noexcept {
    constexpr std::size_t fields = 8 / Q::bits;
    std::size_t const numel = w.layout.numel(), plane = w.packing().bytes(), size = w.layout.group_size();
    if (w.layout.is_ragged() || plane % size != 0 || numel <= (fields - 1) * plane) return 0;
    auto const planes = with_isa(target, []<isa I>(isa_constant<I>) { return &dequantize_kernel<Q, I>::planes; });
    affine_map maps[fields][run_groups];
    std::size_t const groups = numel / size - (fields - 1) * (plane / size);
    for (std::size_t g = 0; g < groups; g += run_groups) {
        std::size_t const count = groups - g < run_groups ? groups - g : run_groups;
        for (std::size_t f = 0; f != fields; ++f) load_maps(w, f * (plane / size) + g, count, maps[f]);
        planes(w.codes + g * size, size, count, maps[0], run_groups, out + g * size, plane);
    }
    return groups * size;
}

template <QType Q>
void dequantize_groups(isa target, qtensor_view<Q> const& w, float* out) noexcept {
    std::size_t const numel = w.layout.numel(), plane = w.packing().bytes();
    if (numel == 0) return;
    floating_point_guard const guard;
    auto const dequantize = dequantize_function<Q>(target);
    affine_map maps[run_groups];
    std::size_t done = 0;
    if constexpr (SubByteQType<Q>) done = dequantize_planes(target, w, out);
    for (std::size_t first = 0; first < numel; first += plane)
        for_each_run<Q::bits>(w.layout, first + done, numel - first < plane ? numel : first + plane, run_groups,
                              [&](element_run const& r) {
                                  load_maps(w, r.group, r.count, maps);
                                  dequantize(w.codes + r.byte, r.size, r.count, maps, r.position, out + r.element);
                                  return true;
                              });
}

template <ActivationQType Q>
bool quantize_values(isa target, float const* x, std::size_t n, float scale, std::uint8_t* codes) noexcept {
    floating_point_guard const guard;
    affine_map const map{scale};
    return quantize_functions<Q>(target).run(x, n, 1, &map, 0, codes);
}
template <ActivationQType Q>
void dequantize_values(isa target, std::uint8_t const* codes, std::size_t n, float scale, float* out) noexcept {
    floating_point_guard const guard;
    affine_map const map{scale};
    dequantize_function<Q>(target)(codes, n, 1, &map, 0, out);
}

QUANTO_BODY void activate_values(isa target, fused_activation f, float* v, std::size_t n) noexcept {
    floating_point_guard const guard;
    with_isa(target, [&]<isa I>(isa_constant<I>) {
        if (f == fused_activation::relu) activate_kernel<fused_activation::relu, I>::run(v, n);
        if (f == fused_activation::gelu) activate_kernel<fused_activation::gelu, I>::run(v, n);
        if (f == fused_activation::silu) activate_kernel<fused_activation::silu, I>::run(v, n);
    });
}

QUANTO_BODY void softmax_of_values(isa target, float* v, std::size_t n) noexcept {
    floating_point_guard const guard;
    with_isa(target, [&]<isa I>(isa_constant<I>) { softmax_kernel<I>::run(v, n); });
}

#if defined(QUANTO_IMPLEMENTATION)
#define QUANTO_INSTANTIATE(Q, S)                                                                     \
    template bool quantize_by_range<Q, S>(isa, grouped_values<S>, range_rule const&, float*, float*, \
                                          std::uint8_t*) noexcept;                                   \
    template bool quantize_by_scale<Q, S>(isa, grouped_values<S>, bool, float const*, float*, std::uint8_t*) noexcept
#define QUANTO_INSTANTIATE_TYPE(Q)                                                 \
    template void dequantize_groups(isa, qtensor_view<Q> const&, float*) noexcept; \
    QUANTO_INSTANTIATE(Q, float);                                                  \
    QUANTO_INSTANTIATE(Q, float16);                                                \
    QUANTO_INSTANTIATE(Q, bfloat16)
#define QUANTO_INSTANTIATE_ACTIVATION(Q)                                                             \
    QUANTO_INSTANTIATE_TYPE(Q);                                                                      \
    template bool quantize_values<Q>(isa, float const*, std::size_t, float, std::uint8_t*) noexcept; \
    template void dequantize_values<Q>(isa, std::uint8_t const*, std::size_t, float, float*) noexcept
QUANTO_INSTANTIATE_TYPE(qint2);
QUANTO_INSTANTIATE_TYPE(qint4);
QUANTO_INSTANTIATE_ACTIVATION(qint8);
QUANTO_INSTANTIATE_ACTIVATION(qfloat8_e4m3fn);
QUANTO_INSTANTIATE_ACTIVATION(qfloat8_e4m3fnuz);
QUANTO_INSTANTIATE_ACTIVATION(qfloat8_e5m2);
template float largest_magnitude(isa, float const*, std::size_t) noexcept;
template float largest_magnitude(isa, float16 const*, std::size_t) noexcept;
template float largest_magnitude(isa, bfloat16 const*, std::size_t) noexcept;
#undef QUANTO_INSTANTIATE_ACTIVATION
#undef QUANTO_INSTANTIATE_TYPE
#undef QUANTO_INSTANTIATE
#endif

}  // namespace quanto::inline v0::detail
