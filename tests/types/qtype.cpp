#include <quanto/types/qtype.hpp>

#include <quanto/types/any_qtype.hpp>

#include "catch.hpp"

using namespace quanto;

static_assert(QType<qint2> && QType<qint4> && QType<qint8> && QType<qfloat8> && QType<qfloat8_e4m3fnuz> &&
              QType<qfloat8_e5m2>);
static_assert(!QType<int> && !QType<float8_e4m3fn> && !QType<qint8 const> && !QType<detail::integer_qtype<8>>);
static_assert(IntegerQType<qint2> && IntegerQType<qint8> && !IntegerQType<qfloat8> && !IntegerQType<int>);
static_assert(FloatQType<qfloat8_e5m2> && !FloatQType<qint8> && !FloatQType<float>);
static_assert(SubByteQType<qint2> && SubByteQType<qint4> && !SubByteQType<qint8> && !SubByteQType<qfloat8>);
static_assert(ActivationQType<qint8> && ActivationQType<qfloat8_e4m3fnuz> && !ActivationQType<qint4>);

static_assert(qint2::qmin == -2 && qint2::qmax == 1 && levels<qint2> == 3 && codes_per_byte<qint2> == 4);
static_assert(qint4::qmin == -8 && qint4::qmax == 7 && levels<qint4> == 15 && codes_per_byte<qint4> == 2);
static_assert(qint8::qmin == -128 && qint8::qmax == 127 && codes_per_byte<qint8> == 1);
static_assert(qfloat8_e4m3fn::qmin == -448 && qfloat8_e4m3fn::qmax == 448 && codes_per_byte<qfloat8> == 1);
static_assert(qfloat8_e4m3fnuz::qmin == -240 && qfloat8_e4m3fnuz::qmax == 240);
static_assert(qfloat8_e5m2::qmin == -57344 && qfloat8_e5m2::qmax == 57344);
static_assert(std::same_as<qfloat8, qfloat8_e4m3fn>);

static_assert(any_qtype::from_name("qint4") == any_qtype(qint4{}));
static_assert(any_qtype::from_name("qfloat8") == any_qtype(qfloat8_e4m3fn{}));
static_assert(any_qtype(qfloat8{}).name() == "qfloat8_e4m3fn", "the alias is never written");
static_assert(!any_qtype::from_name("qint3") && !any_qtype::from_name("") && !any_qtype::from_name("QInt4") &&
              !any_qtype::from_name("qint") && !any_qtype::from_name("qint44"));

TEST_CASE("any_qtype names, compares and visits each of the six types") {
    int seen = 0;
    any_qtype::for_each([&]<class Q>(Q q) {
        any_qtype const a = q;
        INFO(Q::name);
        CHECK(a.name() == Q::name);
        CHECK(a.bits() == Q::bits);
        CHECK(a.is_floating_point() == Q::is_floating_point);
        CHECK(any_qtype::from_name(Q::name) == a);
        CHECK(a.template is<Q>());
        CHECK(a.visit([]<class R>(R) { return std::same_as<R, Q>; }));
        int equal = 0;
        any_qtype::for_each([&]<class R>(R r) { equal += any_qtype(r) == a; });
        CHECK(equal == 1);
        ++seen;
    });
    CHECK(seen == 6);
}
