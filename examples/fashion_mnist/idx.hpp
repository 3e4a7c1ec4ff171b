// An idx file = two zero bytes, the element type (8: u8), the rank, a big-endian u32 per dimension, then the elements.
// MNIST and Fashion-MNIST = 28 x 28 pixels and a label 0 .. 9 per image; a network wants (pixel / 255 - mean) /
// deviation.
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

    // Images first .. first + count, each of the shape that the network wants. Precondition: the data set has them.
    template <class Network>
    quanto::Tensor<float> images(std::size_t first, std::size_t count) const {
        return read<Network>(count, [first](std::size_t i) { return first + i; });
    }
    // The same for any images, in this order.
    template <class Network>
    quanto::Tensor<float> images(std::span<std::uint32_t const> chosen) const {
        return read<Network>(chosen.size(), [chosen](std::size_t i) { return std::size_t{chosen[i]}; });
    }

    // Images first .. first + count alone; the bytes are shared. Same precondition.
    Dataset slice(std::size_t first, std::size_t count) const {
        auto const of = [&](IdxFile const& file, std::size_t bytes_each) {
            IdxFile part{file.shape, file.elements.slice(first * bytes_each, count * bytes_each)};
            part.shape[0] = count;
            return part;
        };
        return {of(pixels, pixels.shape[1] * pixels.shape[2]), of(labels, 1)};
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
    template <class Network>
    quanto::Tensor<float> read(std::size_t count, auto const& number_of) const {
        quanto::extents shape{count};
        for (std::size_t n : Network::image) shape.push_back(n);
        quanto::Tensor<float> x(shape);
        std::size_t const area = pixels.shape[1] * pixels.shape[2];
        for (std::size_t i = 0; i != count; ++i)
            for (std::size_t j = 0; j != area; ++j) {
                auto const pixel = static_cast<float>(pixels[number_of(i) * area + j]);
                x[i * area + j] = (pixel / 255.0f - Network::mean) / Network::deviation;
            }
        return x;
    }
};
