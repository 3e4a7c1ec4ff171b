#include <quanto/workflow/pattern.hpp>

#include "catch.hpp"

using quanto::matches;

TEST_CASE("patterns match whole names as Python's fnmatch does") {
    CHECK(matches("model.layers.0.mlp", "*"));
    CHECK(matches("", "*"));
    CHECK(matches("", ""));
    CHECK_FALSE(matches("a", ""));
    CHECK_FALSE(matches("", "?"));
    CHECK(matches("model.layers.0.mlp", "model.*.mlp"));
    CHECK_FALSE(matches("model.layers", "model"));
    CHECK_FALSE(matches("model", "model.layers"));
    CHECK(matches("fc1", "fc?"));
    CHECK_FALSE(matches("fc12", "fc?"));
    CHECK(matches("fc1", "fc[0-3]"));
    CHECK_FALSE(matches("fc1", "fc[!0-3]"));
    CHECK(matches("fc7", "fc[!0-3]"));
    CHECK(matches("a]b", "a[]]b"));
    CHECK(matches("a-b", "a[x-]b"));
    CHECK(matches("fc[1", "fc[1"));
    CHECK(matches("aXbXc", "*X?"));
    CHECK_FALSE(matches("FC1", "fc1"));
    CHECK(matches("abcabc", "*abc"));
    CHECK(matches("fc1", "f*[1]"));
    CHECK_FALSE(matches("fc2", "f*[1]"));
}
