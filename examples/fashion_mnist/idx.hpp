// An idx file = two zero bytes, the element type (8: u8), the rank, a big-endian u32 per dimension, then the elements.
// Fashion-MNIST = 28 x 28 pixels and a label 0 .. 9 per image; the network wants (pixel / 255 - 0.2860) / 0.3530.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <quanto/io/mapped_file.hpp>
#include <quanto/tensor/tensor.hpp>

struct IdxFile {
    quanto::extents shape;
    quanto::storage elements;

    std::uint8_t operator[](std::size_t i) const noexcept { return std::to_integer<std::uint8_t>(elements.data()[i]); }

    static quanto::result<IdxFile> open(std::string const& path, std::size_t rank) {
        using quanto::errc;
        using quanto::error;
        auto const file = quanto::io::MappedFile::open(path);
        if (!file) return file.error();
        auto const byte = [&](std::size_t i) { return std::to_integer<std::size_t>(file->data()[i]); };
        std::size_t const header = 4 + 4 * rank;
        if (file->size() >= 2 && byte(0) == 0x1f && byte(1) == 0x8b)
            return error(errc::malformed, path, ": is compressed; unpack it with gunzip first");
        if (file->size() < header || byte(0) != 0 || byte(1) != 0 || byte(2) != 8 || byte(3) != rank)
            return error(errc::malformed, path, ": is not an idx file of bytes with ", rank, " dimension(s)");

        IdxFile idx;
        for (std::size_t i = 4; i != header; i += 4)
            idx.shape.push_back(byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3));
        std::size_t count = 0;
        if (!idx.shape.checked_numel(count) || count != file->size() - header)
            return error(errc::malformed, path, ": holds ", file->size() - header, " elements, its header says ",
                         idx.shape.numel());
        idx.elements = file->slice(header, count);
        return idx;
    }
};

struct Dataset {
    IdxFile pixels, labels;

    std::size_t size() const noexcept { return pixels.shape.front(); }

    // Images first .. first + count as the rows of a matrix. Precondition: the data set has them.
    quanto::Tensor<float> images(std::size_t first, std::size_t count) const {
        quanto::Tensor<float> x(count, area());
        for (std::size_t i = 0; i != count; ++i) read(first + i, x.data() + i * area());
        return x;
    }
    // The same for any images, in this order.
    quanto::Tensor<float> images(std::span<std::uint32_t const> chosen) const {
        quanto::Tensor<float> x(chosen.size(), area());
        for (std::size_t i = 0; i != chosen.size(); ++i) read(chosen[i], x.data() + i * area());
        return x;
    }

    // part: "train" or "t10k".
    static quanto::result<Dataset> open(std::string const& folder, std::string const& part) {
        std::string const path = folder + "/" + part;
        auto pixels = IdxFile::open(path + "-images-idx3-ubyte", 3);
        if (!pixels) return pixels.error();
        auto labels = IdxFile::open(path + "-labels-idx1-ubyte", 1);
        if (!labels) return labels.error();
        if (pixels->shape.front() != labels->shape.front() || pixels->shape[1] != 28 || pixels->shape[2] != 28)
            return quanto::error(quanto::errc::shape_mismatch, path, "-*: are not a label for each image of 28 x 28");
        return Dataset{std::move(*pixels), std::move(*labels)};
    }

private:
    std::size_t area() const noexcept { return pixels.shape[1] * pixels.shape[2]; }
    void read(std::size_t image, float* x) const noexcept {
        for (std::size_t i = 0; i != area(); ++i)
            x[i] = (static_cast<float>(pixels[image * area() + i]) / 255.0f - 0.2860f) / 0.3530f;
    }
};
