#include <quanto/testing.hpp>

#include <cstring>

#include <quanto/backend/backend_ref.hpp>
#include <quanto/backend/cpu_backend.hpp>
#include <quanto/backend/reference_backend.hpp>
#include <quanto/backend/thread_executor.hpp>

#include "catch.hpp"

using namespace quanto;

namespace {

// The least that the concept asks for.
struct archetype {
    std::string_view name() const noexcept { return "archetype"; }
    template <QType Q>
    void matmul(matrix_view<float const>, qtensor_view<Q> const&, matrix_view<float>) const noexcept {}
    void matmul(matrix_view<float const>, matrix_view<float const>, matrix_view<float>) const noexcept {}
    void matmul(matrix_view<std::int8_t const>, float, qtensor_view<qint8> const&, matrix_view<float>) const noexcept {}
};
static_assert(Backend<archetype> && Backend<backend_ref>);

struct without_int8 {
    std::string_view name() const noexcept { return "without int8"; }
    template <QType Q>
    void matmul(matrix_view<float const>, qtensor_view<Q> const&, matrix_view<float>) const noexcept {}
    void matmul(matrix_view<float const>, matrix_view<float const>, matrix_view<float>) const noexcept {}
};
static_assert(!Backend<without_int8> && !Backend<int>);

template <class B>
void conforms(B const& backend) {
    auto const ok = testing::check_backend_conformance(backend);
    INFO((ok ? "" : ok.error().c_str()));
    CHECK(ok);
}

}  // namespace

TEST_CASE("the reference backend conforms, erased too") {
    reference_backend const backend;
    conforms(backend_ref(backend));
}

TEST_CASE("the portable kernels conform") { conforms(cpu_backend({.force_isa = "portable"})); }
TEST_CASE("the avx2 kernels conform") { conforms(cpu_backend({.force_isa = "avx2"})); }
TEST_CASE("the best kernels conform") { conforms(cpu_backend()); }

TEST_CASE("a backend that does nothing does not conform") { CHECK(!testing::check_backend_conformance(archetype{})); }

TEST_CASE("shapes that do not fit are named") {
    Tensor<float> const x(2, 5), w(3, 4);
    Tensor<float> y(2, 3);
    auto const ok = matmul(cpu_backend(), x, w, y);
    REQUIRE(!ok);
    CHECK(ok.error().code() == errc::shape_mismatch);
    CHECK(ok.error().message().find("x is (2, 5), w (3, 4)") != std::string_view::npos);
}

TEST_CASE("results do not depend on the number of threads") {
    auto const x = testing::test_values(17, 784, 1);
    auto const w = *quantize<qint4, axis::first, group{112}>(testing::test_values(300, 784, 2));
    Tensor<float> alone(17, 300);
    REQUIRE(matmul(cpu_backend(), x, w, alone));
    for (std::size_t threads = 1; threads <= 8; ++threads) {
        thread_executor pool(threads);
        Tensor<float> y(17, 300);
        REQUIRE(matmul(cpu_backend({.executor = executor_ref(pool)}), x, w, y));
        CHECK(std::memcmp(y.data(), alone.data(), y.size() * sizeof(float)) == 0);
    }
}

TEST_CASE("explain names the kernel and the reason") {
    auto const w = *quantize<qint4>(testing::test_values(8, 64, 1));
    auto const why = cpu_backend({.force_isa = "portable"}).explain_matmul(1, w.view());
    CHECK(why.kernel == "matmul_qint4_f32_portable");
    CHECK(!why.reason.empty());
#if !defined(QUANTO_STATIC_ISA)
    CHECK(cpu_backend({.force_isa = "avx1024"}).explain_matmul(1, w.view()).reason ==
          "cpu_options::force_isa names no instruction set: all there is");
#endif
}
