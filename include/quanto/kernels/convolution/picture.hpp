// The convolution of int8 codes with int8 weights in panels, without patches: with the channels of x innermost, what a
// tap sees of an output is C' codes in a row, and a line of panel codes is a quad of them for 16 outputs. x is brought
// into that order once, with its padding, one image at a time:
//     padded[iy + padding][ix + padding][c], C' = C rounded up to 4 channels, zeros around and between
// Panels hold code + 128: 128 times the sum of what an output sees is where its sum starts from, negated.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quanto/kernels/convolution/operands.hpp>
#include <quanto/kernels/panel/tile.hpp>

namespace quanto::inline v0::detail {

// Sizes of the padded picture.
struct padded_picture {
    std::size_t width, height, channels;

    explicit padded_picture(patch_layout const& l) noexcept
        : width(l.in.width + 2 * l.taps.padding.width),
          height(l.in.height + 2 * l.taps.padding.height),
          channels(ceil_div(l.channels, panel_layout::quad) * panel_layout::quad) {}
    std::size_t pixels() const noexcept { return width * height; }
    std::size_t codes() const noexcept { return pixels() * channels; }
};

// Outputs of a line times panels.
struct line_product {
    std::size_t step, runs_down, runs_right, down, right, lines;  // bytes between outputs; taps, and bytes between them
    std::size_t panel_bytes;
};

// Where `outputs` <= 16 outputs of places of a line go, as floats or as codes, `area` elements apart; bias: theirs.
struct line_output {
    std::size_t area, outputs;
    float x_scale;
    dtype scale_type;
    std::byte const* header;
    float const* bias;
    float* y;
    std::int8_t* codes;
    float code_scale;
};

// The kernels of an instruction set: picture_line.inl. code_bytes: of a code in the padded picture.
struct picture_functions {
    std::size_t code_bytes;
    void (*pad)(patch_layout const&, std::int8_t const*, std::byte*) noexcept;
    void (*sum_channels)(padded_picture const&, std::byte const*, std::int32_t*) noexcept;
    void (*convolve_line)(int8_convolution const&, std::size_t, std::size_t, std::byte const*, std::int32_t const*,
                          std::int32_t*) noexcept;
};

// run(n, f): f(0) .. f(n - 1), in any order and on any thread. Errors: out_of_memory.
template <class Run>
result<success> convolve_pictures(picture_functions const& f, int8_convolution const& c, Run const& run) {
    patch_layout const& l = c.layout;
    padded_picture const p(l);
    auto padded = storage::allocate(p.codes() * f.code_bytes, c.memory);
    if (!padded) return padded.error();
    auto sums = storage::allocate_for_overwrite((p.pixels() + l.out.area()) * sizeof(std::int32_t), c.memory);
    if (!sums) return sums.error();
    std::byte* const picture = padded->mutable_data();
    auto* const pixel_sums = reinterpret_cast<std::int32_t*>(sums->mutable_data());
    for (std::size_t image = 0; image != c.images; ++image) {
        f.pad(l, c.x + image * l.image_stride, picture);
        f.sum_channels(p, picture, pixel_sums);
        run(l.out.height, [&](std::size_t oy) {
            f.convolve_line(c, image, oy, picture, pixel_sums, pixel_sums + p.pixels() + oy * l.out.width);
        });
    }
    return success{};
}

}  // namespace quanto::inline v0::detail
