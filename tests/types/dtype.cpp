#include <quanto/types/dtype.hpp>

#include "catch.hpp"

using namespace quanto;

static_assert(FloatStorage<float> && FloatStorage<float16> && FloatStorage<bfloat16> && !FloatStorage<double>);
static_assert(size_of(dtype_of<double>) == 8 && size_of(dtype_of<bool>) == 1 && size_of(dtype_of<bfloat16>) == 2);
static_assert(dtype_from_name("F8_E4M3") == dtype::e4m3fn && dtype_from_name("F8_E4M3FN") == dtype::e4m3fn);
static_assert(!dtype_from_name("F8") && !dtype_from_name("") && !dtype_from_name("f32"));
static_assert(stored_as(1.0f / 3, dtype::f32) == 1.0f / 3);
static_assert(stored_as(1.0f / 3, dtype::f16) == float(float16(1.0f / 3)));
static_assert(stored_as(1.0f / 3, dtype::bf16) == float(bfloat16(1.0f / 3)));
static_assert(smallest_normal(dtype::f16) == 0x1p-14f && smallest_normal(dtype::bf16) == 0x1p-126f &&
              smallest_normal(dtype::f32) == 0x1p-126f);

TEST_CASE("each dtype has a name that leads back to it, and a size of whole bytes") {
    for (std::size_t i = 0; i != dtype_count; ++i) {
        auto const t = static_cast<dtype>(i);
        INFO(name(t));
        CHECK(dtype_from_name(name(t)) == t);
        CHECK((size_of(t) == 1 || size_of(t) == 2 || size_of(t) == 4 || size_of(t) == 8));
    }
}
