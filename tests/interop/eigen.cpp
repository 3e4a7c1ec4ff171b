#if __has_include(<Eigen/Core>)
#include <quanto/eigen.hpp>

#include "catch.hpp"

using namespace quanto;

TEST_CASE("tensors and matrices of Eigen are views of each other") {
    Tensor<float> t(2, 3);
    for (std::size_t i = 0; i != 6; ++i) t[i] = static_cast<float>(i);
    auto m = to_eigen(t);
    CHECK(m(1, 2) == 5.0f);
    m(1, 0) = 9.0f;
    CHECK(t[3] == 9.0f);
    CHECK(to_eigen(std::as_const(t)).sum() == 0.0f + 1.0f + 2.0f + 9.0f + 4.0f + 5.0f);

    eigen_matrix<float> const e = to_eigen(t) * 2.0f;
    auto const v = as_matrix(e);
    CHECK(v.rows == 2);
    CHECK(v.cols == 3);
    CHECK(v(1, 0) == 18.0f);
    CHECK(v.data == e.data());
}

TEST_CASE("strides go both ways") {
    float const data[] = {0, 1, 2, 3, 4, 5, 6, 7};
    auto const m = to_eigen(matrix_view<float const>(data, 2, 3, 4));
    CHECK(m(1, 2) == 6.0f);
    auto const v = as_matrix(m.block(0, 1, 2, 2));
    CHECK(v.stride == 4);
    CHECK(v(1, 1) == 6.0f);
}
#endif
