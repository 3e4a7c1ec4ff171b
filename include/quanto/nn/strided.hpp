// strided = which elements of a tensor a result is made of: result[i0, i1, ..] = source[offset + sum of i_d *
// strides[d]]. Transposing, slicing and repeating (stride 0) are all this.
#pragma once

#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include <quanto/nn/any_tensors.hpp>

namespace quanto::inline v0::nn {

struct strided {
    extents shape;
    std::size_t offset = 0;
    std::size_t strides[extents::max_rank]{};

    // The elements of a tensor of that shape, as they lie.
    static strided all(extents const& shape) noexcept;
    // The same seen under a larger shape: dimensions of size 1, and missing leading ones, repeat.
    // Nothing where the shapes do not fit.
    static std::optional<strided> broadcast(extents const& from, extents const& to) noexcept;

    // The same for rows of `cols` elements: which row each row of the result is. Nothing where rows are not kept whole.
    std::optional<strided> rows(std::size_t cols) const noexcept;

    // f(result index, source index) for runs of n elements of the last dimension, `step` apart in the source.
    template <class F>
    void for_each_run(F&& f) const {
        std::size_t const rank = shape.rank(), n = shape.back(), step = rank == 0 ? 1 : strides[rank - 1];
        std::size_t index[extents::max_rank]{};
        std::size_t from = offset;
        for (std::size_t to = 0, size = shape.numel(); to < size; to += n) {
            f(to, from, n, step);
            for (std::size_t d = rank; d-- > 1;) {
                std::size_t const outer = d - 1;
                from += strides[outer];
                if (++index[outer] != shape[outer]) break;
                from -= strides[outer] * index[outer];
                index[outer] = 0;
            }
        }
    }
};

// Rows of dimension 0, in that order; a row has `run` elements. Another such map from results to sources.
struct picked {
    extents shape;
    std::size_t run;
    std::vector<std::size_t> from;

    std::optional<picked> rows(std::size_t cols) const {
        if (shape.rank() < 2 || cols == 0) return std::nullopt;
        picked p{{}, run / cols, from};
        for (std::size_t d = 0; d + 1 != shape.rank(); ++d) p.shape.push_back(shape[d]);
        return p;
    }
    template <class F>
    void for_each_run(F&& f) const {
        for (std::size_t i = 0; i != from.size(); ++i) f(i * run, from[i] * run, run, std::size_t{1});
    }
};

// The result that a map describes, and the way back: every element is added to where it came from.
template <class Map, class T>
result<Tensor<T>> gathered(Map const& map, Tensor<T> const& source, memory_ref memory) {
    auto out = Tensor<T>::make_for_overwrite(map.shape, memory);
    if (!out || out->size() == 0) return out;
    T* const y = out->data();
    T const* const x = source.data();
    map.for_each_run([&](std::size_t to, std::size_t at, std::size_t n, std::size_t step) {
        if (step == 1)
            std::memcpy(y + to, x + at, n * sizeof(T));
        else
            for (std::size_t i = 0; i != n; ++i) y[to + i] = x[at + i * step];
    });
    return out;
}
template <class Map>
result<Tensor<float>> scattered(Map const& map, Tensor<float> const& values, extents const& shape, memory_ref memory) {
    auto out = Tensor<float>::make(shape, memory);
    if (!out || out->size() == 0) return out;
    float* const y = out->data();
    float const* const x = values.data();
    map.for_each_run([&](std::size_t from, std::size_t at, std::size_t n, std::size_t step) {
        for (std::size_t i = 0; i != n; ++i) y[at + i * step] += x[from + i];
    });
    return out;
}

// The shape to which two shapes are repeated, where they fit.
extents repeated(extents const& a, extents const& b) noexcept;

// A dimension as callers give it, negative ones counted from the end. Errors: shape_mismatch, naming the operation.
result<std::size_t> dimension(std::string_view operation, std::ptrdiff_t d, extents const& shape);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/strided.inl>
#endif
