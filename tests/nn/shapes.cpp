#include <quanto/quanto.hpp>

#include <string>

#include "catch.hpp"

namespace {
using namespace quanto;

Tensor<float> zeros(extents const& shape) { return Tensor<float>(shape); }
any_tensor vector(std::size_t n) { return any_tensor(zeros({n})); }

std::string problem(nn::Activation const& y) {
    if (y) return "none";
    CHECK(y.error().code() == errc::shape_mismatch);
    return y.error().c_str();
}
}  // namespace

TEST_CASE("every module names itself and the shape that does not fit") {
    nn::Linear const linear(any_tensor(zeros({4, 6})));
    CHECK(problem(linear(zeros({2, 5}))) == "Linear (6 to 4): the input has shape (2, 5)");
    CHECK(problem(linear(zeros({}))) == "Linear (6 to 4): the input has shape ()");

    nn::Conv2d const conv(any_tensor(zeros({4, 3, 3, 3})));
    CHECK(problem(conv(zeros({1, 2, 8, 8}))) == "Conv2d (3 to 4): the input has shape (1, 2, 8, 8)");
    CHECK(problem(conv(zeros({8, 8}))) == "Conv2d (3 to 4): the input has shape (8, 8)");
    CHECK(problem(conv(zeros({1, 3, 2, 8}))) ==
          "Conv2d: a window of 3 x 3 (stride 1 x 1, padding 0 x 0, dilation 1 x 1) does not fit a picture of 2 x 8");
    nn::Conv1d const line(any_tensor(zeros({4, 3, 3})));
    CHECK(problem(line(zeros({1, 2, 8}))) == "Conv1d (3 to 4): the input has shape (1, 2, 8)");
    CHECK(problem(line(zeros({3, 2}))) ==
          "Conv1d: a window of 1 x 3 (stride 1 x 1, padding 0 x 0, dilation 1 x 1) does not fit a picture of 1 x 2");

    nn::LayerNorm const norm(vector(6), vector(6));
    CHECK(problem(norm(zeros({2, 5}))) == "LayerNorm (6): the input has shape (2, 5)");
    CHECK(problem(norm(zeros({}))) == "LayerNorm (6): the input has shape ()");
    nn::RMSNorm const rms(vector(6));
    CHECK(problem(rms(zeros({7}))) == "RMSNorm (6): the input has shape (7)");
    nn::BatchNorm batch(3);
    REQUIRE(initialize(batch));
    CHECK(problem(batch(zeros({2, 4}))) == "BatchNorm (3): the input has shape (2, 4)");
    CHECK(problem(batch(zeros({3}))) == "BatchNorm (3): the input has shape (3)");

    nn::MultiHeadAttention attention(8, 2);
    REQUIRE(initialize(attention));
    CHECK(problem(attention(zeros({5, 7}))) == "MultiHeadAttention: Linear (8 to 8): the input has shape (5, 7)");
    CHECK(problem(attention(zeros({8}))) == "MultiHeadAttention (2 heads): the input has shape (8)");
    CHECK(problem(nn::Add{}(zeros({2, 3}), zeros({2, 4}))) == "add: shapes (2, 3) and (2, 4)");
    CHECK(problem(nn::matmul(zeros({2, 3}), zeros({4, 5}))) == "matmul: (2, 3) times (4, 5)");

    CHECK(problem(nn::max_pool2d(zeros({4}), 2)) == "max_pool2d: the input has shape (4)");
    CHECK(
        problem(nn::max_pool2d(zeros({1, 1, 1, 4}), 2)) ==
        "max_pool2d: a window of 2 x 2 (stride 2 x 2, padding 0 x 0, dilation 1 x 1) does not fit a picture of 1 x 4");
    CHECK(problem(nn::avg_pool2d(zeros({4}), 2)) == "avg_pool2d: the input has shape (4)");
    CHECK(problem(nn::adaptive_avg_pool2d(zeros({4}), 2)) == "adaptive_avg_pool2d: the input has shape (4)");
}

TEST_CASE("an operation on an error is that error, whatever the module") {
    nn::Activation const first = error(errc::io, "first");
    nn::Linear const linear(any_tensor(zeros({4, 6})));
    nn::Conv2d const conv(any_tensor(zeros({4, 3, 3, 3})));
    nn::LayerNorm const norm(vector(6), vector(6));
    for (auto const& y : {linear(first), conv(first), norm(first), nn::relu(first), nn::softmax(first),
                          nn::flatten(first), nn::max_pool2d(first, 2), nn::Add{}(first, first),
                          nn::matmul(first, zeros({2, 2})), nn::matmul(zeros({2, 2}), first)}) {
        REQUIRE_FALSE(y);
        CHECK(y.error().message() == "first");
    }
}
