// patches: a convolution as a product of matrices. For x (images, planes, height, width), the patch of output
// p = (image * out.height + oy) * out.width + ox is a row of all that its window sees, zeros outside of the picture:
//     patch[(c * kernel.height + i) * kernel.width + j] = x[image][c][oy * stride + i * dilation - padding][ox .. j ..]
// which is the order of a weight (outputs, channels, kernel.height, kernel.width), so that y[p][o] = patch . w[o]. Taps
// first it is patch[(i * kernel.width + j) * C' + c], C' = channels rounded up to 4, as prepared 8-bit weights are.
#pragma once

#include <cstddef>
#include <cstring>

#include <quanto/kernels/convolution/window.hpp>
#include <quanto/tensor/view.hpp>

namespace quanto::inline v0 {

// `channels` planes of each image take part; the next image starts image_stride elements later.
struct patch_layout {
    window taps;
    size_2d in, out;
    std::size_t channels = 0, image_stride = 0;
    bool taps_first = false;

    // Elements of a patch, and how far apart the channels and the taps of one are.
    constexpr std::size_t size() const noexcept {
        return taps_first ? tap_step() * taps.kernel.area() : channels * taps.kernel.area();
    }
    constexpr std::size_t channel_step() const noexcept { return taps_first ? 1 : taps.kernel.area(); }
    constexpr std::size_t tap_step() const noexcept { return taps_first ? ceil_div(channels, 4) * 4 : 1; }

    // Whether a copy of the picture with its padding is not much more than what is read and written anyway.
    constexpr bool pads_little() const noexcept {
        std::size_t area = 0;
        return checked_multiply(in.height + 2 * taps.padding.height, in.width + 2 * taps.padding.width, area) &&
               area / 4 <= in.area() + out.area() + 1024;
    }

    // f(row, k, n, offset, step): rows row .. row + n of column k are x[offset], x[offset + step], ..; what is never
    // visited is padding. For the patches first .. first + count, rows counted from `first`.
    template <class F>
    void for_each_run(std::size_t first, std::size_t count, F&& f) const {
        for (std::size_t done = 0; done != count;) {
            std::size_t const line = (first + done) / out.width, ox = (first + done) % out.width;
            std::size_t const oy = line % out.height, rest = count - done;
            std::size_t const n = rest < out.width - ox ? rest : out.width - ox;
            std::size_t const image = line / out.height * image_stride;
            for (std::size_t c = 0; c != channels; ++c)
                for (std::size_t i = 0; i != taps.kernel.height; ++i) {
                    std::size_t const below = oy * taps.stride.height + i * taps.dilation.height;
                    if (below < taps.padding.height || below - taps.padding.height >= in.height) continue;
                    std::size_t k = c * channel_step() + i * taps.kernel.width * tap_step();
                    std::size_t const row = image + (c * in.height + below - taps.padding.height) * in.width;
                    for (std::size_t j = 0; j != taps.kernel.width; ++j, k += tap_step()) {
                        std::size_t const offset = j * taps.dilation.width;
                        detail::tap_range inside(in.width, out.width, taps.stride.width, taps.padding.width, offset);
                        if (inside.begin < ox) inside.begin = ox;
                        if (inside.end > ox + n) inside.end = ox + n;
                        if (inside.begin < inside.end)
                            f(done + inside.begin - ox, k, inside.end - inside.begin,
                              row + inside.begin * taps.stride.width + offset - taps.padding.width, taps.stride.width);
                    }
                }
            done += n;
        }
    }
};

// patches(r, k) of the outputs first .. first + patches.rows. Precondition: patches.cols == layout.size().
template <class T>
void gather_patches(patch_layout const& layout, T const* x, std::size_t first, matrix_view<T> patches) noexcept {
    if (layout.taps.padding != size_2d(0) || layout.size() != layout.channels * layout.taps.kernel.area())
        for (std::size_t r = 0; r != patches.rows; ++r) std::memset(patches.row(r), 0, patches.cols * sizeof(T));
    layout.for_each_run(first, patches.rows,
                        [&](std::size_t row, std::size_t k, std::size_t n, std::size_t offset, std::size_t step) {
                            T* to = patches.row(row) + k;
                            for (std::size_t t = 0; t != n; ++t, to += patches.stride, offset += step) *to = x[offset];
                        });
}

}  // namespace quanto::inline v0
