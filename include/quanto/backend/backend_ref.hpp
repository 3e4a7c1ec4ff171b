// backend_ref = any Backend that somebody else owns: two pointers, one indirect call per product. A Backend itself, and
// a PreparingBackend: where reads_panels() is false, prepare() and products with panels are errors.
// Precondition: the backend outlives the reference.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <quanto/backend/backend.hpp>
#include <quanto/kernels/isa.hpp>

namespace quanto::inline v0 {

class backend_ref {
    template <QType Q>
    using quantized = void (*)(void const*, matrix_view<float const>, qtensor_view<Q> const&,
                               matrix_view<float>) noexcept;

    template <QType Q>
    struct entry {
        quantized<Q> matmul;
    };
    template <FloatStorage S>
    using dense = void (*)(void const*, matrix_view<float const>, matrix_view<S const>, matrix_view<float>,
                           memory_ref) noexcept;
    struct operations : entry<qint2>,
                        entry<qint4>,
                        entry<qint8>,
                        entry<qfloat8_e4m3fn>,
                        entry<qfloat8_e4m3fnuz>,
                        entry<qfloat8_e5m2> {
        std::string_view (*name)(void const*) noexcept = nullptr;
        isa (*target)(void const*) noexcept = nullptr;
        dense<float> f32 = nullptr;
        void (*int8)(void const*, matrix_view<std::int8_t const>, float, qtensor_view<qint8> const&,
                     matrix_view<float>) noexcept = nullptr;
        kernel_choice (*explain)(void const*, std::size_t, any_qtensor const&, product_input) noexcept = nullptr;
        kernel_choice (*explain_prepared)(void const*, std::size_t, panels const&, product_input) noexcept = nullptr;
        kernel_choice (*explain_float)(void const*, std::size_t, dtype) noexcept = nullptr;
        // Those below stay null where the backend is not a StorageBackend,
        dense<float16> f16 = nullptr;
        dense<bfloat16> bf16 = nullptr;
        // a PreparingBackend,
        bool (*prepares)(void const*, any_qtype) noexcept = nullptr;
        result<panels> (*prepare)(void const*, any_qtensor const&, memory_ref) noexcept = nullptr;
        result<success> (*prepared)(void const*, input_matrix const&, panels const&, output_matrix const&,
                                    product_options const&) noexcept = nullptr;
        // a BatchingBackend,
        result<success> (*batch)(void const*, batch_product const&, memory_ref) noexcept = nullptr;
        kernel_choice (*explain_batch)(void const*, batch_product const&) noexcept = nullptr;
        // or a ConvolvingBackend.
        result<bool> (*convolve)(void const*, float_convolution const&) noexcept = nullptr;
        result<bool> (*convolve_int8)(void const*, int8_convolution const&) noexcept = nullptr;
        kernel_choice (*explain_convolve)(void const*) noexcept = nullptr;
        kernel_choice (*explain_convolve_int8)(void const*, panels const&) noexcept = nullptr;
    };

    template <class B>
    static B const& get(void const* b) noexcept {
        return *static_cast<B const*>(b);
    }

    template <class B, QType Q>
    static constexpr entry<Q> entry_of{[](void const* b, matrix_view<float const> x, qtensor_view<Q> const& w,
                                          matrix_view<float> y) noexcept { get<B>(b).matmul(x, w, y); }};
    template <class B>
    static constexpr operations table_of() noexcept {
        operations o{entry_of<B, qint2>,
                     entry_of<B, qint4>,
                     entry_of<B, qint8>,
                     entry_of<B, qfloat8_e4m3fn>,
                     entry_of<B, qfloat8_e4m3fnuz>,
                     entry_of<B, qfloat8_e5m2>};
        o.name = [](void const* b) noexcept -> std::string_view { return get<B>(b).name(); };
        o.target = []([[maybe_unused]] void const* b) noexcept {
            if constexpr (requires(B const& backend) { isa{backend.target()}; })
                return get<B>(b).target();
            else
                return choose_isa().target;
        };
        o.f32 = [](void const* b, matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y,
                   [[maybe_unused]] memory_ref workspace) noexcept {
            if constexpr (StorageBackend<B>)
                get<B>(b).matmul(x, w, y, workspace);
            else
                get<B>(b).matmul(x, w, y);
        };
        o.int8 = [](void const* b, matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                    matrix_view<float> y) noexcept { get<B>(b).matmul(x, x_scale, w, y); };
        o.explain = [](void const* b, std::size_t, any_qtensor const&, product_input) noexcept -> kernel_choice {
            return {"matmul", get<B>(b).name(), "this backend says no more"};
        };
        o.explain_prepared = [](void const* b, std::size_t, panels const&, product_input) noexcept -> kernel_choice {
            return {"matmul", get<B>(b).name(), "this backend says no more"};
        };
        o.explain_float = [](void const* b, [[maybe_unused]] std::size_t m, [[maybe_unused]] dtype weight) noexcept {
            kernel_choice choice{"matmul", get<B>(b).name(), "a float weight"};
            if constexpr (requires(B const& backend) { choice = backend.explain_matmul(m, weight); })
                choice = get<B>(b).explain_matmul(m, weight);
            return choice;
        };
        if constexpr (StorageBackend<B>) {
            o.f16 = [](void const* b, matrix_view<float const> x, matrix_view<float16 const> w, matrix_view<float> y,
                       memory_ref workspace) noexcept { get<B>(b).matmul(x, w, y, workspace); };
            o.bf16 = [](void const* b, matrix_view<float const> x, matrix_view<bfloat16 const> w, matrix_view<float> y,
                        memory_ref workspace) noexcept { get<B>(b).matmul(x, w, y, workspace); };
        }
        if constexpr (PreparingBackend<B>) {
            o.prepares = [](void const* b, any_qtype type) noexcept { return get<B>(b).prepares(type); };
            o.prepare = [](void const* b, any_qtensor const& w, memory_ref memory) noexcept -> result<panels> {
                return get<B>(b).prepare(w, memory);
            };
            o.prepared = [](void const* b, input_matrix const& x, panels const& w, output_matrix const& y,
                            product_options const& options) noexcept -> result<success> {
                return get<B>(b).matmul(x, w, y, options);
            };
        }
        if constexpr (BatchingBackend<B>) {
            o.batch = [](void const* b, batch_product const& p, memory_ref workspace) noexcept {
                return get<B>(b).matmul(p, workspace);
            };
            o.explain_batch = [](void const* b, batch_product const& p) noexcept {
                return get<B>(b).explain_matmul(p);
            };
        }
        if constexpr (ConvolvingBackend<B>) {
            o.explain_convolve = [](void const* b) noexcept { return get<B>(b).explain_convolve(); };
            o.explain_convolve_int8 = [](void const* b, panels const& w) noexcept {
                return get<B>(b).explain_convolve(w);
            };
            o.convolve = [](void const* b, float_convolution const& c) noexcept { return get<B>(b).convolve(c); };
            o.convolve_int8 = [](void const* b, int8_convolution const& c) noexcept { return get<B>(b).convolve(c); };
        }
        if constexpr (ExplainingBackend<B>) {
            o.explain = [](void const* b, std::size_t m, any_qtensor const& w,
                           [[maybe_unused]] product_input input) noexcept {
                return w.visit([&](auto const& v) {
                    if constexpr (requires(B const& backend) { backend.explain_matmul(m, v, input); })
                        return get<B>(b).explain_matmul(m, v, input);
                    else
                        return get<B>(b).explain_matmul(m, v);
                });
            };
            o.explain_prepared = [](void const* b, std::size_t m, panels const& w, product_input input) noexcept {
                return get<B>(b).explain_matmul(m, w, input);
            };
        }
        return o;
    }
    template <class B>
    static constexpr operations table = table_of<B>();

public:
    template <class B>
    requires(!std::is_same_v<B, backend_ref> && Backend<B>) constexpr backend_ref(B const& backend) noexcept
        : backend_(&backend), operations_(&table<B>) {}
    template <class B>
    requires(!std::is_same_v<B, backend_ref> && Backend<B>) backend_ref(B const&& temporary)
    = delete;

    std::string_view name() const noexcept { return operations_->name(backend_); }
    // The instruction set of kernels that are no backend's, like those of quantizing: the one that the backend names as
    // its target(), else the best of this processor.
    isa target() const noexcept { return operations_->target(backend_); }

    template <QType Q>
    void matmul(matrix_view<float const> x, qtensor_view<Q> const& w, matrix_view<float> y) const noexcept {
        static_cast<entry<Q> const*>(operations_)->matmul(backend_, x, w, y);
    }
    void matmul(matrix_view<float const> x, any_qtensor const& w, matrix_view<float> y) const noexcept {
        w.visit([&]<QType Q>(qtensor_view<Q> const& v) { matmul(x, v, y); });
    }
    void matmul(matrix_view<float const> x, matrix_view<float const> w, matrix_view<float> y,
                memory_ref workspace = {}) const noexcept {
        operations_->f32(backend_, x, w, y, workspace);
    }
    // Whether it multiplies weights stored as that float type. f32: always.
    bool multiplies(dtype type) const noexcept {
        return type == dtype::f32 || (is_float_storage(type) && operations_->f16 != nullptr);
    }
    // Precondition: w has two dimensions, and multiplies(w.type()).
    void matmul_stored(matrix_view<float const> x, any_tensor const& w, matrix_view<float> y,
                       memory_ref workspace = {}) const noexcept {
        auto const values = [&]<class S>(S const* data) {
            return matrix_view<S const>(data, w.shape().front(), w.shape().back());
        };
        std::byte const* const data = w.bytes().data();
        if (w.type() == dtype::f32)
            operations_->f32(backend_, x, values(reinterpret_cast<float const*>(data)), y, workspace);
        else if (w.type() == dtype::f16)
            operations_->f16(backend_, x, values(reinterpret_cast<float16 const*>(data)), y, workspace);
        else
            operations_->bf16(backend_, x, values(reinterpret_cast<bfloat16 const*>(data)), y, workspace);
    }
    void matmul(matrix_view<std::int8_t const> x, float x_scale, qtensor_view<qint8> const& w,
                matrix_view<float> y) const noexcept {
        operations_->int8(backend_, x, x_scale, w, y);
    }

    bool reads_panels() const noexcept { return operations_->prepare != nullptr; }
    bool prepares(any_qtype type) const noexcept { return reads_panels() && operations_->prepares(backend_, type); }
    result<panels> prepare(any_qtensor const& w, memory_ref memory = {}) const noexcept {
        if (!reads_panels()) return no_panels();
        return operations_->prepare(backend_, w, memory);
    }
    result<success> matmul(input_matrix const& x, panels const& w, output_matrix const& y,
                           product_options const& options = {}) const noexcept {
        if (!reads_panels()) return no_panels();
        return operations_->prepared(backend_, x, w, y, options);
    }

    // Many small products. A backend that is not a BatchingBackend multiplies float32 with w (N, K) one by one, in the
    // workspace what is not; codes, and what has no room there, are computed by their definition.
    result<success> matmul(batch_product const& p, memory_ref workspace = {}) const noexcept {
        if (operations_->batch != nullptr) return operations_->batch(backend_, p, workspace);
        if (auto ok = check(p); !ok) return ok;
        bool const floats = p.x.first.type == dtype::f32,
                   copies = p.w.first.type != dtype::f32 || p.w_rows != batch_axis::n;
        std::size_t const bytes = floats && copies ? p.n() * p.k() * sizeof(float) : 0;
        auto* const copy = bytes == 0 ? nullptr : static_cast<float*>(workspace.allocate(bytes, alignof(float)));
        if (!floats || (copies && copy == nullptr)) return matmul_reference(p), success{};
        for (std::size_t b = 0; b != p.batches(); ++b) {
            auto const w = p.w[p.at(b)];
            if (copies) values_by_n(w, p.w_rows, copy);
            operations_->f32(backend_, p.x[p.at(b)].as<float>(),
                             copies ? matrix_view<float const>(copy, p.n(), p.k()) : w.as<float>(),
                             p.y[p.at(b)].as<float>(), workspace);
        }
        if (copies) workspace.deallocate(copy, bytes, alignof(float));
        return success{};
    }
    kernel_choice explain_matmul(batch_product const& p) const noexcept {
        if (operations_->explain_batch != nullptr) return operations_->explain_batch(backend_, p);
        return {"matmul", name(), "this backend multiplies no batches at once"};
    }

    // Whether it is done; false where the backend has no kernel for it.
    result<bool> convolve(float_convolution const& c) const noexcept {
        if (operations_->convolve == nullptr) return false;
        return operations_->convolve(backend_, c);
    }
    result<bool> convolve(int8_convolution const& c) const noexcept {
        if (operations_->convolve_int8 == nullptr) return false;
        return operations_->convolve_int8(backend_, c);
    }

    // The second with these weights, empty where convolve() would say false.
    kernel_choice explain_convolve() const noexcept {
        if (operations_->explain_convolve != nullptr) return operations_->explain_convolve(backend_);
        return {"matmul of patches", name(), "this backend does not convolve"};
    }
    kernel_choice explain_convolve(panels const& w) const noexcept {
        if (operations_->explain_convolve_int8 != nullptr) return operations_->explain_convolve_int8(backend_, w);
        return {};
    }

    kernel_choice explain_matmul(std::size_t m, any_qtensor const& w,
                                 product_input input = product_input::f32) const noexcept {
        return operations_->explain(backend_, m, w, input);
    }
    // Of a float weight. Precondition: multiplies(weight).
    kernel_choice explain_matmul(std::size_t m, dtype weight) const noexcept {
        return operations_->explain_float(backend_, m, weight);
    }
    kernel_choice explain_matmul(std::size_t m, panels const& w,
                                 product_input input = product_input::f32) const noexcept {
        return operations_->explain_prepared(backend_, m, w, input);
    }

private:
    // w (N, K) as float32, of w (N, K) or (K, N).
    static void values_by_n(input_matrix const& w, batch_axis rows, float* out) noexcept {
        visit_element(w.type, [&]<class W>(W) {
            auto const values = w.as<W>();
            std::size_t const n = rows == batch_axis::n ? w.rows : w.cols, k = rows == batch_axis::n ? w.cols : w.rows;
            for (std::size_t i = 0; i != n * k; ++i)
                out[i] = static_cast<float>(rows == batch_axis::n ? values(i / k, i % k) : values(i % k, i / k));
        });
    }
    error no_panels() const noexcept {
        return error(errc::unsupported, "the backend ", name(), " does not read prepared weights");
    }

    void const* backend_;
    operations const* operations_;
};

}  // namespace quanto::inline v0
