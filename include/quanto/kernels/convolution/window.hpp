// window = what slides over a picture, in convolutions and in pooling. In each of the two directions
//     out = floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1
// and tap t of output o reads input o * stride + t * dilation - padding. What lies outside of the picture is padding.
#pragma once

#include <cstddef>

#include <quanto/core/math.hpp>
#include <quanto/core/result.hpp>

namespace quanto::inline v0 {

struct size_2d {
    std::size_t height = 1, width = 1;

    constexpr size_2d() noexcept = default;
    constexpr size_2d(std::size_t both) noexcept : height(both), width(both) {}
    constexpr size_2d(std::size_t h, std::size_t w) noexcept : height(h), width(w) {}

    constexpr std::size_t area() const noexcept { return height * width; }
    friend constexpr bool operator==(size_2d, size_2d) noexcept = default;
};

namespace detail {

// The outputs [begin, end) of a line whose tap, `offset` = tap * dilation from the window's start, lies inside.
struct tap_range {
    std::size_t begin, end;
    constexpr tap_range(std::size_t in, std::size_t out, std::size_t stride, std::size_t padding,
                        std::size_t offset) noexcept
        : begin(offset >= padding ? 0 : divided(padding - offset, stride)),
          end(in + padding <= offset ? 0 : divided(in + padding - offset, stride)) {
        if (end > out) end = out;
        if (begin > end) begin = end;
    }

private:
    static constexpr std::size_t divided(std::size_t n, std::size_t stride) noexcept {
        return stride == 1 ? n : ceil_div(n, stride);
    }
};

}  // namespace detail

struct window {
    size_2d kernel, stride{1}, padding{0}, dilation{1};

    // Errors: invalid_argument for a kernel, stride or dilation of 0, shape_mismatch for a window larger than the
    // padded picture.
    result<size_2d> outputs(size_2d in) const noexcept {
        size_2d out;
        if (!steps(in.height, kernel.height, stride.height, padding.height, dilation.height, out.height) ||
            !steps(in.width, kernel.width, stride.width, padding.width, dilation.width, out.width))
            return error(
                kernel.area() * stride.area() * dilation.area() == 0 ? errc::invalid_argument : errc::shape_mismatch,
                "a window of ", kernel.height, " x ", kernel.width, " (stride ", stride.height, " x ", stride.width,
                ", padding ", padding.height, " x ", padding.width, ", dilation ", dilation.height, " x ",
                dilation.width, ") does not fit a picture of ", in.height, " x ", in.width);
        return out;
    }

    // f(tap, output, input, n), tap by tap (row by row of the kernel) and line by line: that tap of the n outputs from
    // `output` on reads the elements input, input + stride.width, .. of the picture. Padding is never visited.
    template <class F>
    constexpr void for_each_run(size_2d in, size_2d out, F const& f) const noexcept {
        for (std::size_t i = 0, tap = 0; i != kernel.height; ++i) {
            std::size_t const down = i * dilation.height;
            detail::tap_range const lines(in.height, out.height, stride.height, padding.height, down);
            for (std::size_t j = 0; j != kernel.width; ++j, ++tap) {
                std::size_t const right = j * dilation.width;
                detail::tap_range const inside(in.width, out.width, stride.width, padding.width, right);
                std::size_t const n = inside.end - inside.begin;
                for (std::size_t oy = lines.begin; oy != lines.end && n != 0; ++oy)
                    f(tap, oy * out.width + inside.begin,
                      (oy * stride.height + down - padding.height) * in.width + inside.begin * stride.width + right -
                          padding.width,
                      n);
            }
        }
    }

private:
    static constexpr bool steps(std::size_t in, std::size_t kernel, std::size_t stride, std::size_t padding,
                                std::size_t dilation, std::size_t& out) noexcept {
        constexpr std::size_t most = static_cast<std::size_t>(-1) / 8;  // so that no sum below overflows
        std::size_t span = 0;
        if (kernel == 0 || stride == 0 || dilation == 0 || in > most || padding > most || stride > most ||
            !checked_multiply(dilation, kernel - 1, span) || span > most || in + 2 * padding <= span)
            return false;
        out = (in + 2 * padding - span - 1) / stride + 1;
        return true;
    }
};

}  // namespace quanto::inline v0
