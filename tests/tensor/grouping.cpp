#include <quanto/tensor/grouping.hpp>

#include <string>
#include <vector>

#include "catch.hpp"

using namespace quanto;

namespace {

extents const shapes[] = {{1, 1}, {1, 32}, {32, 1}, {6, 8}, {5, 12}, {12, 5}, {3, 2, 3, 3}, {4, 6, 2}, {7}, {2, 9}};
std::size_t const sizes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 18, 32, 100};
char const* const names[] = {"none", "first", "last"};

void check(extents const& shape, axis a, std::size_t size) {
    std::string text;
    for (auto n : shape) text += std::to_string(n) + " ";
    INFO("shape " << text << "axis " << names[static_cast<int>(a)] << " group " << size);
    grouping const layout(shape, a, group{size});
    std::size_t const n = shape.numel();

    // The formulas of the first comment, and of Python quanto's files.
    std::size_t const lines = a == axis::first ? shape.front() : a == axis::last ? shape.back() : 1, length = n / lines;
    std::size_t const g = size == 0 || size >= length ? length : size, per_line = (length + g - 1) / g;
    bool const cut = g != length && length % g == 0;
    CHECK(layout.lines() == lines);
    CHECK(layout.length() == length);
    CHECK(layout.group_size() == g);
    CHECK(layout.groups() == lines * per_line);
    CHECK(layout.numel() == n);
    CHECK(layout.is_whole() == (size == 0 || size > length));
    CHECK(layout.is_ragged() == (length % g != 0));
    CHECK(layout.code_rows() * layout.code_cols() == n);
    if (cut) CHECK((a == axis::last ? layout.code_rows() : layout.code_cols()) == g);

    std::vector<int> codes(n), elements(n);
    std::vector<std::size_t> members(layout.groups());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i != n; ++i) {
        auto const at = layout.locate(i);
        REQUIRE(at.code < n);
        REQUIRE(at.group < layout.groups());
        ++codes[at.code], ++members[at.group];
        std::size_t const line = a == axis::last ? i % lines : i / length, k = a == axis::last ? i / lines : i % length;
        std::size_t const group = line * per_line + k / g;
        wrong += at.group != group;
        wrong += at.code != (cut && a == axis::last ? k % g * (lines * per_line) + group : i);
    }
    CHECK(wrong == 0);
    for (int times : codes) wrong += times != 1;
    CHECK(wrong == 0);  // locate is a bijection onto the codes

    // element() is the inverse of the group's numbering, and size_of counts its members.
    for (std::size_t group = 0; group != layout.groups(); ++group) {
        wrong += layout.size_of(group) != members[group] || members[group] == 0;
        for (std::size_t t = 0; t != layout.size_of(group); ++t) {
            std::size_t const i = layout.element(group, t);
            REQUIRE(i < n);
            ++elements[i];
            wrong += layout.locate(i).group != group;
        }
    }
    for (int times : elements) wrong += times != 1;
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("each element has one code and one group, for any shape, axis and group size") {
    for (auto const& shape : shapes)
        for (axis a : {axis::none, axis::first, axis::last})
            for (std::size_t size : sizes) check(shape, a, size);
}

TEST_CASE("scale shapes are those of Python quanto's files") {
    auto shape_of = [](extents const& shape, axis a, group g, int bits) {
        return grouping(shape, a, g).scale_shape(shape, bits);
    };
    CHECK(shape_of({6, 8}, axis::first, whole_axis, 8) == extents{6, 1});
    CHECK(shape_of({6, 8}, axis::last, whole_axis, 8) == extents{1, 8});
    CHECK(shape_of({6, 2, 3, 3}, axis::first, whole_axis, 4) == extents{6, 1, 1, 1});
    CHECK(shape_of({6, 2, 3, 3}, axis::last, whole_axis, 8) == extents{1, 1, 1, 3});
    CHECK(shape_of({6, 8}, axis::first, group{4}, 4) == extents{12, 1});
    CHECK(shape_of({8, 6}, axis::last, group{4}, 2) == extents{1, 12});
    CHECK(shape_of({6, 8}, axis::first, group{5}, 4) == extents{12, 1});
    CHECK(shape_of({6, 8}, axis::none, whole_axis, 8) == extents{});
    // An axis of size 1 is a whole tensor for 8 bits only.
    CHECK(shape_of({1, 8}, axis::first, whole_axis, 8) == extents{});
    CHECK(shape_of({8, 1}, axis::last, whole_axis, 8) == extents{});
    CHECK(shape_of({8, 1}, axis::first, whole_axis, 8) == extents{8, 1});
    CHECK(shape_of({1, 8}, axis::first, whole_axis, 4) == extents{1, 1});
    CHECK(shape_of({1, 8}, axis::first, group{4}, 8) == extents{2, 1});
}

TEST_CASE("a shape without elements has no groups") {
    for (axis a : {axis::none, axis::first, axis::last})
        for (extents const& shape : {extents{0, 4}, extents{4, 0}, extents{0}})
            for (group const g : {whole_axis, group{2}}) {
                grouping const layout(shape, a, g);
                CHECK(layout.numel() == 0);
                CHECK(layout.groups() == 0);
                CHECK(layout.code_rows() * layout.code_cols() == 0);
            }
}
