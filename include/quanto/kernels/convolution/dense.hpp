// A float convolution as the product of kernels/matmul/dense.inl, whose panels are packed from the picture: no patches.
//     panel [K][32]    element k of the patches of 32 outputs: of stride 1, pieces of the lines of padded x
//     strip            24 rows of w;  strip * panel = 24 outputs at 32 places, as they lie in y
// Sums are in the order of w, for every number of threads and images.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include <quanto/kernels/convolution/operands.hpp>
#include <quanto/kernels/matmul/dense.hpp>
#include <quanto/kernels/panel/workspace.hpp>

namespace quanto::inline v0 {

constexpr std::string_view dense_convolution_name(isa target) noexcept {
    return target == isa::avx512 ? "convolve_f32_avx512"
           : target == isa::avx2 ? "convolve_f32_avx2"
                                 : "convolve_f32_portable";
}

namespace detail {

// x with its padding: (images, planes, height, width), and a panel's width more, which is read but not used.
struct padded_planes {
    static constexpr std::size_t margin = 64;

    patch_layout const& l;
    std::size_t planes, height, width;

    padded_planes(patch_layout const& layout, std::size_t all_planes) noexcept
        : l(layout),
          planes(all_planes),
          height(layout.in.height + 2 * layout.taps.padding.height),
          width(layout.in.width + 2 * layout.taps.padding.width) {}

    std::size_t area() const noexcept { return height * width; }
    std::size_t floats() const noexcept { return planes * area() + margin; }

    void fill(float const* x, float* to) const noexcept {
        std::memset(to, 0, floats() * sizeof(float));
        float* line = to + l.taps.padding.height * width + l.taps.padding.width;
        for (std::size_t plane = 0; plane != planes; ++plane, line += 2 * l.taps.padding.height * width)
            for (std::size_t iy = 0; iy != l.in.height; ++iy, line += width, x += l.in.width)
                std::memcpy(line, x, l.in.width * sizeof(float));
    }
};

// Outputs that lie side by side in a line: `n` from place `at` of a panel on; their first tap sees x[from].
struct output_run {
    std::size_t at, n, from;
};

}  // namespace detail

// run(n, task) as in dense_matmul. Precondition: K, outputs and their places >= 1. Errors: out_of_memory.
template <class Run>
result<success> dense_convolution(isa target, float_convolution const& c, std::size_t concurrency, Run const& run) {
    auto const f = detail::dense_functions_of<float>(target);
    patch_layout const& l = c.layout;
    detail::padded_planes const padded(l, c.images * c.groups * l.channels);
    std::size_t const k = l.size(), lines = ceil_div(k, f.line), padded_k = lines * f.line,
                      outputs = c.outputs / c.groups, strips = ceil_div(outputs, f.strip_rows),
                      strip_floats = f.strip_rows * padded_k, places = c.images * l.out.area(),
                      panels = ceil_div(places, f.panel_cols), tasks = panels < concurrency ? panels : concurrency,
                      panel_floats = padded_k * f.panel_cols + padded.margin,
                      task_floats = ceil_div(panel_floats + f.tile_floats, 16) * 16,
                      all = padded.floats() + strips * strip_floats + tasks * task_floats;
    detail::workspace space(all * sizeof(float), c.memory);
    auto* const strip = reinterpret_cast<float*>(space.data());
    if (strip == nullptr) return error(errc::out_of_memory, "no memory for a workspace of ", all, " floats");
    float* const of_tasks = strip + strips * strip_floats;
    float* const picture = of_tasks + tasks * task_floats;
    padded.fill(c.x, picture);

    auto const pack = [&](float const* planes, std::size_t first, std::size_t count, std::size_t width, float* panel) {
        detail::output_run runs[32];
        std::size_t n = 0;
        for (std::size_t done = 0; done != count; ++n) {
            std::size_t const p = first + done, ox = p % l.out.width, line = p / l.out.width;
            std::size_t const left = count - done < l.out.width - ox ? count - done : l.out.width - ox;
            runs[n] = {done, left,
                       line / l.out.height * c.groups * l.channels * padded.area() +
                           line % l.out.height * l.taps.stride.height * padded.width + ox * l.taps.stride.width};
            done += left;
        }
        float* to = panel;
        for (std::size_t channel = 0; channel != l.channels; ++channel)
            for (std::size_t i = 0; i != l.taps.kernel.height; ++i)
                for (std::size_t j = 0; j != l.taps.kernel.width; ++j, to += width) {
                    float const* const from = planes + channel * padded.area() +
                                              i * l.taps.dilation.height * padded.width + j * l.taps.dilation.width;
                    for (std::size_t r = 0; r != n; ++r) {
                        float const* const x = from + runs[r].from;
                        float* const y = to + runs[r].at;
                        if (l.taps.stride.width == 1)
                            std::memcpy(y, x, 32 * sizeof(float));  // what is too much is written again, by who comes
                        else
                            for (std::size_t t = 0; t != runs[r].n; ++t) y[t] = x[t * l.taps.stride.width];
                    }
                }
        std::memset(to, 0, (padded_k - k) * width * sizeof(float));
    };
    for (std::size_t group = 0; group != c.groups; ++group) {
        matrix_view<float const> const w(c.w + group * outputs * k, outputs, k);
        run(strips, [&](std::size_t s) { f.pack_strip(w, s * f.strip_rows, 0, lines, strip + s * strip_floats); });
        run(tasks, [&](std::size_t task) {
            float* const panel = of_tasks + task * task_floats;
            float* const tile = panel + panel_floats;
            for (std::size_t i = panels * task / tasks; i != panels * (task + 1) / tasks; ++i) {
                std::size_t const first = i * f.panel_cols, rest = places - first;
                std::size_t const width = rest > f.lanes ? f.panel_cols : f.lanes, count = rest < width ? rest : width;
                pack(picture + group * l.channels * padded.area(), first, count, width, panel);
                for (std::size_t s = 0; s != strips; ++s) {
                    std::size_t const left = outputs - s * f.strip_rows,
                                      rows = left < f.strip_rows ? left : f.strip_rows;
                    f.multiply_tile(panel, width, strip + s * strip_floats, lines, rows, tile, false);
                    for (std::size_t r = 0; r != rows; ++r) {
                        std::size_t const o = group * outputs + s * f.strip_rows + r;
                        float const b = c.bias == nullptr ? 0.0f : c.bias[o];
                        for (std::size_t done = 0; done != count;) {
                            std::size_t const image = (first + done) / l.out.area(), p = (first + done) % l.out.area();
                            std::size_t const n = count - done < l.out.area() - p ? count - done : l.out.area() - p;
                            float* const y = c.y + (image * c.outputs + o) * l.out.area() + p;
                            float const* const from = tile + r * width + done;
                            for (std::size_t t = 0; t != n; ++t) y[t] = from[t] + b;
                            done += n;
                        }
                    }
                }
            }
        });
    }
    return success{};
}

}  // namespace quanto::inline v0
