// Which kernel multiplies with panels: a pure function of the instruction set, the weight and the kind of x, with its
// reason. What backends run is what they explain.
#pragma once

#include <cstdint>
#include <string_view>

#include <quanto/kernels/isa.hpp>
#include <quanto/kernels/kernel_name.hpp>
#include <quanto/kernels/panel/panels.hpp>
#include <quanto/kernels/panel/product_options.hpp>

namespace quanto::inline v0 {

// What a product reads of x. dynamic_int8: floats or float8 codes, rounded to int8.
enum class product_input : std::uint8_t { f32, f16, bf16, float8, int8, dynamic_int8 };
enum class panel_kernel : std::uint8_t {
    definition,
    portable,
    avx2,
    avx512,
    avx512vnni,
    avx512bf16,
    neon_dot,
    neon_i8mm
};

struct panel_choice {
    panel_kernel kernel;
    std::string_view name, reason;
};

namespace detail {
constexpr std::string_view name(product_input i) noexcept {
    constexpr std::string_view names[] = {"f32", "f16", "bf16", "float8", "int8", "dynamic_int8"};
    return names[static_cast<std::size_t>(i)];
}
constexpr std::string_view name(panel_kernel k) noexcept {
    switch (k) {
        case panel_kernel::definition:
            return "definition";
        case panel_kernel::portable:
            return "portable";
        case panel_kernel::avx2:
            return "avx2";
        case panel_kernel::avx512:
            return "avx512";
        case panel_kernel::avx512vnni:
            return "avx512vnni";
        case panel_kernel::avx512bf16:
            return "avx512bf16";
        case panel_kernel::neon_dot:
            return "neon_dot";
        case panel_kernel::neon_i8mm:
            return "neon_i8mm";
    }
    return {};
}
template <QType Q, product_input Input, panel_kernel Kernel>
inline constexpr kernel_name panel_name{"matmul_", Q::name, "_", name(Input), "_panel_", name(Kernel)};

template <product_input Input, panel_kernel Kernel>
panel_choice chosen(any_qtype type, std::string_view reason) noexcept {
    return type.visit([&]<QType Q>(Q) -> panel_choice { return {Kernel, panel_name<Q, Input, Kernel>, reason}; });
}
}  // namespace detail

constexpr product_input input_of(dtype x, product_accuracy accuracy) noexcept {
    if (x == dtype::i8) return product_input::int8;
    if (accuracy == product_accuracy::dynamic_int8) return product_input::dynamic_int8;
    return x == dtype::f32    ? product_input::f32
           : x == dtype::f16  ? product_input::f16
           : x == dtype::bf16 ? product_input::bf16
                              : product_input::float8;
}

// Whether panels of that type have a kernel of their own on `target`. Without one the portable form multiplies faster.
constexpr bool has_panel_kernel(isa_choice const& target, any_qtype type) noexcept {
    return target.target != isa::portable || (target.neon != neon_bytes::none && !type.is_floating_point());
}

// `target`: the instruction sets that may be used. Without a kernel that rounds x to int8, dynamic_int8 is as exact as
// f32.
inline panel_choice choose_panel_kernel(isa_choice const& target, panels const& w, product_input input) noexcept {
    auto const take = [&]<panel_kernel K>(std::string_view reason) {
        using enum product_input;
        if (input == int8) return detail::chosen<int8, K>(w.type(), reason);
        if (input == f16) return detail::chosen<f16, K>(w.type(), reason);
        if (input == bf16) return detail::chosen<bf16, K>(w.type(), reason);
        if (input == float8) return detail::chosen<float8, K>(w.type(), reason);
        if constexpr (K != panel_kernel::portable && K != panel_kernel::definition)
            if (input == dynamic_int8 && !w.type().is_floating_point())
                return detail::chosen<dynamic_int8, K>(w.type(), reason);
        return detail::chosen<f32, K>(w.type(), reason);
    };
    if (w.cols() == 0) return take.template operator()<panel_kernel::definition>("there is nothing to sum");
    if (w.has_special())
        return take.template operator()<panel_kernel::definition>("the weight has codes that are NaN or infinite");
    bool const sums_codes = input == product_input::int8 || input == product_input::dynamic_int8;
    if (sums_codes && w.layout().group > longest_int8_sum)
        return take.template operator()<panel_kernel::definition>("sums of 2^17 and more products may overflow int32");
    if (!has_panel_kernel(target, w.type()))
        return take.template operator()<panel_kernel::portable>(
            "the only kernel for panels without vector instructions");
    if (target.neon == neon_bytes::i8mm) return take.template operator()<panel_kernel::neon_i8mm>(target.reason);
    if (target.neon == neon_bytes::dot) return take.template operator()<panel_kernel::neon_dot>(target.reason);
    if (!w.type().is_floating_point() && target.vnni)
        return take.template operator()<panel_kernel::avx512vnni>(target.reason);
    if (w.type().is_floating_point() && target.bf16 && input == product_input::bf16)
        return take.template operator()<panel_kernel::avx512bf16>(target.reason);
    if (w.type().is_floating_point() && target.target == isa::avx512)
        return take.template operator()<panel_kernel::avx512>(target.reason);
    return take.template operator()<panel_kernel::avx2>(target.reason);
}

}  // namespace quanto::inline v0
