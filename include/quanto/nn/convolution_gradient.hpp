// The way back through a convolution (convolution.hpp), group by group, with the patches P of the outputs of a tile:
//     dw = dy^T P        dP = dy w, and every element of dP is added to the element of dx that it was gathered from
// The patches are gathered transposed, (k, outputs), so that lines of a picture are copied and added as a whole.
#pragma once

#include <cstring>
#include <optional>
#include <utility>

#include <quanto/core/math.hpp>
#include <quanto/kernels/convolution/patches.hpp>
#include <quanto/kernels/transpose.hpp>
#include <quanto/nn/gradient.hpp>

namespace quanto::inline v0::nn::detail {

struct convolution_gradient {
    Weight const& weight;
    std::optional<any_tensor> const& bias;
    patch_layout layout;
    std::size_t groups;
    Activation x;

    result<success> operator()(Tape& tape, Tensor<float> const& dy) const {
        auto const where = x.where();
        bool const moves = tape.watches(&weight), reaches = x.node() != nullptr;
        if (bias && tape.watches(&*bias))
            if (auto done = tape.add_to(&*bias, sums(dy, where.memory)); !done) return done;
        Tensor<float> values, dw, dx, own;
        matrix_view<float const> wt;
        if (moves) {
            auto floats = x.floats();
            auto made = Tensor<float>::make(weight.shape(), where.memory);
            if (!floats || !made) return (floats ? made : floats).error();
            values = std::move(*floats), dw = std::move(*made);
        }
        if (reaches) {
            auto made = Tensor<float>::make(x.shape(), where.memory);
            if (!made) return made.error();
            dx = std::move(*made);
            auto const weights = transposed_weight(tape, weight, own, where.memory);
            if (!weights) return weights.error();
            wt = *weights;
        }
        if (moves || reaches)
            if (auto done = tiles(dy, values, wt, moves ? &dw : nullptr, reaches ? &dx : nullptr, where); !done)
                return done;
        if (moves)
            if (auto done = tape.add_to(&weight, std::move(dw)); !done) return done;
        return reaches ? tape.add(x.node(), std::move(dx)) : result<success>(success{});
    }

private:
    std::size_t outputs() const noexcept { return weight.shape().front(); }

    result<Tensor<float>> sums(Tensor<float> const& dy, memory_ref memory) const {
        auto db = Tensor<float>::make({outputs()}, memory);
        if (!db) return db;
        std::size_t const area = layout.out.area(), planes = area == 0 ? 0 : dy.size() / area;
        for (std::size_t plane = 0; plane != planes; ++plane) {
            float sum = 0.0f;
            for (std::size_t p = 0; p != area; ++p) sum += dy[plane * area + p];
            (*db)[plane % outputs()] += sum;
        }
        return db;
    }

    result<success> tiles(Tensor<float> const& dy, Tensor<float> const& values, matrix_view<float const> wt,
                          Tensor<float>* dw, Tensor<float>* dx, context const& where) const {
        constexpr std::size_t tile_size = std::size_t{1} << 17;  // elements: what a second-level cache holds
        std::size_t const k = layout.size(), n = outputs() / groups;
        std::size_t const total = dy.size() / outputs();
        std::size_t const rows = math::min(total, math::min(math::max(tile_size / k, 64), 512) / 8 * 8);
        auto patches = Tensor<float>::make_for_overwrite({k, rows}, where.memory),
             to_add = Tensor<float>::make_for_overwrite({n, k}, where.memory);
        auto upper = Tensor<float>::make_for_overwrite({n, rows}, where.memory),
             lower = Tensor<float>::make_for_overwrite({rows, n}, where.memory);
        for (auto const* made : {&patches, &to_add, &upper, &lower})
            if (!*made) return made->error();
        for (std::size_t group = 0; group != groups; ++group)
            for (std::size_t first = 0; first < total; first += rows) {
                std::size_t const count = math::min(rows, total - first);
                matrix_view<float> const tile(patches->data(), k, count);
                matrix_view<float> const dyt(upper->data(), n, count);  // dy of these outputs, transposed
                gather_gradients(dy, group * n, first, dyt);
                std::size_t const offset = group * layout.channels * layout.in.area();
                if (dw != nullptr) {
                    gather(values.data() + offset, first, tile);
                    where.backend.matmul(dyt, tile, *to_add);
                    float* const sum = dw->data() + group * n * k;
                    for (std::size_t i = 0; i != n * k; ++i) sum[i] += std::as_const(*to_add)[i];
                }
                if (dx != nullptr) {
                    matrix_view<float> const gradients(lower->data(), count, n);
                    transpose(matrix_view<float const>(dyt), gradients);
                    where.backend.matmul(matrix_view<float const>(wt.data + group * n, k, n, wt.stride), gradients,
                                         tile);
                    scatter(tile, first, dx->data() + offset);
                }
            }
        return success{};
    }

    // dyt(j, r) = dy of channel first_channel + j at output first + r.
    void gather_gradients(Tensor<float> const& dy, std::size_t first_channel, std::size_t first,
                          matrix_view<float> dyt) const noexcept {
        std::size_t const area = layout.out.area();
        for (std::size_t done = 0; done != dyt.cols;) {
            std::size_t const image = (first + done) / area, p = (first + done) % area;
            std::size_t const some = math::min(dyt.cols - done, area - p);
            for (std::size_t j = 0; j != dyt.rows; ++j)
                std::memcpy(dyt.row(j) + done, dy.data() + (image * outputs() + first_channel + j) * area + p,
                            some * sizeof(float));
            done += some;
        }
    }
    void gather(float const* from, std::size_t first, matrix_view<float> patches) const noexcept {
        std::memset(patches.data, 0, patches.rows * patches.cols * sizeof(float));
        layout.for_each_run(first, patches.cols,
                            [&](std::size_t row, std::size_t k, std::size_t n, std::size_t offset, std::size_t step) {
                                float* const to = patches.row(k) + row;
                                for (std::size_t t = 0; t != n; ++t) to[t] = from[offset + t * step];
                            });
    }
    void scatter(matrix_view<float const> patches, std::size_t first, float* to) const noexcept {
        layout.for_each_run(first, patches.cols,
                            [&](std::size_t row, std::size_t k, std::size_t n, std::size_t offset, std::size_t step) {
                                float const* const from = patches.row(k) + row;
                                for (std::size_t t = 0; t != n; ++t) to[offset + t * step] += from[t];
                            });
    }
};

}  // namespace quanto::inline v0::nn::detail
