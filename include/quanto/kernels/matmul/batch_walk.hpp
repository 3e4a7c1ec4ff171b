// Batches with few rows of x, as a step of decoding has them: the time is that of reading w. Matrices that lie beside
// each other in the same rows of memory, the heads of a cache, are walked together, block of rows by block of rows, and
// the lines of the next block are asked for in the order of memory, whichever matrix they belong to:
//     for each block of rows:  for each matrix:  for each 32 rows:  fetch as many bytes of the next block;  multiply
// Sums have the order of the kernels, k ascending in pieces of 32 where the rows of w are k.
#pragma once

#include <quanto/kernels/matmul/batch_product.hpp>
#include <quanto/kernels/matmul/dense.hpp>

namespace quanto::inline v0::detail {

// Rows of `width` bytes, fetched line by line into the second cache.
class row_fetcher {
public:
    row_fetcher(std::byte const* first, std::size_t stride, std::size_t width, row_range rows) noexcept
        : first_(first), stride_(stride), width_(width), rows_(rows) {}

    // Up to `bytes` more of them, none of row `end` and later ones.
    void fetch(std::size_t bytes, std::size_t end) noexcept {
        for (std::size_t i = 0; i < bytes && rows_.begin < (end < rows_.end ? end : rows_.end); i += line) {
            __builtin_prefetch(first_ + rows_.begin * stride_ + at_, 0, 2);
            at_ += line;
            if (at_ < width_) continue;
            at_ = 0;
            ++rows_.begin;
        }
    }

private:
    static constexpr std::size_t line = 64;
    std::byte const* first_;
    std::size_t stride_, width_, at_ = 0;
    row_range rows_;
};

template <class W>
struct batch_walk {
    static constexpr std::size_t step = 32, block_bytes = std::size_t{64} << 10;

    void (*dot)(matrix_view<float const>, matrix_view<W const>, matrix_view<float>, row_range) noexcept;
    void (*add_columns)(matrix_view<float const>, matrix_view<W const>, matrix_view<float>, row_range, bool) noexcept;
    batch_product const& p;

    std::size_t stride_bytes() const noexcept { return p.w.first.stride * sizeof(W); }
    std::byte const* place(std::size_t b) const noexcept { return static_cast<std::byte const*>(p.w[p.at(b)].data); }

    // The end of those after b whose rows lie in the rows of memory where that of b begins; width: bytes of a row.
    std::size_t together(std::size_t b, std::size_t end, std::size_t& width) const noexcept {
        std::size_t const own = p.w.first.cols * sizeof(W);
        auto const begin = reinterpret_cast<std::uintptr_t>(place(b));
        width = own;
        for (++b; b != end; ++b) {
            std::size_t const offset = reinterpret_cast<std::uintptr_t>(place(b)) - begin;  // huge, if before
            if (offset >= stride_bytes() || offset + own > stride_bytes()) break;
            if (offset + own > width) width = offset + own;
        }
        return b;
    }

    // Matrices [b, end), rows [first, last) of w.
    void operator()(std::size_t b, std::size_t end, row_range of_w) const noexcept {
        for (std::size_t next; b != end; b = next) {
            std::size_t width;
            next = together(b, end, width);
            std::size_t const fit = block_bytes / width / step * step, block = fit < step ? step : fit;
            row_fetcher ahead(place(b), stride_bytes(), width, {of_w.begin + block, of_w.end});
            for (std::size_t begin = of_w.begin; begin < of_w.end; begin += block) {
                std::size_t const stop = of_w.end - begin < block ? of_w.end : begin + block;
                for (std::size_t i = b; i != next; ++i) multiply(p.at(i), {begin, stop}, stop + block, ahead);
            }
        }
    }

private:
    void multiply(auto const& index, row_range r, std::size_t fetched, row_fetcher& ahead) const noexcept {
        auto const x = p.x[index].template as<float>();
        auto const w = p.w[index].template as<W>();
        auto const y = p.y[index].template as<float>();
        for (std::size_t i = r.begin; i < r.end; i += step) {
            std::size_t const n = r.end - i < step ? r.end - i : step;
            ahead.fetch(n * w.cols * sizeof(W), fetched);
            matrix_view<W const> const part(w.row(i), n, w.cols, w.stride);
            if (p.w_rows == batch_axis::n)
                dot(x, part, {y.data + i, y.rows, n, y.stride}, {0, n});
            else
                add_columns({x.data + i, x.rows, n, x.stride}, part, y, {0, y.rows}, i != 0);
        }
    }
};

// run(n, task) runs tasks 0 .. n - 1: some of the matrices each, or some rows of all of them.
template <class W, class Run>
void walk_batch(batch_walk<W> const& walk, std::size_t concurrency, Run const& run) noexcept {
    bool const by_rows = walk.p.w_rows == batch_axis::n;
    std::size_t const batches = walk.p.batches(), rows = walk.p.w.first.rows,
                      pieces = walk.p.n() == 0 ? 0
                               : by_rows       ? ceil_div(rows, walk.step)
                                               : batches,
                      tasks = pieces < concurrency ? pieces : concurrency;
    run(tasks, [&](std::size_t t) {
        std::size_t const begin = pieces * t / tasks, end = pieces * (t + 1) / tasks;
        if (by_rows)
            walk(0, batches, {begin * walk.step, t + 1 == tasks ? rows : end * walk.step});
        else
            walk(begin, end, {0, rows});
    });
}

}  // namespace quanto::inline v0::detail
