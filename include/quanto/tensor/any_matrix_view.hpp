// any_matrix_view = a matrix_view whose element type is known at run time, the operands of products:
//     f32, f16, bf16     the value of (r, c) is the element
//     int8, float8       codes: the value is element * scale; written as symmetric_code<Q>(value, scale)
// input_matrix reads, output_matrix writes. Both are made of what knows its type:
//     input_matrix x = tensor;        output_matrix y{codes, scale};       input_matrix z(qfloat8{}, bytes, M, K, scale)
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <quanto/core/assert.hpp>
#include <quanto/tensor/view.hpp>
#include <quanto/types/any_qtype.hpp>
#include <quanto/types/dtype.hpp>

namespace quanto::inline v0 {

template <class T>
concept CodeElement = std::same_as<T, std::int8_t> || std::same_as<T, float8_e4m3fn> ||
    std::same_as<T, float8_e4m3fnuz> || std::same_as<T, float8_e5m2>;

// The qtype whose codes they are.
template <CodeElement T>
using qtype_of = std::conditional_t<
    std::same_as<T, std::int8_t>, qint8,
    std::conditional_t<std::same_as<T, float8_e4m3fn>, qfloat8_e4m3fn,
                       std::conditional_t<std::same_as<T, float8_e5m2>, qfloat8_e5m2, qfloat8_e4m3fnuz>>>;

template <class Void>
struct any_matrix_view {
    Void* data = nullptr;
    dtype type = dtype::f32;
    std::size_t rows = 0, cols = 0, stride = 0;  // in elements
    float scale = 1.0f;                          // of codes, > 0

    constexpr any_matrix_view() noexcept = default;
    template <class T>
    requires FloatStorage<std::remove_const_t<T>> && std::convertible_to<T*, Void*>
    constexpr any_matrix_view(matrix_view<T> m) noexcept
        : any_matrix_view(m.data, dtype_of<std::remove_const_t<T>>, m.rows, m.cols, m.stride, 1.0f) {}
    template <class T>
    requires CodeElement<std::remove_const_t<T>> && std::convertible_to<T*, Void*>
    constexpr any_matrix_view(matrix_view<T> m, float s) noexcept
        : any_matrix_view(m.data, dtype_of<std::remove_const_t<T>>, m.rows, m.cols, m.stride, s) {}
    // What one product has written, another reads.
    template <class Other>
    requires(std::is_const_v<Void> && std::same_as<Other, std::remove_const_t<Void>>)
    constexpr any_matrix_view(any_matrix_view<Other> const& m) noexcept
        : any_matrix_view(m.data, m.type, m.rows, m.cols, m.stride, m.scale) {}
    // Of a tensor, by its view().
    template <class X>
    requires requires(X& x) { matrix_view(x.view().data(), 0, 0); }
    constexpr any_matrix_view(X&& x) noexcept : any_matrix_view(matrix_of(x.view())) {}
    template <class X>
    requires requires(X& x) { matrix_view(x.view().data(), 0, 0); }
    constexpr any_matrix_view(X&& x, float s) noexcept : any_matrix_view(matrix_of(x.view()), s) {}
    // Codes of an 8-bit type, row after row.
    template <class Byte>
    requires(sizeof(Byte) == 1 &&
             std::convertible_to<Byte*, Void*>) constexpr any_matrix_view(any_qtype t, Byte* codes, std::size_t r,
                                                                          std::size_t c, float s) noexcept
        : any_matrix_view((QUANTO_ASSERT(t.bits() == 8, "a matrix of codes: of 8 bits"), codes), code_dtype(t), r, c, c,
                          s) {}

    Void* at(std::size_t r, std::size_t c) const noexcept {
        using byte = std::conditional_t<std::is_const_v<Void>, std::byte const, std::byte>;
        return static_cast<byte*>(data) + (r * stride + c) * size_of(type);
    }
    // `count` rows from `first` on.
    any_matrix_view slice(std::size_t first, std::size_t count) const noexcept {
        return {at(first, 0), type, count, cols, stride, scale};
    }
    // Precondition: T is the type.
    template <class T>
    auto as() const noexcept {
        using element = std::conditional_t<std::is_const_v<Void>, T const, T>;
        return matrix_view<element>(static_cast<element*>(data), rows, cols, stride);
    }

private:
    constexpr any_matrix_view(Void* p, dtype t, std::size_t r, std::size_t c, std::size_t step, float s) noexcept
        : data(p), type(t), rows(r), cols(c), stride(step), scale(s) {}
    template <class T>
    static constexpr matrix_view<T> matrix_of(tensor_view<T> const& t) noexcept {
        return matrix_view<T>(t);
    }
};

using input_matrix = any_matrix_view<void const>;
using output_matrix = any_matrix_view<void>;

// f(T{}) with the element type that `type` names; all calls must return one type. Precondition: one of these.
template <class F>
#if defined(__GNUC__)
__attribute__((always_inline))  // what f does may be for one instruction set
#endif
inline constexpr decltype(auto)
visit_element(dtype type, F&& f) {
    switch (type) {
        case dtype::f16:
            return f(float16{});
        case dtype::bf16:
            return f(bfloat16{});
        case dtype::i8:
            return f(std::int8_t{});
        case dtype::e4m3fn:
            return f(float8_e4m3fn{});
        case dtype::e4m3fnuz:
            return f(float8_e4m3fnuz{});
        case dtype::e5m2:
            return f(float8_e5m2{});
        default:
            return f(float{});
    }
}

}  // namespace quanto::inline v0
