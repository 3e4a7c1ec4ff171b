#include <quanto/kernels/matmul/kernel_list.hpp>

#include <cstring>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/testing.hpp>

#if defined(__unix__)
#include <sys/mman.h>
#endif

#include "catch.hpp"

using namespace quanto;

#if defined(__unix__)
namespace {
// A copy whose last byte is the last before an unreadable page.
class at_the_edge {
public:
    at_the_edge(void const* data, std::size_t n) : size_((n + page - 1) / page * page + page) {
        base_ = static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(base_ + size_ - page, page, PROT_NONE);
        start_ = base_ + size_ - page - n;
        std::memcpy(start_, data, n);
    }
    ~at_the_edge() { munmap(base_, size_); }
    at_the_edge(at_the_edge const&) = delete;
    at_the_edge& operator=(at_the_edge const&) = delete;
    template <class T>
    T* as() const noexcept {
        return reinterpret_cast<T*>(start_);
    }

private:
    static constexpr std::size_t page = 65536;
    std::size_t size_;
    char *base_ = nullptr, *start_ = nullptr;
};
}  // namespace

TEST_CASE("kernels read and write nothing outside their operands") {
    for (std::size_t const k : {1u, 5u, 31u, 64u, 100u, 257u})
        for (std::string_view const cap : {"portable", "avx2", "avx512"}) {
            cpu_backend const backend({.force_isa = cap});
            std::size_t const m = k % 2 == 0 ? 5 : 35, n = 7;
            auto const x = testing::test_values(m, k, 1), dense = testing::test_values(n, k, 2);
            Tensor<float> y(m, n);
            at_the_edge const xs(x.data(), x.size() * 4), ds(dense.data(), dense.size() * 4),
                ys(y.data(), y.size() * 4);
            matrix_view<float const> const xv(xs.as<float>(), m, k);
            matrix_view<float> const yv(ys.as<float>(), m, n);
            backend.matmul(xv, matrix_view<float const>(ds.as<float>(), n, k), yv);
            Tensor<float16> const halves(n, k);
            at_the_edge const hs(halves.data(), halves.size() * 2);
            backend.matmul(xv, matrix_view<float16 const>(hs.as<float16>(), n, k), yv);
            for (std::size_t const rows : {std::size_t{1}, m}) {  // the last ones
                matrix_view<float const> const x_of(xv.row(m - rows), rows, k);
                matrix_view<float> const y_of(yv.row(m - rows), rows, n);
                backend.matmul(x_of, matrix_view<bfloat16 const>(hs.as<bfloat16>(), n, k), y_of);
                REQUIRE(backend.matmul(batch_product{
                    {}, {x_of}, {matrix_view<bfloat16 const>(hs.as<bfloat16>(), n, k)}, {y_of}, batch_axis::n}));
                REQUIRE(backend.matmul(batch_product{
                    {}, {x_of}, {matrix_view<bfloat16 const>(hs.as<bfloat16>(), k, n)}, {y_of}, batch_axis::k}));
            }
            Tensor<std::int8_t> const codes_of_x(m, k), codes_of_w(n, k);
            at_the_edge const x8(codes_of_x.data(), m * k), w8(codes_of_w.data(), n * k), of_x(y.data(), m * 4),
                of_w(y.data(), n * 4);
            for (auto const axis : {batch_axis::n, batch_axis::k}) {
                bool const by_n = axis == batch_axis::n;
                matrix_view<std::int8_t const> const wv(w8.as<std::int8_t>(), by_n ? n : k, by_n ? k : n);
                batch_product const p{{},
                                      {{matrix_view<std::int8_t const>(x8.as<std::int8_t>(), m, k), 1.0f}},
                                      {{wv, 1.0f}},
                                      {yv},
                                      axis,
                                      of_x.as<float>(),
                                      by_n ? of_w.as<float>() : nullptr};
                REQUIRE(backend.matmul(p));
            }
            any_qtype::for_each([&]<QType Q>(Q) {
                auto const made = *quantize<Q>(dense, default_optimizer<Q>{}, {.group = 32});
                auto w = made.view();
                at_the_edge const codes(w.codes, made.parts().codes.size());
                at_the_edge const scales(w.scales, made.parts().scale.size());
                w.codes = codes.as<std::uint8_t const>();
                w.scales = scales.as<std::byte const>();
                backend.matmul(xv, w, yv);
            });
            SUCCEED();
        }
}
#endif

TEST_CASE("float8 codes that are NaN reach only their own row") {
    auto parts = quantize<qfloat8>(testing::test_values(6, 40, 1))->parts();
    auto const x = testing::test_values(3, 40, 2);
    Tensor<float> y(3, 6);
    auto codes = storage::allocate(240);
    REQUIRE(codes);
    std::memset(codes->mutable_data(), 0x38, 240);
    codes->mutable_data()[2 * 40 + 39] = std::byte{0x7f};
    parts.codes = std::move(*codes);
    QTensor<qfloat8> const w(std::move(parts));
    REQUIRE(matmul(cpu_backend(), x, w, y));
    for (std::size_t i = 0; i != y.size(); ++i) CHECK(is_nan(y[i]) == (i % 6 == 2));
}
