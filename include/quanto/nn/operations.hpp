// operations = the functional operations, and what each of them does with quantized operands. This table decides, in
// the operations themselves; explain() says what it decides:
//     form         computes                                      needs, or else: floating
//     floating     with code * scale, in float                   -
//     moved        the codes, at other places; scales stay       a scale per row: whole rows
//     joined       the same, of several operands                 one type, one scale
//     scaled       the same codes under scale * factor           scales that stay finite and normal, or zero
//     ordered      on the codes as numbers                       one type, one scale
//     product      exact int32 sums of int8 codes, float after   two int8 operands
//     normalized   in float, then quantized: scale 1 / qmax      -
// Where Python quanto has a form, ours is the same; the reason given names what stands in its way. Modules say for
// themselves what they do with codes.
#pragma once

#include <initializer_list>
#include <string_view>

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

enum class form : std::uint8_t { floating, moved, joined, scaled, ordered, product, normalized };

struct operation {
    std::string_view name;
    form int8 = form::floating, float8 = form::floating;
};

namespace operations {
using enum form;
// clang-format off
//                                name               int8        float8
inline constexpr operation view       {"view",       moved,      moved};     // unflatten, flatten, squeeze, unsqueeze
inline constexpr operation permute    {"permute",    moved,      moved};     // transpose
inline constexpr operation expand     {"expand",     moved,      moved};
inline constexpr operation slice      {"slice",      moved,      moved};     // select, split, chunk, unbind
inline constexpr operation index      {"index",      moved,      moved};
inline constexpr operation cat        {"cat",        joined,     floating};
inline constexpr operation stack      {"stack",      joined,     joined};
inline constexpr operation where      {"where",      joined,     joined};    // masked_fill
inline constexpr operation mul_number {"mul number", scaled,     scaled};
inline constexpr operation div_number {"div number", scaled,     scaled};
inline constexpr operation neg        {"neg",        scaled,     floating};
inline constexpr operation to         {"to",         scaled,     scaled};
inline constexpr operation relu       {"relu",       ordered,    floating};
inline constexpr operation compare    {"compare",    ordered,    floating};  // lt, gt, eq
inline constexpr operation max_pool   {"max_pool",   ordered,    floating};  // ours alone: the values are the same
inline constexpr operation matmul     {"matmul",     product,    floating};  // matmul_transposed
inline constexpr operation softmax    {"softmax",    normalized, normalized};
inline constexpr operation add{"add"}, sub{"sub"}, mul{"mul"}, div{"div"}, abs{"abs"}, clamp{"clamp"}, relu6{"relu6"},
    sigmoid{"sigmoid"}, tanh{"tanh"}, gelu{"gelu"}, silu{"silu"}, log_softmax{"log_softmax"}, avg_pool{"avg_pool"}, sum{"sum"},
    mean{"mean"}, amax{"amax"}, argmax{"argmax"};
// clang-format on
}  // namespace operations

struct operation_choice {
    std::string_view operation;
    form taken;
    std::string_view reason;

    explicit operator bool() const noexcept { return taken != form::floating; }  // it works on codes
};

namespace detail {
inline constexpr std::string_view rows_taken_apart = "rows with their own scales are taken apart";

}  // namespace detail

// What the operation does with these operands, and why. `obstacle`: what else stands in the way of the codes.
operation_choice explain(operation const& o, std::initializer_list<Activation const*> operands,
                         std::string_view obstacle = {}) noexcept;

namespace detail {
// Of two operands, the one whose context the result takes over: the first that has one, and the one with a gradient.
inline Activation const& leading(Activation const& a, Activation const& b) noexcept {
    return a.where_pointer() == nullptr || (a.node() == nullptr && b.node() != nullptr) ? b : a;
}
}  // namespace detail

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/operations.inl>
#endif
