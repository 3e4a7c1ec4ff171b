#include <quanto/core/function_ref.hpp>

#include <memory>
#include <type_traits>

#include "catch.hpp"

using namespace quanto;

static_assert(std::is_trivially_copyable_v<function_ref<void()>>);
static_assert(sizeof(function_ref<void()>) == 2 * sizeof(void*));
static_assert(!std::is_constructible_v<function_ref<int(int)>, int (&)(int*)>);

namespace {

int apply(function_ref<int(int)> f, int x) { return f(x); }

}  // namespace

TEST_CASE("function_ref calls the caller's object, not a copy") {
    int calls = 0;
    auto count = [&calls](int x) { return calls += x; };
    function_ref<int(int)> const f = count, copy = f;
    CHECK(f(2) == 2);
    CHECK(copy(3) == 5);
    CHECK(calls == 5);
}

TEST_CASE("function_ref takes a temporary for the length of a call") {
    CHECK(apply([](int x) { return 2 * x; }, 21) == 42);
}

TEST_CASE("function_ref converts results and forwards what can only be moved") {
    auto take = [](std::unique_ptr<int> p) { return *p; };
    function_ref<long(std::unique_ptr<int>)> const f = take;
    CHECK(f(std::make_unique<int>(7)) == 7L);
}
