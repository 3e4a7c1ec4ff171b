// panels = a quantized weight in the panel layout (layout.hpp), owned and aligned to a line. Packing loses nothing:
// unpack() gives the portable codes, scales and shifts back bit for bit.
//     auto w = panels::pack(q, memory);      result<panels>
//     auto q = w->unpack(memory);            result<any_qtensor>
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <quanto/kernels/matmul/operands.hpp>
#include <quanto/kernels/panel/layout.hpp>

namespace quanto::inline v0 {

namespace detail {
// What a stored code of value 0 differs by from the portable one: qint8 is stored unsigned, with an offset of 128.
template <QType Q>
inline constexpr std::uint8_t panel_flip = std::is_same_v<Q, qint8> ? 0x80 : 0;

// Whether a float8 code is NaN or infinite.
template <QType Q>
constexpr bool is_special_code(std::uint8_t code) noexcept {
    if constexpr (Q::is_floating_point)
        return !is_finite(Q::format::decode(code));
    else
        return false;
}

// f(row, group, codes of the portable form, lowest bit of a code in its byte, number of elements), in the order of the
// panel layout.
template <QType Q, class F>
void for_each_row_group(qtensor_view<Q> const& v, panel_layout const& layout, F&& f) noexcept {
    weight_rows<Q> const source(v);
    for (std::size_t p = 0; p != layout.panels(); ++p)
        for (std::size_t g = 0; g != layout.groups(); ++g)
            for (std::size_t n = p * layout.panel_rows; n != layout.rows && n != (p + 1) * layout.panel_rows; ++n) {
                group_source const s = source(n, g);
                f(n, g, s.bytes, std::countr_zero(static_cast<unsigned>(s.mask)), layout.size_of_group(g));
            }
}
}  // namespace detail

class panels {
public:
    panels() noexcept = default;  // no rows

    // Cost: one pass over w. Errors: out_of_memory.
    static result<panels> pack(any_qtensor const& w, memory_ref memory = {}) {
        if (!w.has_values()) return error(errc::out_of_memory, "panels: the weight is a copy that got no memory");
        panels made;
        made.type_ = w.type();
        made.shape_ = w.shape();
        made.grouping_ = w.layout();
        made.integer_zero_point_ = w.parts().integer_zero_point;
        made.layout_ = {w.layout().lines(), w.layout().length(), w.layout().group_size(),
                        static_cast<std::size_t>(8 / w.type().bits()), w.parts().scale_type};
        auto bytes = storage::allocate(made.layout_.bytes(), memory);
        if (!bytes) return bytes.error().within("panels");
        made.bytes_ = std::move(*bytes);
        w.visit([&]<QType Q>(qtensor_view<Q> const& v) { made.fill(v); });
        return made;
    }

    // The portable form. Cost: one pass. Errors: out_of_memory.
    result<any_qtensor> unpack(memory_ref memory = {}) const {
        return type_.visit([&]<QType Q>(Q) { return unpack_as<Q>(memory); });
    }

    any_qtype type() const noexcept { return type_; }
    extents const& shape() const noexcept { return shape_; }
    std::size_t rows() const noexcept { return layout_.rows; }
    std::size_t cols() const noexcept { return layout_.cols; }
    panel_layout const& layout() const noexcept { return layout_; }
    storage const& bytes() const noexcept { return bytes_; }
    // False for a copy that got no memory.
    bool has_values() const noexcept { return bytes_.size() >= layout_.bytes(); }
    bool integer_zero_point() const noexcept { return integer_zero_point_; }
    // Whether a float8 code is NaN or infinite: then products follow the definition, element by element.
    bool has_special() const noexcept { return has_special_; }

    // The header of the group of row n.
    std::byte const* group(std::size_t n, std::size_t g) const noexcept {
        return bytes_.data() + n / layout_.panel_rows * layout_.panel_bytes() + layout_.group_offset(g);
    }
    float scale(std::size_t n, std::size_t g) const noexcept {
        return any_tensor::load(layout_.scale_type, group(n, g), n % layout_.panel_rows);
    }
    // As qtensor_view::shift: for zero points zero * scale.
    float shift(std::size_t n, std::size_t g) const noexcept {
        float const s = shift_in(group(n, g), n % layout_.panel_rows);
        return integer_zero_point_ ? s * scale(n, g) : s;
    }
    // The portable code of element (n, k), and its value as the portable form defines it.
    template <QType Q>
    std::uint8_t code(std::size_t n, std::size_t k) const noexcept {
        std::size_t const in = k % layout_.group;
        std::uint32_t const quad = read_quad<Q>(n, k / layout_.group, in / layout_.quad);
        std::uint8_t four[4];
        std::memcpy(four, &quad, 4);
        return four[in % layout_.quad];
    }
    template <QType Q>
    float value(std::size_t n, std::size_t k) const noexcept {
        std::size_t const g = k / layout_.group;
        std::uint8_t const c = code<Q>(n, k);
        if constexpr (!SubByteQType<Q>) {
            return dequantize_code<Q>(c, scale(n, g));
        } else {
            float const s = shift_in(group(n, g), n % layout_.panel_rows);
            return integer_zero_point_ ? dequantize_code<Q>(c, scale(n, g), static_cast<std::uint8_t>(s))
                                       : dequantize_code<Q>(c, scale(n, g), s);
        }
    }

private:
    float shift_in(std::byte const* header, std::size_t r) const noexcept {
        return layout_.has_shift() ? any_tensor::load(layout_.scale_type, header + layout_.shift_offset(), r) : 0.0f;
    }

    // The four codes of quad q, one in each byte in the order of memory, as the portable form has them.
    template <QType Q>
    std::uint32_t read_quad(std::size_t n, std::size_t g, std::size_t q) const noexcept {
        std::uint32_t four;
        std::byte const* const panel = bytes_.data() + n / layout_.panel_rows * layout_.panel_bytes();
        std::memcpy(&four, panel + layout_.quad_offset(g, q) + n % layout_.panel_rows * layout_.quad, 4);
        constexpr std::uint32_t field = ((1u << Q::bits) - 1u) * 0x0101'0101u;
        return ((four >> (q % layout_.fields * Q::bits)) & field) ^ detail::panel_flip<Q> * 0x0101'0101u;
    }

    template <QType Q>
    result<any_qtensor> unpack_as(memory_ref memory) const {
        qtensor_parts parts;
        parts.shape = shape_;
        parts.layout = grouping_;
        parts.scale_type = layout_.scale_type;
        parts.integer_zero_point = integer_zero_point_;
        planar_packing<Q::bits> const packing{grouping_.code_rows(), grouping_.code_cols()};
        std::size_t const width = size_of(layout_.scale_type);
        std::size_t const shift_width = !layout_.has_shift() ? 0 : integer_zero_point_ ? 1 : width;
        auto codes = storage::allocate(packing.bytes(), memory);
        auto scale = storage::allocate(grouping_.groups() * width, memory);
        auto shift = storage::allocate(grouping_.groups() * shift_width, memory);
        for (auto const* s : {&codes, &scale, &shift})
            if (!*s) return s->error().within("panels");
        std::byte *const code_bytes = codes->mutable_data(), *const scales = scale->mutable_data(),
                         *const shifts = shift->mutable_data();
        parts.codes = std::move(*codes);
        parts.scale = std::move(*scale);
        parts.shift = std::move(*shift);
        any_qtensor made(Q{}, std::move(parts));
        auto const v = made.template as<Q>();
        detail::for_each_row_group(
            v, layout_, [&](std::size_t n, std::size_t g, std::uint8_t const* at, int low, std::size_t size) {
                std::byte const* const header = group(n, g);
                std::size_t const i = n * layout_.groups() + g, r = n % layout_.panel_rows;
                std::memcpy(scales + i * width, header + r * width, width);
                if (shift_width == 1)
                    shifts[i] = static_cast<std::byte>(static_cast<unsigned>(shift_in(header, r)));
                else if (shift_width != 0)
                    std::memcpy(shifts + i * width, header + layout_.shift_offset() + r * width, width);
                auto* out = reinterpret_cast<std::uint8_t*>(code_bytes) + (at - v.codes);
                for (std::size_t k = 0; k < size; k += layout_.quad) {
                    std::uint32_t const codes_of_quad = read_quad<Q>(n, g, k / layout_.quad);
                    std::uint8_t four[4];
                    std::memcpy(four, &codes_of_quad, 4);
                    for (std::size_t t = 0; t != 4 && k + t != size; ++t)
                        out[k + t] = static_cast<std::uint8_t>(out[k + t] | (four[t] << low));
                }
            });
        return made;
    }

    template <QType Q>
    void fill(qtensor_view<Q> const& v) noexcept {
        std::byte* const out = bytes_.mutable_data();
        std::size_t const width = size_of(layout_.scale_type);
        if constexpr (detail::panel_flip<Q> != 0)  // codes of value 0 where there are no elements
            for (std::size_t p = 0; p != layout_.panels(); ++p)
                for (std::size_t g = 0; g != layout_.groups(); ++g)
                    std::memset(out + p * layout_.panel_bytes() + layout_.quad_offset(g, 0), detail::panel_flip<Q>,
                                layout_.lines(layout_.size_of_group(g)) * layout_.line_bytes);
        detail::for_each_row_group(
            v, layout_, [&](std::size_t n, std::size_t g, std::uint8_t const* codes, int low, std::size_t size) {
                std::byte* const panel = out + n / layout_.panel_rows * layout_.panel_bytes();
                std::byte* const header = panel + layout_.group_offset(g);
                std::size_t const i = n * layout_.groups() + g, r = n % layout_.panel_rows;
                std::memcpy(header + r * width, v.scales + i * width, width);
                if (layout_.has_shift() && integer_zero_point_)
                    any_tensor::store(layout_.scale_type, header + layout_.shift_offset(), r, v.zero_point(i));
                else if (layout_.has_shift())
                    std::memcpy(header + layout_.shift_offset() + r * width, v.shifts + i * width, width);
                constexpr std::uint32_t field = ((1u << Q::bits) - 1u) * 0x0101'0101u;
                for (std::size_t k = 0; k < size; k += layout_.quad) {
                    std::uint32_t four = 0, old;
                    std::memcpy(&four, codes + k, size - k < 4 ? size - k : 4);
                    four = (four >> low) & field;
                    if constexpr (Q::is_floating_point)
                        for (std::uint32_t rest = four; rest != 0; rest >>= 8)
                            has_special_ |= detail::is_special_code<Q>(static_cast<std::uint8_t>(rest));
                    std::size_t const q = k / layout_.quad;
                    std::byte* const at = panel + layout_.quad_offset(g, q) + r * layout_.quad;
                    std::memcpy(&old, at, 4);
                    // XOR: the bytes hold codes of value 0 so far.
                    old ^= four << (q % layout_.fields * Q::bits);
                    std::memcpy(at, &old, 4);
                }
            });
    }

    any_qtype type_ = qint8{};
    extents shape_{0, 0};
    grouping grouping_{};
    panel_layout layout_{};
    storage bytes_;
    bool integer_zero_point_ = false, has_special_ = false;
};

}  // namespace quanto::inline v0
