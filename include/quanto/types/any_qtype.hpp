// any_qtype = one of the six qtypes, known at run time: what a file's "qint4" becomes, and back.
//     any_qtype q = qint4{};   q.name() == "qint4"   q.visit([]<class Q>(Q) { ... })
#pragma once

#include <cstdint>
#include <optional>

#include <quanto/types/dtype.hpp>
#include <quanto/types/qtype.hpp>

namespace quanto::inline v0 {

class any_qtype {
public:
    template <QType Q>
    constexpr any_qtype(Q) noexcept : index_(index_of<Q>) {}

    template <class F>
    static constexpr void for_each(F&& f) {
        f(qint2{}), f(qint4{}), f(qint8{}), f(qfloat8_e4m3fn{}), f(qfloat8_e4m3fnuz{}), f(qfloat8_e5m2{});
    }

    // The type of that name ("qfloat8" means qfloat8_e4m3fn), or nothing.
    static constexpr std::optional<any_qtype> from_name(text_view name) noexcept {
        if (name == "qfloat8") return any_qtype(qfloat8{});
        std::optional<any_qtype> found;
        for_each([&]<class Q>(Q q) {
            if (Q::name == name) found = any_qtype(q);
        });
        return found;
    }

    constexpr text_view name() const noexcept;
    constexpr int bits() const noexcept;
    constexpr bool is_floating_point() const noexcept;

    template <QType Q>
    constexpr bool is() const noexcept {
        return index_ == index_of<Q>;
    }
    friend constexpr bool operator==(any_qtype, any_qtype) noexcept = default;

    // f(Q{}) with the type that *this names; all six calls must return one type.
    template <class F>
    constexpr decltype(auto) visit(F&& f) const {
        switch (index_) {
            case 0:
                return f(qint2{});
            case 1:
                return f(qint4{});
            case 2:
                return f(qint8{});
            case 3:
                return f(qfloat8_e4m3fn{});
            case 4:
                return f(qfloat8_e4m3fnuz{});
            default:
                return f(qfloat8_e5m2{});
        }
    }

private:
    template <QType Q>
    static constexpr std::uint8_t index_of = std::same_as<Q, qint2>              ? 0
                                             : std::same_as<Q, qint4>            ? 1
                                             : std::same_as<Q, qint8>            ? 2
                                             : std::same_as<Q, qfloat8_e4m3fn>   ? 3
                                             : std::same_as<Q, qfloat8_e4m3fnuz> ? 4
                                                                                 : 5;
    std::uint8_t index_;
};

constexpr text_view any_qtype::name() const noexcept {
    return visit([]<class Q>(Q) { return Q::name; });
}
constexpr int any_qtype::bits() const noexcept {
    return visit([]<class Q>(Q) { return Q::bits; });
}
constexpr bool any_qtype::is_floating_point() const noexcept {
    return visit([]<class Q>(Q) { return Q::is_floating_point; });
}

// The type of its codes in memory; of less than 8 bits, that of the bytes they are packed in.
constexpr dtype code_dtype(any_qtype type) noexcept {
    return type.visit([]<class Q>(Q) {
        if constexpr (Q::is_floating_point)
            return dtype_of<typename Q::format>;
        else
            return Q::bits == 8 ? dtype::i8 : dtype::u8;
    });
}

}  // namespace quanto::inline v0
