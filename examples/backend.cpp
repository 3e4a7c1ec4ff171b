// A backend of one's own: name() and three products. It serves one type with its own code and leaves the others to the
// reference; check_backend_conformance says whether it is right.
#include <cstdio>

#include <quanto/backend/reference_backend.hpp>
#include <quanto/testing.hpp>

struct my_backend {
    quanto::reference_backend fallback;

    std::string_view name() const noexcept { return "mine"; }

    template <quanto::QType Q>
    void matmul(quanto::matrix_view<float const> x, quanto::qtensor_view<Q> const& w,
                quanto::matrix_view<float> y) const noexcept {
        fallback.matmul(x, w, y);
    }
    void matmul(quanto::matrix_view<float const> x, quanto::matrix_view<float const> w,
                quanto::matrix_view<float> y) const noexcept {
        for (std::size_t m = 0; m != x.rows; ++m)
            for (std::size_t n = 0; n != w.rows; ++n) {
                float sum = 0.0f;
                for (std::size_t k = 0; k != x.cols; ++k) sum += x(m, k) * w(n, k);
                y(m, n) = sum;
            }
    }
    void matmul(quanto::matrix_view<std::int8_t const> x, float x_scale, quanto::qtensor_view<quanto::qint8> const& w,
                quanto::matrix_view<float> y) const noexcept {
        fallback.matmul(x, x_scale, w, y);
    }
};

int main() {
    auto const ok = quanto::testing::check_backend_conformance(my_backend{});
    std::puts(ok ? "my_backend conforms" : ok.error().c_str());
    return ok ? 0 : 1;
}
