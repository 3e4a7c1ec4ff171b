// cpu_backend = the fastest kernels that this processor runs, chosen once, at construction.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <quanto/backend/backend.hpp>
#include <quanto/backend/executor.hpp>
#include <quanto/core/memory.hpp>
#include <quanto/kernels/matmul/reference.hpp>

namespace quanto::inline v0 {

struct cpu_options {
    memory_ref memory{};
    std::optional<executor_ref> executor{};  // nothing: the calling thread
    std::string_view force_isa{};            // cap: "portable", "avx2", "avx512"; empty: the best there is
};

class cpu_backend {
public:
    constexpr explicit cpu_backend(cpu_options const& options = {}) noexcept : options_(options) {}
    static constexpr std::string_view name() noexcept { return "cpu"; }

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

private:
    cpu_options options_;
};

static_assert(Backend<cpu_backend>);

}  // namespace quanto::inline v0
