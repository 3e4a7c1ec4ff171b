#include <quanto/kernels/panel/panels.hpp>

#include <cstring>

#include <quanto/backend/cpu_backend.hpp>
#include <quanto/quantizer/quantize.hpp>
#include <quanto/testing.hpp>

#include "memory.hpp"

#include "catch.hpp"

using namespace quanto;

namespace {

bool same(storage const& a, storage const& b) {
    return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Random codes and scales of any bits: what packing must not touch.
template <QType Q>
any_qtensor random_weight(std::size_t n, std::size_t k, std::size_t group, dtype scale, bool zero_points,
                          std::uint32_t seed) {
    testing::generator g(seed);
    qtensor_parts parts;
    parts.shape = {n, k};
    parts.layout = grouping(parts.shape, axis::first, quanto::group{group});
    parts.scale_type = scale;
    parts.integer_zero_point = zero_points;
    planar_packing<Q::bits> const packing{parts.layout.code_rows(), parts.layout.code_cols()};
    auto const random = [&](std::size_t size, unsigned mask) {
        auto made = *storage::allocate(size);
        for (std::size_t i = 0; i != size; ++i) made.mutable_data()[i] = static_cast<std::byte>(g.bits() & mask);
        return made;
    };
    auto codes = *storage::allocate(packing.bytes());
    for (std::size_t i = 0; i != n * k; ++i)
        packing.set(reinterpret_cast<std::uint8_t*>(codes.mutable_data()), i,
                    static_cast<std::uint8_t>(g.bits() & ((1u << Q::bits) - 1u)));
    parts.codes = std::move(codes);
    parts.scale = random(parts.layout.groups() * size_of(scale), 0xffu);
    if (SubByteQType<Q>) parts.shift = random(parts.layout.groups() * (zero_points ? 1 : size_of(scale)), 0xffu);
    return any_qtensor(Q{}, std::move(parts));
}

}  // namespace

TEST_CASE("panels give back every bit of a weight") {
    any_qtype::for_each([]<QType Q>(Q) {
        std::uint32_t seed = 1;
        for (std::size_t const n : {1u, 3u, 16u, 17u, 33u})
            for (std::size_t const k : {1u, 2u, 15u, 16u, 64u, 129u, 257u})
                for (std::size_t const group : {0u, 1u, 5u, 16u, 32u, 100u, 128u})
                    for (dtype const scale : {dtype::f32, dtype::f16, dtype::bf16})
                        for (bool const zero_points : {false, true}) {
                            if (zero_points && !SubByteQType<Q>) continue;
                            auto const w = random_weight<Q>(n, k, group, scale, zero_points, ++seed);
                            auto const packed = panels::pack(w);
                            REQUIRE(packed);
                            auto const back = packed->unpack();
                            REQUIRE(back);
                            CAPTURE(Q::name, n, k, group, name(scale), zero_points);
                            REQUIRE(back->type() == w.type());
                            REQUIRE(back->shape() == w.shape());
                            REQUIRE(back->layout().group_size() == w.layout().group_size());
                            REQUIRE(same(back->parts().codes, w.parts().codes));
                            REQUIRE(same(back->parts().scale, w.parts().scale));
                            REQUIRE(same(back->parts().shift, w.parts().shift));
                        }
    });
}

TEST_CASE("a panel lies in memory as its index formula says") {
    auto const dense = testing::test_values<float16>(20, 300, 3);
    any_qtype::for_each([&]<QType Q>(Q) {
        auto const made = *quantize<Q>(dense, default_optimizer<Q>{}, {.group = 128});
        auto const packed = *panels::pack(made);
        auto const view = made.view();
        constexpr std::size_t fields = codes_per_byte<Q>;
        std::size_t const header = 64, group_bytes = header + 128 / (4 * fields) * 64;
        CHECK(packed.layout().panel_bytes() ==
              3 * header + (2 * 128 + (44 + 4 * fields - 1) / (4 * fields) * 4 * fields) / (4 * fields) * 64);
        auto const* const bytes = reinterpret_cast<std::uint8_t const*>(packed.bytes().data());
        CHECK(reinterpret_cast<std::uintptr_t>(bytes) % 64 == 0);
        for (std::size_t n = 0; n != 20; ++n)
            for (std::size_t k = 0; k != 300; ++k) {
                std::size_t const q = k % 128 / 4;
                std::uint8_t const byte = bytes[n / 16 * packed.layout().panel_bytes() + k / 128 * group_bytes +
                                                header + q / fields * 64 + n % 16 * 4 + k % 4];
                unsigned const code = (unsigned{byte} >> (q % fields * Q::bits)) & ((1u << Q::bits) - 1u);
                REQUIRE(code == (view.code(n * 300 + k) ^ (std::is_same_v<Q, qint8> ? 0x80u : 0u)));
                REQUIRE(packed.template value<Q>(n, k) == view[n * 300 + k]);
            }
    });
}

TEST_CASE("rows and elements that are missing have scale 0 and codes of value 0") {
    auto const packed = *panels::pack(*quantize<qint8>(testing::test_values(5, 7, 1)));
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(packed.bytes().data());
    REQUIRE(packed.bytes().size() == 64 + 2 * 64);
    for (std::size_t i = 20; i != 64; ++i) CHECK(bytes[i] == 0);
    for (std::size_t k = 0; k != 8; ++k)
        for (std::size_t r = 0; r != 16; ++r)
            if (k == 7 || r >= 5) CHECK(bytes[64 + k / 4 * 64 + r * 4 + k % 4] == 0x80);
}

TEST_CASE("float8 codes that are no numbers are found while packing") {
    any_qtype::for_each([]<QType Q>(Q) {
        if constexpr (Q::is_floating_point) {
            auto parts = quantize<Q>(testing::test_values(20, 40, 1))->parts();
            CHECK(!panels::pack(any_qtensor(Q{}, parts))->has_special());
            storage codes = parts.codes;
            codes.mutable_data()[19 * 40 + 39] =
                static_cast<std::byte>(Q::format::encode(bit_cast<float>(0x7fc0'0000u), overflow::ieee));
            parts.codes = std::move(codes);
            CHECK(panels::pack(any_qtensor(Q{}, parts))->has_special());
        }
    });
}

TEST_CASE("packing says when there is no memory") {
    struct {
        void* allocate(std::size_t, std::size_t) { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) {}
    } none;
    any_qtensor const w(*quantize<qint4>(testing::test_values(4, 40, 1)));
    auto const packed = panels::pack(w, &none);
    REQUIRE(!packed);
    CHECK(packed.error().code() == errc::out_of_memory);
    CHECK(panels::pack(w)->unpack(&none).error().code() == errc::out_of_memory);
}

TEST_CASE("a weight that is a copy without memory says so") {
    ending_memory memory;
    Tensor<float> const values(20, 64);
    auto const w = any_qtensor(*quantize<qint4, axis::first, group{32}>(values, max_range{}, {.memory = &memory}));
    auto const packed = panels::pack(w, &memory);
    REQUIRE(packed);
    memory.ended = true;
    panels const copy = *packed;
    CHECK(packed->has_values());
    CHECK(copy.rows() == 20);
    CHECK_FALSE(copy.has_values());
    any_qtensor const copy_of_w = w;
    CHECK(w.has_values());
    CHECK_FALSE(copy_of_w.has_values());
    CHECK(panels::pack(copy_of_w).error().code() == errc::out_of_memory);
    Tensor<float> const x(3, 64);
    Tensor<float> y(3, 20);
    CHECK(cpu_backend().matmul(x, copy, y).error().code() == errc::out_of_memory);
}

TEST_CASE("a weight without rows has columns") {
    Tensor<float> const none(0, 64), x(3, 64);
    matrix_view<float> const y(nullptr, 3, 0);
    any_qtype::for_each([&]<QType Q>(Q) {
        auto const packed = panels::pack(*quantize<Q>(none));
        REQUIRE(packed);
        CHECK(packed->cols() == 64);
        CHECK(cpu_backend().matmul(x, *packed, y));
        CHECK(packed->unpack()->shape() == extents{0, 64});
    });
    CHECK(panels().unpack()->size() == 0);
    CHECK(any_qtensor(QTensor<qint4, axis::first, whole_axis>()).size() == 0);
}
