// QTensor<Q, Axis, Group> = codes of qtype Q in the portable planar layout, a scale per group and, for 2 and 4 bits, a
// shift or an integer zero point per group.
//
//     QTensor<qint4, axis::first, group{128}>        shape known at run time; owns, shares or borrows memory
//     QTensor<qint4, axis::first, group{8}, static_extents<4, 8>>    literal type without heap: constexpr, flash
//     any_qtensor                                    the qtype, too, known at run time; axis::first
//     qtensor_view<Q>                                what kernels read: any of the above
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <quanto/tensor/code.hpp>
#include <quanto/tensor/grouping.hpp>
#include <quanto/tensor/packing.hpp>
#include <quanto/tensor/tensor.hpp>
#include <quanto/types/any_qtype.hpp>

namespace quanto::inline v0 {

struct dynamic_extents {};
template <std::size_t... Sizes>
struct static_extents {
    static constexpr extents value{Sizes...};
};

// The parts of a quantized tensor whose types are known at run time; an aggregate, assembled by quantizers and readers.
//     codes   planar_packing<bits>{layout.code_rows(), layout.code_cols()}.bytes() bytes
//     scale   layout.groups() values of type scale_type
//     shift   the same number of the same type, or of u8 zero points; empty for 8-bit types
struct qtensor_parts {
    extents shape;
    grouping layout;
    storage codes, scale, shift;
    dtype scale_type = dtype::f32;
    bool integer_zero_point = false;
};

template <QType Q>
struct qtensor_view {
    extents shape;
    grouping layout;
    std::uint8_t const* codes = nullptr;
    std::byte const* scales = nullptr;
    std::byte const* shifts = nullptr;
    dtype scale_type = dtype::f32;
    bool integer_zero_point = false;

    using qtype = Q;

    constexpr std::size_t size() const noexcept { return layout.numel(); }
    // As a matrix of a linear layer: rows = shape[0] outputs, columns = all other dimensions.
    constexpr std::size_t rows() const noexcept { return shape.front(); }
    constexpr std::size_t cols() const noexcept { return rows() == 0 ? 0 : size() / rows(); }
    constexpr planar_packing<Q::bits> packing() const noexcept { return {layout.code_rows(), layout.code_cols()}; }

    // The stored code of the element with flat index i.
    std::uint8_t code(std::size_t i) const noexcept { return packing().get(codes, layout.locate(i).code); }
    float scale(std::size_t g) const noexcept { return any_tensor::load(scale_type, scales, g); }
    // The shift of group g as a float; for zero points zero * scale, so that code * scale - shift is near the value.
    float shift(std::size_t g) const noexcept {
        if (shifts == nullptr) return 0.0f;
        return integer_zero_point ? static_cast<float>(zero_point(g)) * scale(g)
                                  : any_tensor::load(scale_type, shifts, g);
    }
    std::uint8_t zero_point(std::size_t g) const noexcept { return std::to_integer<std::uint8_t>(shifts[g]); }

    // The value of the element with flat index i: the definition of dequantizing.
    float operator[](std::size_t i) const noexcept {
        auto const at = layout.locate(i);
        std::uint8_t const c = packing().get(codes, at.code);
        if constexpr (!SubByteQType<Q>)
            return dequantize_code<Q>(c, scale(at.group));
        else if (integer_zero_point)
            return dequantize_code<Q>(c, scale(at.group), zero_point(at.group));
        else
            return dequantize_code<Q>(c, scale(at.group), any_tensor::load(scale_type, shifts, at.group));
    }
};

namespace detail {
template <QType Q>
qtensor_view<Q> view_of(qtensor_parts const& p) noexcept {
    return {p.shape,
            p.layout,
            reinterpret_cast<std::uint8_t const*>(p.codes.data()),
            p.scale.data(),
            p.shift.size() == 0 ? nullptr : p.shift.data(),
            p.scale_type,
            p.integer_zero_point};
}
}  // namespace detail

template <QType Q, axis Axis = axis::first, group Group = dynamic_group, class Extents = dynamic_extents>
class QTensor;

template <QType Q, axis Axis, group Group>
class QTensor<Q, Axis, Group, dynamic_extents> {
public:
    using qtype = Q;

    QTensor() noexcept = default;
    // Precondition: the parts fit together and their layout has this axis and group.
    explicit QTensor(qtensor_parts parts) noexcept : parts_(std::move(parts)) {
        QUANTO_ASSERT(parts_.layout.along() == Axis, "QTensor: parts of another axis");
    }

    extents const& shape() const noexcept { return parts_.shape; }
    std::size_t size() const noexcept { return parts_.layout.numel(); }
    std::size_t rows() const noexcept { return parts_.shape.front(); }
    std::size_t cols() const noexcept { return view().cols(); }
    std::size_t group_size() const noexcept { return parts_.layout.group_size(); }
    float operator[](std::size_t i) const noexcept { return view()[i]; }

    qtensor_view<Q> view() const noexcept { return detail::view_of<Q>(parts_); }
    operator qtensor_view<Q>() const noexcept { return view(); }
    qtensor_parts const& parts() const& noexcept { return parts_; }
    qtensor_parts&& parts() && noexcept { return std::move(parts_); }

private:
    qtensor_parts parts_;
};

template <QType Q, axis Axis, group Group, std::size_t... Sizes>
class QTensor<Q, Axis, Group, static_extents<Sizes...>> {
    static_assert(Group != dynamic_group,
                  "quanto: a tensor with static extents needs a static group: group{n} or whole_axis");

public:
    using qtype = Q;
    static constexpr extents shape_v{Sizes...};
    static constexpr grouping layout{shape_v, Axis, Group};
    static constexpr planar_packing<Q::bits> packing{layout.code_rows(), layout.code_cols()};
    static_assert(layout.numel() != 0, "quanto: a static tensor has at least one element");

    // Public, so that the type is structural and can be filled and inspected in constant expressions.
    std::uint8_t codes[packing.bytes()]{};
    float scale[layout.groups()]{};
    float shift[SubByteQType<Q> ? layout.groups() : 1]{};

    static constexpr extents const& shape() noexcept { return shape_v; }
    static constexpr std::size_t size() noexcept { return layout.numel(); }

    QUANTO_HOST_DEVICE constexpr std::uint8_t code(std::size_t i) const noexcept {
        return packing.get(codes, layout.locate(i).code);
    }
    QUANTO_HOST_DEVICE constexpr float operator[](std::size_t i) const noexcept {
        auto const at = layout.locate(i);
        if constexpr (SubByteQType<Q>)
            return dequantize_code<Q>(packing.get(codes, at.code), scale[at.group], shift[at.group]);
        else
            return dequantize_code<Q>(packing.get(codes, at.code), scale[at.group]);
    }
    // Element (r, c) of the matrix (shape[0], rest).
    QUANTO_HOST_DEVICE constexpr float operator()(std::size_t r, std::size_t c) const noexcept {
        return (*this)[r * (size() / shape_v.front()) + c];
    }

    operator qtensor_view<Q>() const noexcept {
        return {shape_v,
                layout,
                codes,
                reinterpret_cast<std::byte const*>(scale),
                SubByteQType<Q> ? reinterpret_cast<std::byte const*>(shift) : nullptr,
                dtype::f32,
                false};
    }
};

class any_qtensor {
public:
    any_qtensor(any_qtype type, qtensor_parts parts) noexcept : type_(type), parts_(std::move(parts)) {
        QUANTO_ASSERT(parts_.layout.along() == axis::first || size() == 0,
                      "any_qtensor: module weights are quantized along axis::first");
    }
    template <QType Q, group Group>
    any_qtensor(QTensor<Q, axis::first, Group> t) noexcept : any_qtensor(Q{}, std::move(t).parts()) {}

    any_qtype type() const noexcept { return type_; }
    extents const& shape() const noexcept { return parts_.shape; }
    grouping const& layout() const noexcept { return parts_.layout; }
    std::size_t size() const noexcept { return parts_.layout.numel(); }
    qtensor_parts const& parts() const& noexcept { return parts_; }
    qtensor_parts&& parts() && noexcept { return std::move(parts_); }
    // False for a copy that got no memory.
    bool has_values() const noexcept {
        return parts_.scale.size() >= parts_.layout.groups() * size_of(parts_.scale_type) &&
               (size() == 0 || parts_.codes.size() != 0) &&
               (type_.bits() == 8 || parts_.shift.size() >= parts_.layout.groups());
    }

    // Precondition: type() is Q.
    template <QType Q>
    qtensor_view<Q> as() const noexcept {
        return QUANTO_ASSERT(type_.is<Q>(), "any_qtensor: another qtype"), detail::view_of<Q>(parts_);
    }
    // f(qtensor_view<Q>) for the qtype that this tensor has.
    template <class F>
    decltype(auto) visit(F&& f) const {
        return type_.visit([&]<class Q>(Q) { return f(detail::view_of<Q>(parts_)); });
    }

private:
    any_qtype type_;
    qtensor_parts parts_;
};

}  // namespace quanto::inline v0
