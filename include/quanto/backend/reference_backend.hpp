// reference_backend = the definition of every product (kernels/matmul/reference.hpp). Slow; for tests and new targets.
#pragma once

#include <cstdint>
#include <string_view>

#include <quanto/backend/backend.hpp>
#include <quanto/kernels/matmul/reference.hpp>

namespace quanto::inline v0 {

struct reference_backend {
    static constexpr std::string_view name() noexcept { return "reference"; }

    template <QType Q>
    void matmul(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) const noexcept {
        matmul_reference(x, w, y);
    }
    void matmul(matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y) const noexcept {
        matmul_reference(x, w, y);
    }
    void matmul(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                matrix_view<float> y) const noexcept {
        matmul_reference(x, x_scale, w, y);
    }
};

static_assert(Backend<reference_backend>);

}  // namespace quanto::inline v0
