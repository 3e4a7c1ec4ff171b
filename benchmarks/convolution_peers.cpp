// Float convolutions of other libraries, where they are installed, on one image in NCHW order, as ours are: Eigen's
// product of patches (unsupported/Tensor does the same), and oneDNN's primitive. Like peers.cpp, this unit is
// compiled for the machine it runs on.
#include "table.hpp"

#if __has_include(<Eigen/Core>)
#define BENCHMARKS_EIGEN 1
#include <Eigen/Core>
#endif
#if __has_include(<oneapi/dnnl/dnnl.hpp>) && defined(BENCHMARKS_ONEDNN)
#define BENCHMARKS_DNNL 1
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace benchmarks {
namespace {

// Stride 1, padding to the same size; x and w are constants, so that an output away from the borders is known.
struct picture {
    std::size_t channels, outputs, kernel, size;

    std::size_t area() const { return size * size; }
    std::size_t k() const { return channels * kernel * kernel; }
};

struct operands {
    std::vector<float> x, w, y;

    explicit operands(picture const& p)
        : x(p.channels * p.area(), 0.5f), w(p.outputs * p.k(), 0.25f), y(p.outputs * p.area()) {}
};

template <class Convolution>
[[maybe_unused]] void add_peer(table& t, std::string const& library, picture const& p) {
    std::string const shape = std::to_string(p.channels) + " to " + std::to_string(p.outputs) + ", " +
                              std::to_string(p.kernel) + " x " + std::to_string(p.kernel) + ", " +
                              std::to_string(p.size) + " x " + std::to_string(p.size);
    t.add({library + " Conv2d f32, " + shape, limit::fma_f32}, [p] {
        auto const o = std::make_shared<operands>(p);
        auto const convolve = std::make_shared<Convolution>(p, *o);
        std::size_t const middle = o->y.size() - p.area() + p.size / 2 * p.size + p.size / 2;
        return subject{
            4.0 * static_cast<double>(o->w.size()), 2.0 * static_cast<double>(p.k() * p.outputs * p.area()),
            [o, convolve] { (*convolve)(*o); },
            [o, middle, p] { return o->y[middle] == 0.125f * static_cast<float>(p.k()) ? std::string() : "wrong"; }};
    });
}

#if BENCHMARKS_EIGEN
class eigen_convolution {
public:
    eigen_convolution(picture const& p, operands const&) : p_(p), patches_(p.k() * p.area()) {}

    void operator()(operands& o) {
        std::size_t const n = p_.size, half = p_.kernel / 2;
        float* to = patches_.data();  // (K, places): a line of a tap is a copy
        for (std::size_t c = 0; c != p_.channels; ++c)
            for (std::size_t i = 0; i != p_.kernel; ++i)
                for (std::size_t j = 0; j != p_.kernel; ++j)
                    for (std::size_t y = 0; y != n; ++y, to += n) {
                        std::fill(to, to + n, 0.0f);
                        if (y + i < half || y + i - half >= n) continue;
                        float const* const line = o.x.data() + (c * n + y + i - half) * n;
                        std::size_t const begin = j < half ? half - j : 0, end = j > half ? n + half - j : n;
                        std::copy(line + begin + j - half, line + end + j - half, to + begin);
                    }
        using matrix = Eigen::Map<Eigen::MatrixXf>;  // column-major: the transposed of each
        auto const places = static_cast<Eigen::Index>(p_.area()), k = static_cast<Eigen::Index>(p_.k()),
                   outputs = static_cast<Eigen::Index>(p_.outputs);
        matrix(o.y.data(), places, outputs).noalias() =
            matrix(patches_.data(), places, k) * matrix(o.w.data(), k, outputs);
    }

private:
    picture p_;
    std::vector<float> patches_;
};
#endif

#if BENCHMARKS_DNNL
// Its weights are brought into the order that it likes once, as a model does.
class onednn_convolution {
public:
    onednn_convolution(picture const& p, operands& o) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        using tag = dnnl::memory::format_tag;
        auto const n = static_cast<dnnl::memory::dim>(p.size), c = static_cast<dnnl::memory::dim>(p.channels),
                   outputs = static_cast<dnnl::memory::dim>(p.outputs), k = static_cast<dnnl::memory::dim>(p.kernel);
        auto const described = [](dnnl::memory::dims d, tag t) {
            return dnnl::memory::desc(d, dnnl::memory::data_type::f32, t);
        };
        auto const x = described({1, c, n, n}, tag::nchw), y = described({1, outputs, n, n}, tag::nchw),
                   w = described({outputs, c, k, k}, tag::oihw);
        dnnl::memory::dims const padding{k / 2, k / 2};
        dnnl::convolution_forward::primitive_desc const primitive({dnnl::prop_kind::forward_inference,
                                                                   dnnl::algorithm::convolution_direct,
                                                                   described(x.dims(), tag::any),
                                                                   described(w.dims(), tag::any),
                                                                   described(y.dims(), tag::any),
                                                                   {1, 1},
                                                                   padding,
                                                                   padding},
                                                                  engine_);
        given_ = {dnnl::memory(x, engine_, o.x.data()), dnnl::memory(y, engine_, o.y.data())};
        x_ = dnnl::memory(primitive.src_desc(), engine_);
        y_ = dnnl::memory(primitive.dst_desc(), engine_);
        w_ = dnnl::memory(primitive.weights_desc(), engine_);
        dnnl::memory ours(w, engine_, o.w.data());
        dnnl::reorder(ours, w_).execute(stream_, ours, w_);
        in_ = dnnl::reorder(given_[0], x_);
        out_ = dnnl::reorder(y_, given_[1]);
        convolution_ = dnnl::convolution_forward(primitive);
    }
    void operator()(operands&) {
        in_.execute(stream_, given_[0], x_);
        convolution_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
        out_.execute(stream_, y_, given_[1]);
        stream_.wait();
    }

private:
    dnnl::engine engine_;
    dnnl::stream stream_;
    std::vector<dnnl::memory> given_;
    dnnl::memory x_, w_, y_;
    dnnl::reorder in_, out_;
    dnnl::convolution_forward convolution_;
};
#endif

}  // namespace

void add_convolution_peers([[maybe_unused]] table& t) {
#if BENCHMARKS_DNNL
    omp_set_num_threads(1);
#endif
    for ([[maybe_unused]] picture const& p : {picture{64, 64, 3, 56}, picture{128, 128, 3, 28}}) {
#if BENCHMARKS_EIGEN
        add_peer<eigen_convolution>(t, "Eigen", p);
#endif
#if BENCHMARKS_DNNL
        add_peer<onednn_convolution>(t, "oneDNN", p);
#endif
    }
}

}  // namespace benchmarks
