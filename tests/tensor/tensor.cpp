#include <quanto/tensor/tensor.hpp>

#include <limits>

#include "catch.hpp"

using namespace quanto;

namespace {
struct no_memory {
    void* allocate(std::size_t, std::size_t) { return nullptr; }
    void deallocate(void*, std::size_t, std::size_t) {}
};
constexpr std::size_t huge = std::numeric_limits<std::size_t>::max() / 2;
}  // namespace

TEST_CASE("extents multiply, compare and refuse products that do not fit") {
    extents const scalar, matrix{3, 4}, empty{3, 0, 5};
    CHECK(scalar.rank() == 0);
    CHECK(scalar.numel() == 1);
    CHECK((scalar.front() == 1 && scalar.back() == 1));
    CHECK(matrix.numel() == 12);
    CHECK((matrix.front() == 3 && matrix.back() == 4));
    CHECK(empty.numel() == 0);
    CHECK(matrix == extents{3, 4});
    CHECK_FALSE(matrix == extents{4, 3});
    CHECK_FALSE(matrix == extents{3, 4, 1});
    std::size_t n = 0;
    CHECK(extents{3, 4}.checked_numel(n));
    CHECK(n == 12);
    CHECK_FALSE(extents{huge, 3}.checked_numel(n));
    CHECK(extents{huge, 2}.checked_numel(n));
}

TEST_CASE("a tensor is zeros in row-major order, and its copy another tensor") {
    Tensor<float> a(2, 3);
    REQUIRE(a);
    CHECK((a.rows() == 2 && a.cols() == 3 && a.size() == 6));
    for (float x : a) CHECK(x == 0.0f);
    a[5] = 1.0f;
    Tensor<float> b = a;
    b[5] = 2.0f;
    CHECK(a[5] == 1.0f);
    matrix_view<float const> const m = a;
    CHECK(m(1, 2) == 1.0f);
    CHECK(m.row(1) == a.view().data() + 3);
    auto const c = std::move(b).reshaped({3, 2});
    CHECK(c.shape() == extents{3, 2});
    CHECK(c[5] == 2.0f);
    Tensor<float> const rank3(extents{2, 3, 4}), same({2, 3, 4}), two({96, 128}), one({a.size()});
    CHECK((rank3.rows() == 6 && rank3.cols() == 4));
    CHECK(same.shape() == rank3.shape());
    CHECK(two.shape() == extents{96, 128});
    CHECK(one.shape() == extents{6});
}

TEST_CASE("a tensor without memory, or of too many elements, is empty or an error") {
    no_memory none;
    Tensor<float> const a(2, 3, &none);
    CHECK_FALSE(a);
    CHECK(a.size() == 0);
    CHECK(a.view().size() == 0);
    auto const b = Tensor<float>::make({2, 3}, &none);
    REQUIRE_FALSE(b);
    CHECK(b.error().code() == errc::out_of_memory);
    auto const c = Tensor<float>::make({huge, huge});
    REQUIRE_FALSE(c);
    CHECK(c.error().code() == errc::out_of_memory);
    // As bytes this fits std::size_t, barely; libstdc++'s aligned operator new would round it up to 0.
    CHECK_FALSE(Tensor<float>::make({huge / 2}));
}

TEST_CASE("a tensor without elements is no tensor without memory") {
    auto const t = Tensor<float>::make({0, 3});
    REQUIRE(t);
    CHECK(*t);
    CHECK(t->size() == 0);
    CHECK_FALSE(Tensor<float>{});
}

TEST_CASE("a borrowed tensor sees what its lender writes") {
    float values[4] = {1, 2, 3, 4};
    auto const t = Tensor<float>::borrow(tensor_view<float const>(values, {2, 2}));
    values[3] = 5;
    CHECK(t[3] == 5.0f);
    CHECK(t.data() == values);
}

TEST_CASE("any_tensor reads and writes each float type at any alignment") {
    alignas(4) std::byte bytes[17];
    for (dtype const type : {dtype::f32, dtype::f16, dtype::bf16})
        for (std::size_t offset : {0u, 1u}) {
            float const values[3] = {1.0f / 3, -2.5f, 1e-6f};
            for (std::size_t i = 0; i != 3; ++i) any_tensor::store(type, bytes + offset, i, values[i]);
            any_tensor const t(type, {3}, storage::borrow(bytes + offset, 3 * size_of(type)));
            for (std::size_t i = 0; i != 3; ++i) CHECK(t[i] == stored_as(values[i], type));
        }
}

TEST_CASE("any_tensor of a tensor shares nothing with it and has its type and shape") {
    Tensor<bfloat16> a(extents{2, 2});
    a[0] = bfloat16(3.0f);
    any_tensor const b = a;
    CHECK(b.type() == dtype::bf16);
    CHECK(b.shape() == a.shape());
    a[0] = bfloat16(4.0f);
    CHECK(b[0] == 3.0f);
}

TEST_CASE("a view that becomes const keeps its elements") {
    float values[] = {1, 2, 3, 4, 5, 6};
    tensor_view<float const> const v = tensor_view<float>(values, {2, 3});
    CHECK(v.size() == 6);
    CHECK(v.end() - v.begin() == 6);
    matrix_view<float const> const m = v;
    CHECK(m.rows == 2);
    CHECK(m.cols == 3);
}
