#include <quanto/types/float16.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace quanto;

namespace {

// Value of a finite code by the formula of IEEE 754: exponent bits, mantissa bits, bias.
struct format {
    int mantissa_bits, bias;
    std::uint32_t infinity;

    double value(std::uint32_t code) const {  // of a magnitude; infinity's code is worth what would come next
        std::uint32_t const e = code >> mantissa_bits, m = code & ((1u << mantissa_bits) - 1u);
        double const fraction = std::ldexp(m, -mantissa_bits);
        return e == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1.0 + fraction, static_cast<int>(e) - bias);
    }
};
constexpr format half{10, 15, 0x7c00}, brain{7, 127, 0x7f80};

template <class H>
std::size_t wrong_decodes(format const& f) {
    std::size_t wrong = 0;
    for (std::uint32_t u = 0; u != 0x1'0000u; ++u) {
        auto const h = H::from_bits(static_cast<std::uint16_t>(u));
        float const x = float(h);
        std::uint32_t const rest = u & 0x7fffu;
        wrong += std::signbit(x) != (u >= 0x8000u);
        if (rest < f.infinity)
            wrong += static_cast<double>(absolute(x)) != f.value(rest);
        else if (rest == f.infinity)
            wrong += !std::isinf(x);
        else
            wrong += !is_nan(x);
        // Back again: the same bits; NaN stays NaN, with its sign.
        std::uint16_t const back = H(x).bits;
        wrong += rest > f.infinity ? !is_nan(float(H::from_bits(back))) || (back ^ u) >= 0x8000u : back != u;
    }
    return wrong;
}

// Every value and half-way point with two neighbours on either side: the code steps exactly there.
template <class H>
std::size_t wrong_encodes(format const& f) {
    std::size_t wrong = 0;
    for (std::uint32_t c = 0; c != f.infinity; ++c) {
        double const middle = (f.value(c) + f.value(c + 1)) / 2;
        float const x = static_cast<float>(middle);
        bool const is_float = static_cast<double>(x) == middle;  // not below the smallest bfloat16
        auto const u = bit_cast<std::uint32_t>(x);
        for (std::uint32_t const sign : {0u, 0x8000u}) {
            auto code = [&](std::uint32_t bits) { return H(bit_cast<float>(bits | sign << 16)).bits; };
            wrong += !is_float;
            wrong += code(u - 1) != (c | sign) || code(u - 2) != (c | sign);
            wrong += code(u + 1) != ((c + 1) | sign) || code(u + 2) != ((c + 1) | sign);
            wrong += code(u) != ((c % 2 == 0 ? c : c + 1) | sign);
        }
    }
    return wrong;
}

// All floats: the code is the number of half-way points below.
template <class H>
std::size_t wrong_of_all(format const& f) {
    std::size_t wrong = 0;
    std::uint32_t c = 0;
    auto next = [&] {
        auto const u = bit_cast<std::uint32_t>(static_cast<float>((f.value(c) + f.value(c + 1)) / 2));
        return c % 2 == 0 ? u + 1 : u;
    };
    std::uint32_t step = next();
    for (std::uint32_t a = 0; a <= 0x7f80'0000u; ++a) {
        while (c != f.infinity && a >= step)
            if (++c != f.infinity) step = next();
        for (std::uint32_t const sign : {0u, 0x8000u}) wrong += H(bit_cast<float>(a | sign << 16)).bits != (c | sign);
    }
    for (std::uint32_t a = 0x7f80'0001u; a < 0x8000'0000u; ++a)
        for (std::uint32_t const sign : {0u, 0x8000'0000u}) wrong += !is_nan(float(H(bit_cast<float>(a | sign))));
    return wrong;
}

}  // namespace

static_assert(float(float16(1.0f)) == 1.0f && float(bfloat16(1.0f)) == 1.0f);
static_assert(float16(65519.996f).bits == 0x7bff && float16(65520.0f).bits == 0x7c00, "half a step above the largest");
static_assert(float16(0x1p-25f).bits == 0 && float16(0x1.000002p-25f).bits == 1, "half of the smallest");
static_assert(float(float16::from_bits(0x7bff)) == float16::max);
static_assert(float(float16::from_bits(0x0400)) == float16::smallest_normal);
static_assert(float(bfloat16::from_bits(0x7f7f)) == bfloat16::max);
static_assert(float(bfloat16::from_bits(0x0080)) == bfloat16::smallest_normal);
static_assert(float16(-0.0f).bits == 0x8000 && bfloat16(-0.0f).bits == 0x8000);
static_assert(float16(0.0f) == float16(-0.0f), "compared as numbers");
static_assert(!(float16::from_bits(0x7e00) == float16::from_bits(0x7e00)), "NaN equals nothing");

TEST_CASE("all 65536 codes of float16 and bfloat16 have the values of their formula, and come back") {
    CHECK(wrong_decodes<float16>(half) == 0);
    CHECK(wrong_decodes<bfloat16>(brain) == 0);
}

TEST_CASE("float16 and bfloat16 step at every half-way point, ties to even, up to infinity") {
    CHECK(wrong_encodes<float16>(half) == 0);
    CHECK(wrong_encodes<bfloat16>(brain) == 0);
}

TEST_CASE("NaN of any payload stays NaN in float16 and bfloat16") {
    std::mt19937 random(2);
    for (int i = 0; i != 10'000; ++i) {
        std::uint32_t const u = 0x7f80'0000u | static_cast<std::uint32_t>(random());
        if ((u & 0x7f'ffffu) == 0) continue;
        REQUIRE(is_nan(float(float16(bit_cast<float>(u)))));
        REQUIRE(is_nan(float(bfloat16(bit_cast<float>(u)))));
    }
    CHECK(is_nan(float(float16(bit_cast<float>(0x7f80'0001u)))));
    CHECK(is_nan(float(bfloat16(bit_cast<float>(0x7f80'0001u)))));
}

TEST_CASE("every float has the 16-bit code that its half-way points say", "[.nightly]") {
    CHECK(wrong_of_all<float16>(half) == 0);
    CHECK(wrong_of_all<bfloat16>(brain) == 0);
}
