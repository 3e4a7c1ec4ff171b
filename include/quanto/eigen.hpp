// Eigen's matrices over quanto's memory and back, without a copy; row-major, as everything here.
//     to_eigen(tensor) * 2.0f          as_matrix(eigen_matrix)
#pragma once

#include <cstddef>
#include <type_traits>

#include <Eigen/Core>

#include <quanto/tensor/tensor.hpp>

namespace quanto::inline v0 {

template <class T>
using eigen_matrix = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using eigen_map = Eigen::Map<std::conditional_t<std::is_const_v<T>, eigen_matrix<T> const, eigen_matrix<T>>,
                             Eigen::Unaligned, Eigen::OuterStride<>>;

// Precondition of all: what is viewed outlives the view; sizes fit Eigen::Index.
template <class T>
eigen_map<T> to_eigen(matrix_view<T> m) noexcept {
    return eigen_map<T>(m.data, static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.cols),
                        Eigen::OuterStride<>(static_cast<Eigen::Index>(m.stride)));
}
// The last dimension gives the columns.
template <class T>
eigen_map<T const> to_eigen(Tensor<T> const& t) noexcept {
    return to_eigen(matrix_view<T const>(t.view()));
}
template <class T>
eigen_map<T> to_eigen(Tensor<T>& t) noexcept {
    return to_eigen(matrix_view<T>(t.view()));
}

template <class M>
concept RowMajorDense = bool(M::IsRowMajor) && int(M::InnerStrideAtCompileTime) == 1;

// A row-major matrix of Eigen, or a map or block of one with an inner stride of 1.
template <RowMajorDense Derived>
matrix_view<typename Derived::Scalar const> as_matrix(Eigen::DenseBase<Derived> const& m) noexcept {
    auto const& d = m.derived();
    return {d.data(), static_cast<std::size_t>(d.rows()), static_cast<std::size_t>(d.cols()),
            static_cast<std::size_t>(d.outerStride())};
}

}  // namespace quanto::inline v0
