// backend_ref = any Backend that somebody else owns: two pointers, one indirect call per product. A Backend itself.
// Precondition: the backend outlives the reference.
//     backend_ref::fresh<B>()   nobody's: each call constructs a B of its own
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <quanto/backend/backend.hpp>

namespace quanto::inline v0 {

class backend_ref {
    template <QType Q>
    using quantized = void (*)(void const*, matrix_view<float const>, qtensor_view<Q> const&,
                               matrix_view<float>) noexcept;

    template <QType Q>
    struct entry {
        quantized<Q> matmul;
    };
    struct operations : entry<qint2>,
                        entry<qint4>,
                        entry<qint8>,
                        entry<qfloat8_e4m3fn>,
                        entry<qfloat8_e4m3fnuz>,
                        entry<qfloat8_e5m2> {
        std::string_view (*name)(void const*) noexcept;
        void (*dense)(void const*, matrix_view<float const>, matrix_view<float const>, matrix_view<float>) noexcept;
        void (*int8)(void const*, matrix_view<std::int8_t const>, float, qtensor_view<qint8> const&,
                     matrix_view<float>) noexcept;
    };

    // How the table of B comes by its backend.
    template <class B>
    struct owned_elsewhere {
        static B const& get(void const* b) noexcept { return *static_cast<B const*>(b); }
    };
    template <class B>
    struct constructed {
        static B get(void const*) noexcept { return B{}; }
    };

    template <class From, QType Q>
    static constexpr entry<Q> entry_of{[](void const* b, matrix_view<float const> x, qtensor_view<Q> const& w,
                                          matrix_view<float> y) noexcept { From::get(b).matmul(x, w, y); }};
    template <class From>
    static constexpr operations table{
        entry_of<From, qint2>,
        entry_of<From, qint4>,
        entry_of<From, qint8>,
        entry_of<From, qfloat8_e4m3fn>,
        entry_of<From, qfloat8_e4m3fnuz>,
        entry_of<From, qfloat8_e5m2>,
        [](void const* b) noexcept -> std::string_view { return From::get(b).name(); },
        [](void const* b, matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y) noexcept {
            From::get(b).matmul(x, w, y);
        },
        [](void const* b, matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
           matrix_view<float> y) noexcept { From::get(b).matmul(x, x_scale, w, y); }};

public:
    template <class B>
    requires(!std::is_same_v<B, backend_ref> && Backend<B>) constexpr backend_ref(B const& backend) noexcept
        : backend_(&backend), operations_(&table<owned_elsewhere<B>>) {}
    template <class B>
    requires(!std::is_same_v<B, backend_ref> && Backend<B>) backend_ref(B const&& temporary)
    = delete;

    template <Backend B>
    static constexpr backend_ref fresh() noexcept {
        return backend_ref(nullptr, &table<constructed<B>>);
    }

    std::string_view name() const noexcept { return operations_->name(backend_); }

    template <QType Q>
    void matmul(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) const noexcept {
        static_cast<entry<Q> const*>(operations_)->matmul(backend_, x, w, y);
    }
    void matmul(matrix_view<float const> x, any_qtensor const& w, matrix_view<float> y) const noexcept {
        w.visit([&]<QType Q>(qtensor_view<Q> const& v) { matmul(x, v, y); });
    }
    void matmul(matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y) const noexcept {
        operations_->dense(backend_, x, w, y);
    }
    void matmul(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                matrix_view<float> y) const noexcept {
        operations_->int8(backend_, x, x_scale, w, y);
    }

private:
    constexpr backend_ref(void const* backend, operations const* what) noexcept
        : backend_(backend), operations_(what) {}

    void const* backend_;
    operations const* operations_;
};

}  // namespace quanto::inline v0
