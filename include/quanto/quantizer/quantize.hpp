// quantize: values -> codes and scales. dequantize: back. This is the definition; kernels are compared with it.
//
//     auto w = quantize<qint4, axis::first, group{128}>(x);                result<QTensor<qint4, axis::first, group{128}>>
//     auto w = quantize<qint4>(x, hqq{.iterations = 40}, {.group = 32});   group chosen at run time
//     static constexpr auto w = quantize<qint4, axis::first, group{8}>(a); from an array float[R][C]: flash, no heap
//
// The stored scale (of the input's type: f32, f16, bf16) computes the codes; all arithmetic is f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <quanto/quantizer/optimizer.hpp>
#include <quanto/tensor/qtensor.hpp>

namespace quanto::inline v0 {

template <QType Q>
using default_optimizer = std::conditional_t<SubByteQType<Q>, max_range, absmax>;

struct quantizer_options {
    std::size_t group = 0;            // elements per group where the type leaves it open; 0: a line is one group
    bool integer_zero_point = false;  // 2 and 4 bits: u8 zero points instead of float shifts
    bool python_range = false;  // with zero points: do not extend a one-signed range to 0 (Python quanto clips it)
    memory_ref memory{};        // for codes, scales and shifts
};

// The group that Python quanto gives the weight of a module, 0 for none: 128, less 32 while that does not divide a row.
constexpr std::size_t module_group_size(extents const& shape) noexcept {
    std::size_t const n = shape.front() == 0 ? 0 : shape.numel() / shape.front();
    std::size_t g = 128;
    while (n % g != 0 && g > 32) g -= 32;
    return n > 128 && n % g == 0 ? g : 0;
}

namespace detail {

// The codes of every element, into zeroed bytes.
template <QType Q, FloatStorage S>
constexpr void encode_groups(grouped_values<S> x, planar_packing<Q::bits> packing, float const* scale,
                             float const* shift, bool integer_zero_point, std::uint8_t* codes) noexcept {
    for (std::size_t g = 0; g != x.groups(); ++g)
        for (std::size_t t = 0; t != x.size_of(g); ++t) {
            std::uint8_t code = 0;
            if constexpr (!SubByteQType<Q>)
                code = symmetric_code<Q>(x(g, t), scale[g]);
            else if (integer_zero_point)
                code = affine_code<Q>(x(g, t), scale[g], static_cast<std::uint8_t>(shift[g]));
            else
                code = affine_code<Q>(x(g, t), scale[g], shift[g]);
            packing.set(codes, x.layout.locate(x.layout.element(g, t)).code, code);
        }
}

// "the value at index 17 is NaN": the error for the first value that is NaN or infinite; nothing where all are finite.
// `first` is added to the index.
template <class S>
std::optional<error> not_finite(tensor_view<S const> x, text_view what, std::size_t first = 0) noexcept {
    for (std::size_t i = 0; i != x.size(); ++i)
        if (float const v = static_cast<float>(x[i]); !is_finite(v))
            return error(errc::not_finite, what, " at index ", first + i, is_nan(v) ? " is NaN" : " is infinite");
    return std::nullopt;
}

// Whether a group can be quantized so.
constexpr bool is_usable(float scale, float shift) noexcept {
    return is_finite(scale) && is_finite(shift) && scale > 0.0f;
}

// max_range for zero points: they need a range that contains 0, unless Python's is asked for.
template <class O>
constexpr decltype(auto) for_zero_points(O const& optimizer, quantizer_options const& options) noexcept {
    if constexpr (std::is_same_v<O, max_range>)
        return max_range{optimizer.include_zero || (options.integer_zero_point && !options.python_range)};
    else
        return (optimizer);
}

}  // namespace detail

// Who does the work of quantize() and dequantize(). This is the definition; vectorized (kernels/vectorized.hpp) gives
// the same bytes sooner.
struct quantizer_definition {
    // Scales, shifts (zero points as floats) and codes of all groups. Before, shifts are 0, and codes anything.
    // Errors: not_finite, invalid_argument.
    template <QType Q, FloatStorage S, class O>
    static result<success> encode(grouped_values<S> x, O const& optimizer, bool integer_zero_point, float* scale,
                                  float* shift, std::uint8_t* codes) {
        std::size_t const n = x.layout.numel(), groups = x.groups();
        if (auto const problem = detail::not_finite(tensor_view<S const>(x.data, {n}), "the value")) return *problem;
        if constexpr (SubByteQType<Q>)
            optimizer.template operator()<Q>(x, scale, shift);
        else
            optimizer.template operator()<Q>(x, scale);
        if constexpr (SubByteQType<Q>)
            if (integer_zero_point)
                for (std::size_t g = 0; g != groups; ++g) shift[g] = affine_zero_point<Q>(scale[g], shift[g]);
        for (std::size_t g = 0; g != groups; ++g)
            if (!detail::is_usable(scale[g], shift[g]))
                return error(errc::invalid_argument, "the range of group ", g, " has no finite scale in ",
                             name(x.type()));
        planar_packing<Q::bits> const packing{x.layout.code_rows(), x.layout.code_cols()};
        for (std::size_t i = 0; i != packing.bytes(); ++i) codes[i] = 0;
        detail::encode_groups<Q>(x, packing, scale, shift, integer_zero_point, codes);
        return success{};
    }

    template <QType Q>
    static void decode(qtensor_view<Q> const& w, float* out) noexcept {
        for (std::size_t i = 0; i != w.size(); ++i) out[i] = w[i];
    }
};

// Cost: O(x.size()); memory for the codes, and two floats per group beside them while it runs.
// Errors: not_finite (the value at which index), invalid_argument (a range that overflows float), out_of_memory.
template <QType Q, axis Axis = axis::first, group Group = dynamic_group, FloatStorage S, class O = default_optimizer<Q>,
          class Engine = quantizer_definition>
result<QTensor<Q, Axis, Group>> quantize(tensor_view<S const> x, O const& optimizer = {},
                                         quantizer_options const& options = {}, Engine const& engine = {}) {
    static_assert(
        SubByteQType<Q> ? AffineOptimizer<O, Q, S> : SymmetricOptimizer<O, Q, S>,
        "quanto: this optimizer cannot choose scales for this qtype (8 bits: absmax; 2 and 4 bits: max_range, hqq)");
    if (x.size() != x.shape().numel()) return error(errc::invalid_argument, "quantize: an empty tensor");
    qtensor_parts parts;
    parts.shape = x.shape();
    parts.layout = grouping(x.shape(), Axis, Group == dynamic_group ? quanto::group{options.group} : Group);
    parts.scale_type = dtype_of<S>;
    parts.integer_zero_point = SubByteQType<Q> && options.integer_zero_point;
    grouped_values<S> const values{x.data(), parts.layout};
    std::size_t const groups = values.groups(), shift_size = !SubByteQType<Q>           ? 0
                                                             : parts.integer_zero_point ? 1
                                                                                        : sizeof(S);
    planar_packing<Q::bits> const packing{parts.layout.code_rows(), parts.layout.code_cols()};

    auto codes = storage::allocate_for_overwrite(packing.bytes(), options.memory);
    auto scale = storage::allocate_for_overwrite(groups * sizeof(S), options.memory);
    auto shift = storage::allocate_for_overwrite(groups * shift_size, options.memory);
    auto chosen = storage::allocate(2 * groups * sizeof(float), options.memory);
    for (auto const* s : {&codes, &scale, &shift, &chosen})
        if (!*s) return s->error();

    auto* const scales = reinterpret_cast<float*>(chosen->mutable_data());
    float* const shifts = scales + groups;
    auto const done =
        engine.template encode<Q>(values, detail::for_zero_points(optimizer, options), parts.integer_zero_point, scales,
                                  shifts, reinterpret_cast<std::uint8_t*>(codes->mutable_data()));
    if (!done) return done.error();
    for (std::size_t g = 0; g != groups; ++g) {
        any_tensor::store(parts.scale_type, scale->mutable_data(), g, scales[g]);
        if (shift_size == 0) continue;
        if (parts.integer_zero_point)
            shift->mutable_data()[g] = static_cast<std::byte>(shifts[g]);
        else
            any_tensor::store(parts.scale_type, shift->mutable_data(), g, shifts[g]);
    }
    parts.codes = std::move(*codes);
    parts.scale = std::move(*scale);
    parts.shift = std::move(*shift);
    return QTensor<Q, Axis, Group>(std::move(parts));
}

template <QType Q, axis Axis = axis::first, group Group = dynamic_group, FloatStorage S, class O = default_optimizer<Q>,
          class Engine = quantizer_definition>
result<QTensor<Q, Axis, Group>> quantize(Tensor<S> const& x, O const& optimizer = {},
                                         quantizer_options const& options = {}, Engine const& engine = {}) {
    return quantize<Q, Axis, Group>(x.view(), optimizer, options, engine);
}

// Precondition: finite values. Cost: a constant expression; 16 384 elements are within every compiler's default limits.
template <QType Q, axis Axis = axis::first, group Group = whole_axis, std::size_t R, std::size_t C,
          class O = default_optimizer<Q>>
constexpr auto quantize(float const (&x)[R][C], O const& optimizer = {}) noexcept {
    using T = QTensor<Q, Axis, Group, static_extents<R, C>>;
    float flat[R * C]{};
    for (std::size_t i = 0; i != R * C; ++i) flat[i] = x[i / C][i % C];
    T q{};
    grouped_values<float> const values{flat, T::layout};
    if constexpr (SubByteQType<Q>)
        optimizer.template operator()<Q>(values, q.scale, q.shift);
    else
        optimizer.template operator()<Q>(values, q.scale);
    detail::encode_groups<Q>(values, T::packing, q.scale, q.shift, false, q.codes);
    return q;
}

// out[i] = value of element i. Precondition: room for w.size() floats.
template <QType Q, class Engine = quantizer_definition>
void dequantize(qtensor_view<Q> const& w, float* out, Engine const& engine = {}) noexcept {
    engine.decode(w, out);
}

}  // namespace quanto::inline v0
