#include <quanto/types/float8.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace quanto;

// The published tables, by their formula, in double: independent of the bit operations of the library.
namespace {

struct format {
    int mantissa_bits, bias;
    unsigned finite_codes;
    bool infinity, negative_zero;

    double value(unsigned code) const {  // of code 0 .. 127, as if codes went on
        unsigned const e = code >> mantissa_bits, m = code & ((1u << mantissa_bits) - 1u);
        double const fraction = std::ldexp(m, -mantissa_bits);
        return e == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1.0 + fraction, static_cast<int>(e) - bias);
    }
};
constexpr unsigned nan_code = 0x100;

// Nearest by search, ties to the even code; nan_code for NaN.
unsigned slow_encode(format const& f, float x, overflow policy) {
    if (std::isnan(x)) return nan_code;
    double const a = std::fabs(static_cast<double>(x));
    unsigned best = f.finite_codes;
    if (a < f.value(f.finite_codes)) {
        best = 0;
        for (unsigned c = 1; c <= f.finite_codes; ++c) {
            // a - value is exact unless a is tiny beside value, and then rounds to -value's side without a tie.
            double const here = std::fabs(a - f.value(c)), there = std::fabs(a - f.value(best));
            if (here < there || (here == there && c % 2 == 0)) best = c;
        }
    }
    if (best == f.finite_codes) {
        if (policy == overflow::saturate)
            best = f.finite_codes - 1;
        else if (!f.infinity)
            return nan_code;
    }
    if (best == 0 && !f.negative_zero) return 0;
    return best | (std::signbit(x) ? 0x80u : 0u);
}

template <class F>
bool agrees(format const& f, float x) {
    for (auto const policy : {overflow::saturate, overflow::ieee}) {
        std::uint8_t const code = F::encode(x, policy);
        unsigned const want = slow_encode(f, x, policy);
        if (want == nan_code ? !is_nan(F::decode(code)) : code != want) return false;
    }
    return true;
}

template <class F>
void check_decode(format const& f) {
    for (unsigned c = 0; c != 256; ++c) {
        float const x = F::decode(static_cast<std::uint8_t>(c));
        unsigned const rest = c & 0x7fu;
        INFO("code " << c);
        if (!f.negative_zero && c == 0x80) {
            CHECK(is_nan(x));
        } else if (rest < f.finite_codes) {
            CHECK(static_cast<double>(absolute(x)) == f.value(rest));
            CHECK(std::signbit(x) == (c >= 0x80));
        } else if (f.infinity && rest == f.finite_codes) {
            CHECK(std::isinf(x));
            CHECK(std::signbit(x) == (c >= 0x80));
        } else {
            CHECK(is_nan(x));
        }
        // Back again: the same code, except infinities (saturated) and NaN (any NaN).
        CHECK(F::from_bits(static_cast<std::uint8_t>(c)).bits == c);
        if (is_nan(x)) {
            CHECK(is_nan(float(F(x))));
            CHECK(is_nan(float(F(x, overflow::ieee))));
        } else {
            CHECK(F(x, overflow::ieee).bits == c);
            CHECK(F(x).bits == (std::isinf(x) ? c - 1 : c));
        }
    }
}

template <class F>
std::size_t wrong_near(format const& f, std::uint32_t u) {
    std::size_t wrong = 0;
    for (std::uint32_t const v : {u - 2, u - 1, u, u + 1, u + 2})
        for (std::uint32_t const sign : {0u, 0x8000'0000u}) wrong += !agrees<F>(f, bit_cast<float>(v ^ sign));
    return wrong;
}

template <class F>
void check_encode(format const& f) {
    // Every value and every half-way point, up to the one after the largest, with two neighbours on each side.
    std::size_t wrong = 0;
    for (unsigned c = 0; c <= f.finite_codes; ++c) {
        wrong += wrong_near<F>(f, bit_cast<std::uint32_t>(static_cast<float>(f.value(c))));
        wrong += wrong_near<F>(f, bit_cast<std::uint32_t>(static_cast<float>((f.value(c) + f.value(c + 1)) / 2)));
    }
    // The ends of the range of float, infinities and NaN.
    for (std::uint32_t const u : {0x0000'0002u, 0x0080'0000u, 0x7f7f'fffdu, 0x7f80'0002u, 0x7fc0'0000u, 0x7fff'fffdu})
        wrong += wrong_near<F>(f, u);
    CHECK(wrong == 0);

    // Each exponent of float, 64 mantissas in it; then any bits.
    wrong = 0;
    std::mt19937 random(1);
    for (std::uint32_t exponent = 0; exponent != 256; ++exponent)
        for (int i = 0; i != 64; ++i)
            for (std::uint32_t const sign : {0u, 0x8000'0000u})
                wrong += !agrees<F>(
                    f, bit_cast<float>(sign | (exponent << 23) | (static_cast<std::uint32_t>(random()) & 0x7f'ffffu)));
    for (int i = 0; i != 50'000; ++i) wrong += !agrees<F>(f, bit_cast<float>(static_cast<std::uint32_t>(random())));
    CHECK(wrong == 0);
}

// Every float: between two neighbouring half-way points the code is constant, so that all 2^32 are compared with a
// table of 127 thresholds instead of a search.
template <class F>
std::size_t wrong_of_all(format const& f) {
    std::vector<std::uint32_t> first;  // first[c]: the least float bits whose code is at least c
    for (unsigned c = 1; c <= f.finite_codes; ++c) {
        std::uint32_t const middle =
            bit_cast<std::uint32_t>(static_cast<float>((f.value(c - 1) + f.value(c)) / 2));  // exact: one bit more
        first.push_back(c % 2 == 0 ? middle : middle + 1);
    }
    std::size_t wrong = 0;
    unsigned code = 0;
    for (std::uint32_t a = 0; a <= 0x7f80'0000u; ++a) {
        while (code < first.size() && a >= first[code]) ++code;
        for (std::uint32_t const sign : {0u, 0x80u}) {
            float const x = bit_cast<float>(a | sign << 24);
            auto place = [&](unsigned c) { return c == 0 && !f.negative_zero ? 0 : c | sign; };
            bool const beyond = code == f.finite_codes;
            wrong += F::encode(x, overflow::saturate) != place(beyond ? code - 1 : code);
            std::uint8_t const ieee = F::encode(x, overflow::ieee);
            wrong += beyond && !f.infinity ? !is_nan(F::decode(ieee)) : ieee != place(code);
        }
    }
    for (std::uint32_t a = 0x7f80'0001u; a < 0x8000'0000u; ++a)
        for (std::uint32_t const sign : {0u, 0x8000'0000u})
            for (auto const policy : {overflow::saturate, overflow::ieee})
                wrong += !is_nan(F::decode(F::encode(bit_cast<float>(a | sign), policy)));
    return wrong;
}

constexpr format e4m3fn{3, 7, 0x7f, false, true}, e4m3fnuz{3, 8, 0x80, false, false}, e5m2{2, 15, 0x7c, true, true};

}  // namespace

static_assert(float8_e4m3fn(464.0f, overflow::ieee).bits == 0x7e, "the tie with the code after the largest is even");
static_assert(is_nan(float(float8_e4m3fn(464.00003f, overflow::ieee))));
static_assert(is_nan(float(float8_e4m3fnuz(248.0f, overflow::ieee))));
static_assert(float8_e4m3fnuz(-0.0f).bits == 0 && float8_e4m3fnuz(-1e-9f).bits == 0);
static_assert(float8_e5m2(61440.0f, overflow::ieee).bits == 0x7c && float8_e5m2(61439.0f, overflow::ieee).bits == 0x7b);
static_assert(float8_e5m2(-1e30f).bits == 0xfb && float(float8_e5m2(1e30f)) == float8_e5m2::max);

TEST_CASE("float8 codes have the values of their formula, and come back") {
    SECTION("e4m3fn") { check_decode<float8_e4m3fn>(e4m3fn); }
    SECTION("e4m3fnuz") { check_decode<float8_e4m3fnuz>(e4m3fnuz); }
    SECTION("e5m2") { check_decode<float8_e5m2>(e5m2); }
}

TEST_CASE("float8 encoding is the nearest value, ties to even, under both overflow policies") {
    SECTION("e4m3fn") { check_encode<float8_e4m3fn>(e4m3fn); }
    SECTION("e4m3fnuz") { check_encode<float8_e4m3fnuz>(e4m3fnuz); }
    SECTION("e5m2") { check_encode<float8_e5m2>(e5m2); }
}

TEST_CASE("every float has the float8 code that its half-way points say", "[.nightly]") {
    CHECK(wrong_of_all<float8_e4m3fn>(e4m3fn) == 0);
    CHECK(wrong_of_all<float8_e4m3fnuz>(e4m3fnuz) == 0);
    CHECK(wrong_of_all<float8_e5m2>(e5m2) == 0);
}
