// The bodies of convolution.hpp.
#pragma once

#include <algorithm>

#include <quanto/kernels/convolution/depthwise.hpp>
#include <quanto/kernels/convolution/patches.hpp>
#include <quanto/nn/convolution_gradient.hpp>

namespace quanto::inline v0::nn::detail {

struct convolution : convolution_parts {
    std::size_t outputs() const noexcept { return weight.shape().front(); }
    std::size_t channels() const noexcept { return weight.shape()[1] * groups; }

    // Whether x goes into the product as it is: int8 codes of one scale, beside integer weights.
    bool reads_codes(Activation const& x) const noexcept {
        return x.is_quantized() && x.type()->is<qint8>() && !x.has_row_scales() && weight.scheme() &&
               !weight.scheme()->type.is_floating_point();
    }

    Activation operator()(Activation const& given) const {
        if (!given) return given;
        if (auto problem = mismatch(given)) return *problem;
        std::optional<Activation> quantized;
        if (quantize_input)
            quantized = activation.quantized_input(given);
        else if (reads_codes(given))
            activation.observe_codes(given);
        else
            activation.observe_input(given);
        Activation const& x = quantized ? *quantized : given;
        if (!x) return x;

        patch_layout layout{
            .taps = taps, .in = picture(x), .out = {}, .channels = weight.shape()[1], .image_stride = 0};
        layout.image_stride = channels() * layout.in.area();
        auto const out = taps.outputs(layout.in);
        if (!out) return out.error().within(name);
        layout.out = *out;

        auto const where = x.where();
        if (auto codes = convolved_codes(x, layout, where)) return std::move(*codes);
        auto y = Tensor<float>::make_for_overwrite(output_shape(x, layout.out), where.memory);
        if (!y) return y.error().within(name);
        if (y->size() != 0)
            if (auto done = compute(x, layout, *y, where); !done) return done.error().within(name);
        Activation result = like(x, std::move(*y));
        if (x.tape() != nullptr)
            result = recorded(std::move(result), convolution_gradient{weight, bias, layout, groups, x});
        return activation.quantized_output(std::move(result));
    }

private:
    // y (images, outputs, out.area()), the bias or nullptr.
    struct destination {
        float* y;
        float const* bias;
        memory_ref memory;
        std::size_t images;

        float bias_of(std::size_t o) const noexcept { return bias == nullptr ? 0.0f : bias[o]; }
        destination without_bias() const noexcept { return {y, nullptr, memory, images}; }
    };

    std::optional<error> mismatch(Activation const& x) const {
        std::size_t const rank = directions + 2;
        if (weight.shape().rank() != rank || (bias && bias->shape() != extents{outputs()}) || groups == 0 ||
            outputs() % groups != 0 || channels() == 0)
            return append(error(errc::shape_mismatch, name, ": its own weight, bias and groups disagree: "),
                          weight.shape());
        error e(errc::shape_mismatch, name, " (", channels(), " to ", outputs(), ")");
        if (!weight.has_values() || (bias && !nn::has_values(*bias)))
            return error(errc::missing, e.message(), ": no values were loaded");
        auto const& shape = x.shape();
        if ((shape.rank() == rank || shape.rank() == rank - 1) && shape[shape.rank() - directions - 1] == channels())
            return std::nullopt;
        return append(e.append(": the input has shape "), shape);
    }

    size_2d picture(Activation const& x) const noexcept {
        std::size_t const width = x.shape().back();
        return directions == 1 ? size_2d(1, width) : size_2d(x.shape()[x.shape().rank() - 2], width);
    }
    extents output_shape(Activation const& x, size_2d out) const noexcept {
        extents shape = x.shape();
        std::size_t const last = shape.rank() - 1;
        shape[last] = out.width;
        if (directions == 2) shape[last - 1] = out.height;
        shape[last - directions] = outputs();
        return shape;
    }

    std::size_t images(Activation const& x) const noexcept {
        return x.shape().rank() == directions + 1 ? 1 : x.shape().front();
    }
    // Groups are rows of the weight that are multiplied alone: panels hold 16 rows together, whatever the group.
    panels const* prepared_for(context const& where) const noexcept {
        return groups == 1 && where.backend.reads_panels() ? weight.prepared() : nullptr;
    }
    int8_convolution directly(Activation const& x, patch_layout const& layout, panels const& w,
                              destination const& to) const noexcept {
        return {layout, to.images, x.int8_codes(), x.scale(), w, to.bias, to.memory};
    }

    // The quantized output at once, where the backend convolves integers directly and nobody asks for float values.
    std::optional<Activation> convolved_codes(Activation const& x, patch_layout const& layout,
                                              context const& where) const {
        auto const scale = activation.fixed_output_scale();
        panels const* const prepared = prepared_for(where);
        if (!scale || !(*scale > 0.0f) || !activation.type->is<qint8>() || x.tape() != nullptr || prepared == nullptr ||
            !reads_codes(x) || !weight.has_taps_first() || layout.out.area() * images(x) == 0)
            return std::nullopt;
        auto const b = bias ? FloatView::of(*bias, where.memory) : FloatView();
        if (!b) return b.error().within(name);
        // Sums are finite or too large; with such a bias they may be NaN, an error that float values have to show.
        if (bias && !vectorized(where.backend.target()).all_finite(b->view().data(), outputs())) return std::nullopt;
        auto codes = Tensor<std::uint8_t>::make_for_overwrite(output_shape(x, layout.out), where.memory);
        if (!codes) return codes.error().within(name);
        auto operands =
            directly(x, layout, *prepared, {nullptr, bias ? b->view().data() : nullptr, where.memory, images(x)});
        operands.codes = reinterpret_cast<std::int8_t*>(codes->data());
        operands.code_scale = *scale;
        auto const done = where.backend.convolve(operands);
        if (!done) return done.error().within(name);
        if (!*done) return std::nullopt;
        return Activation(*activation.type, std::move(*codes), *scale, x.where_pointer());
    }

    result<success> compute(Activation const& x, patch_layout const& layout, Tensor<float>& y,
                            context const& where) const {
        auto const b = bias ? FloatView::of(*bias, where.memory) : FloatView();
        if (!b) return b.error();
        destination const to{y.data(), bias ? b->view().data() : nullptr, where.memory, images(x)};
        panels const* const prepared = prepared_for(where);
        product_options const options{
            .bias = {to.bias, bias ? outputs() : 0}, .accuracy = where.accuracy, .memory = where.memory};
        patch_layout prepared_layout = layout;
        prepared_layout.taps_first = weight.has_taps_first();
        if (reads_codes(x) && (prepared != nullptr || weight.scheme()->type.is<qint8>())) {
            auto const* const codes = x.int8_codes();
            if (prepared != nullptr) {
                if (weight.has_taps_first()) {
                    auto operands = directly(x, layout, *prepared, to);
                    operands.y = to.y;
                    auto const done = where.backend.convolve(operands);
                    if (!done) return done.error();
                    if (*done) return success{};
                }
                return multiply_patches(codes, prepared_layout, to.without_bias(),
                                        [&](auto patches, std::size_t, auto out) {
                                            return where.backend.matmul({patches, x.scale()}, *prepared, out, options);
                                        });
            }
            auto const portable = weight.portable(where.memory);
            if (!portable) return portable.error();
            auto const w = portable->as<qint8>();
            if (layout.channels == 1) return convolve_planes(codes, layout, x.scale(), w, to);
            return multiply_patches(codes, layout, to, [&](auto patches, std::size_t group, auto out) {
                where.backend.matmul(patches, x.scale(), rows_of_group(w, group), out);
                return result<success>(success{});
            });
        }
        auto const values = x.floats();
        if (!values) return values.error();
        auto const lent = where.tape != nullptr ? where.tape->values(&weight) : matrix_view<float const>();
        if (prepared != nullptr && lent.data == nullptr)
            return multiply_patches(values->data(), prepared_layout, to.without_bias(),
                                    [&](auto patches, std::size_t, auto out) {
                                        return where.backend.matmul(patches, *prepared, out, options);
                                    });
        if (auto const* const q = weight.quantized(); q != nullptr && groups == 1 && lent.data == nullptr)
            return multiply_patches(values->data(), layout, to, [&](auto patches, std::size_t, auto out) {
                where.backend.matmul(patches, *q, out);
                return result<success>(success{});
            });
        Tensor<float> dequantized;
        bool const dequantizes = weight.scheme() && lent.data == nullptr;
        if (dequantizes) {
            auto made = values_of(weight, where.memory);
            if (!made) return made.error();
            dequantized = std::move(*made);
        }
        auto const master = weight.scheme() ? FloatView() : FloatView::of(*weight.master(), where.memory);
        if (!master) return master.error();
        float const* const w = lent.data != nullptr ? lent.data
                               : dequantizes        ? std::as_const(dequantized).data()
                                                    : master->view().data();
        if (layout.channels == 1 && groups != 1) return convolve_planes(values->data(), layout, w, to);
        auto const done = where.backend.convolve(
            float_convolution{layout, to.images, groups, outputs(), values->data(), w, to.bias, to.y, to.memory});
        if (!done) return done.error();
        if (*done) return success{};
        std::size_t const per_group = outputs() / groups, k = layout.size();
        return multiply_patches(values->data(), layout, to, [&](auto patches, std::size_t group, auto out) {
            where.backend.matmul(patches, matrix_view<float const>(w + group * per_group * k, per_group, k), out,
                                 where.memory);
            return result<success>(success{});
        });
    }

    // result<success> multiply(patches (rows, k), group, out (rows, outputs per group)), for all tiles of all groups.
    template <class T, class F>
    result<success> multiply_patches(T const* x, patch_layout const& layout, destination const& to,
                                     F const& multiply) const {
        constexpr std::size_t tile_bytes = std::size_t{1} << 20;  // a float product packs w once per tile
        std::size_t const k = layout.size(), n = outputs() / groups, area = layout.out.area();
        std::size_t const total = to.images * area;
        std::size_t const fitting = std::clamp<std::size_t>(tile_bytes / (k * sizeof(T)), 16, 512) / 8 * 8;
        std::size_t const rows = std::min(total, fitting);
        auto patches = Tensor<T>::make_for_overwrite({rows, k}, to.memory);
        if (!patches) return patches.error();
        auto products = Tensor<float>::make_for_overwrite({rows, n}, to.memory);
        if (!products) return products.error();
        for (std::size_t group = 0; group != groups; ++group)
            for (std::size_t first = 0; first < total; first += rows) {
                std::size_t const count = std::min(rows, total - first);
                matrix_view<T> const tile(patches->data(), count, k);
                gather_patches(layout, x + group * layout.channels * layout.in.area(), first, tile);
                auto const multiplied =
                    multiply(matrix_view<T const>(tile), group, matrix_view<float>(products->data(), count, n));
                if (!multiplied) return multiplied;
                // From (p, o) to (o, p), with the bias.
                for (std::size_t done = 0; done != count;) {
                    std::size_t const image = (first + done) / area, p = (first + done) % area;
                    std::size_t const some = std::min(count - done, area - p);
                    for (std::size_t j = 0; j != n; ++j) {
                        std::size_t const o = group * n + j;
                        float* const y = to.y + (image * outputs() + o) * area + p;
                        float const* const from = products->data() + done * n + j;
                        float const b = to.bias_of(o);
                        for (std::size_t t = 0; t != some; ++t) y[t] = from[t * n] + b;
                    }
                    done += some;
                }
            }
        return success{};
    }

    // One channel per group. f(x plane, output o, y plane).
    template <class T, class F>
    void for_each_plane(T const* x, patch_layout const& layout, destination const& to, F const& f) const {
        std::size_t const per_group = outputs() / groups;
        for (std::size_t image = 0; image != to.images; ++image)
            for (std::size_t o = 0; o != outputs(); ++o)
                f(x + image * layout.image_stride + o / per_group * layout.in.area(), o,
                  to.y + (image * outputs() + o) * layout.out.area());
    }
    result<success> convolve_planes(float const* x, patch_layout const& layout, float const* w,
                                    destination const& to) const {
        for_each_plane(x, layout, to, [&](float const* plane, std::size_t o, float* y) {
            std::fill(y, y + layout.out.area(), 0.0f);
            convolve_plane(taps, layout.in, layout.out, plane, w + o * layout.size(), y);
            float const b = to.bias_of(o);
            for (std::size_t p = 0; p != layout.out.area(); ++p) y[p] += b;
        });
        return success{};
    }
    result<success> convolve_planes(std::int8_t const* x, patch_layout const& layout, float x_scale,
                                    qtensor_view<qint8> const& w, destination const& to) const {
        auto sums = Tensor<std::int32_t>::make_for_overwrite({layout.out.area()}, to.memory);
        if (!sums) return sums.error();
        auto const* const codes = reinterpret_cast<std::int8_t const*>(w.codes);
        for_each_plane(x, layout, to, [&](std::int8_t const* plane, std::size_t o, float* y) {
            std::int32_t* const sum = sums->data();
            std::fill(sum, sum + layout.out.area(), 0);
            convolve_plane(taps, layout.in, layout.out, plane, codes + o * layout.size(), sum);
            float const scale = x_scale * w.scale(o), b = to.bias_of(o);
            for (std::size_t p = 0; p != layout.out.area(); ++p) y[p] = rounded(static_cast<float>(sum[p]) * scale) + b;
        });
        return success{};
    }

    // 8-bit rows are whole bytes, so a group of them is a tensor of its own. Precondition: one scale per row.
    qtensor_view<qint8> rows_of_group(qtensor_view<qint8> w, std::size_t group) const noexcept {
        std::size_t const n = outputs() / groups, k = w.layout.length();
        w.shape = {n, k};
        w.layout = grouping(w.shape, axis::first, whole_axis);
        w.codes += group * n * k;
        w.scales += group * n * size_of(w.scale_type);
        return w;
    }
};

QUANTO_BODY Activation convolve(convolution_parts const& parts, Activation const& x) { return convolution{parts}(x); }

}  // namespace quanto::inline v0::nn::detail
