// Float products of other libraries, where they are installed. This unit alone is compiled for the machine it runs on
// (-march=native), because Eigen has no other way to use its instructions.
#include "table.hpp"

#if __has_include(<Eigen/Core>)
#define BENCHMARKS_EIGEN 1
#include <Eigen/Core>
#endif
#if __has_include(<cblas.h>) && defined(BENCHMARKS_OPENBLAS)
#include <cblas.h>
#endif

namespace benchmarks {
namespace {

struct matrices {
    std::vector<float> x, w, y;
    std::size_t copies, next = 0;
};

std::shared_ptr<matrices> make_matrices(std::size_t m, std::size_t n, std::size_t k, bool from_memory) {
    std::size_t const copies = from_memory ? (std::size_t{320} << 20) / (n * k * sizeof(float)) + 1 : 1;
    auto o = std::make_shared<matrices>();
    o->copies = copies;
    o->x.assign(m * k, 0.5f);
    o->w.assign(copies * n * k, 0.25f);
    o->y.assign(m * n, 0.0f);
    return o;
}

// multiply(x, w, y): all row-major, y = x * transposed(w).
template <class F>
void add_peer(table& t, std::string const& library, F multiply) {
    auto const product = [&](std::string const& title, limit bound, std::size_t m, std::size_t n, std::size_t k) {
        t.add({library + " " + title, bound}, [=] {
            auto const o = make_matrices(m, n, k, m == 1);
            double const size = static_cast<double>(n) * static_cast<double>(k);
            return subject{4.0 * size, 2.0 * static_cast<double>(m) * size,
                           [=] {
                               multiply(o->x.data(), o->w.data() + o->next * n * k, o->y.data(), m, n, k);
                               o->next = (o->next + 1) % o->copies;
                           },
                           [=] { return o->y[m * n - 1] == 0.125f * static_cast<float>(k) ? std::string() : "wrong"; }};
        });
    };
    product("GEMV f32 x f32, 4096 x 4096", limit::read_dram, 1, 4096, 4096);
    product("GEMM f32 x f32, M = 512, 4096 x 4096", limit::fma_f32, 512, 4096, 4096);
    product("GEMM f32 x f32, M = 256, 256 x 784", limit::fma_f32, 256, 256, 784);
}

}  // namespace

void add_peers([[maybe_unused]] table& t) {
#if BENCHMARKS_EIGEN
    add_peer(t, "Eigen", [](float* x, float* w, float* y, std::size_t m, std::size_t n, std::size_t k) {
        using matrix = Eigen::Map<Eigen::MatrixXf>;  // column-major: the transposed of each
        auto const rows = static_cast<Eigen::Index>(m), cols = static_cast<Eigen::Index>(n),
                   depth = static_cast<Eigen::Index>(k);
        matrix(y, cols, rows).noalias() = matrix(w, depth, cols).transpose() * matrix(x, depth, rows);
    });
#endif
#if defined(BENCHMARKS_OPENBLAS) && __has_include(<cblas.h>)
    openblas_set_num_threads(1);
    add_peer(t, "OpenBLAS", [](float* x, float* w, float* y, std::size_t m, std::size_t n, std::size_t k) {
        auto const rows = static_cast<int>(m), cols = static_cast<int>(n), depth = static_cast<int>(k);
        if (m == 1)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, cols, depth, 1, w, depth, x, 1, 0, y, 1);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, cols, depth, 1, x, depth, w, depth, 0, y, cols);
    });
#endif
}

}  // namespace benchmarks
