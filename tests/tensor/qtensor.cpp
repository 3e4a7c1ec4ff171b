#include <quanto/tensor/qtensor.hpp>

#include <cstdint>
#include <cstring>

#include "catch.hpp"

using namespace quanto;

namespace {

// A tensor (3, 4) of qint4 in groups of 2, by hand: codes 0 .. 11, scale g / 2 + 1 and shift g of group g.
qtensor_parts by_hand(bool integer_zero_point) {
    qtensor_parts p;
    p.shape = {3, 4};
    p.layout = grouping(p.shape, axis::first, group{2});
    p.codes = std::move(*storage::allocate(6));
    p.scale = std::move(*storage::allocate(6 * 4));
    p.shift = std::move(*storage::allocate(integer_zero_point ? 6 : 6 * 4));
    p.integer_zero_point = integer_zero_point;
    planar_packing<4> const packing{6, 2};
    for (std::size_t i = 0; i != 12; ++i)
        packing.set(reinterpret_cast<std::uint8_t*>(p.codes.mutable_data()), i, static_cast<std::uint8_t>(i));
    for (std::size_t g = 0; g != 6; ++g) {
        any_tensor::store(dtype::f32, p.scale.mutable_data(), g, static_cast<float>(g) / 2 + 1);
        if (integer_zero_point)
            p.shift.mutable_data()[g] = static_cast<std::byte>(g);
        else
            any_tensor::store(dtype::f32, p.shift.mutable_data(), g, static_cast<float>(g));
    }
    return p;
}

}  // namespace

TEST_CASE("an element is its code times the scale of its group, less the shift") {
    QTensor<qint4, axis::first, group{2}> const t(by_hand(false));
    CHECK((t.rows() == 3 && t.cols() == 4 && t.size() == 12 && t.group_size() == 2));
    for (std::size_t i = 0; i != 12; ++i) {
        float const g = static_cast<float>(i / 2);
        CHECK(t.view().code(i) == i);
        CHECK(t[i] == static_cast<float>(i) * (g / 2 + 1) - g);
    }
}

TEST_CASE("an element with a zero point is code less zero point, times the scale") {
    any_qtensor const t(qint4{}, by_hand(true));
    CHECK(t.type() == any_qtype(qint4{}));
    t.visit([]<class Q>(qtensor_view<Q> w) {
        for (std::size_t i = 0; i != 12; ++i) {
            float const g = static_cast<float>(i / 2);
            CHECK(w[i] == (static_cast<float>(i) - g) * (g / 2 + 1));
            CHECK(w.shift(i / 2) == g * (g / 2 + 1));
        }
    });
}

TEST_CASE("any_qtensor shows each type what it holds") {
    QTensor<qint4, axis::first, group{2}> typed(by_hand(false));
    any_qtensor const t = typed;
    CHECK(t.shape() == extents{3, 4});
    CHECK(t.size() == 12);
    CHECK(t.layout().groups() == 6);
    auto const w = t.as<qint4>();
    for (std::size_t i = 0; i != 12; ++i) CHECK(w[i] == typed[i]);
    CHECK(t.visit([]<class Q>(qtensor_view<Q>) { return Q::bits; }) == 4);
}

TEST_CASE("an 8-bit tensor with scale 0 is zeros, whatever its codes") {
    std::uint8_t const codes[2] = {0x7f, 0xff};
    float const scale[1] = {0.0f};
    qtensor_parts p;
    p.shape = {1, 2};
    p.layout = grouping(p.shape, axis::first, whole_axis);
    p.codes = storage::borrow(codes, 2);
    p.scale = storage::borrow(scale, 4);
    any_qtensor const t(qfloat8{}, std::move(p));
    CHECK(t.as<qfloat8>()[0] == 0.0f);
    CHECK(t.as<qfloat8>()[1] == 0.0f);
}
