// The bodies of strided.hpp.
#pragma once

namespace quanto::inline v0::nn {

QUANTO_BODY strided strided::all(extents const& shape) noexcept {
    strided s{shape};
    std::size_t step = 1;
    for (std::size_t d = shape.rank(); d-- != 0; step *= shape[d]) s.strides[d] = step;
    return s;
}

QUANTO_BODY std::optional<strided> strided::broadcast(extents const& from, extents const& to) noexcept {
    strided const s = all(from);
    if (from.rank() > to.rank()) return std::nullopt;
    strided t{to};
    std::size_t const missing = to.rank() - from.rank();
    for (std::size_t d = 0; d != from.rank(); ++d) {
        if (from[d] != to[missing + d] && from[d] != 1) return std::nullopt;
        t.strides[missing + d] = from[d] == 1 ? 0 : s.strides[d];
    }
    return t;
}

QUANTO_BODY std::optional<strided> strided::rows(std::size_t cols) const noexcept {
    if (shape.rank() == 0 || cols == 0) return std::nullopt;
    std::size_t const last = shape.rank() - 1, n = shape[last];
    strided r{{}, offset / cols};
    if (n > 1 && (strides[last] == 0 || offset % cols + (n - 1) * strides[last] >= cols)) return std::nullopt;
    for (std::size_t d = 0; d != last; ++d) {
        if (shape[d] > 1 && strides[d] % cols != 0) return std::nullopt;
        r.strides[d] = strides[d] / cols;
        r.shape.push_back(shape[d]);
    }
    return r;
}

QUANTO_BODY extents repeated(extents const& a, extents const& b) noexcept {
    extents shape = a.rank() >= b.rank() ? a : b;
    extents const& other = a.rank() >= b.rank() ? b : a;
    for (std::size_t d = 0, first = shape.rank() - other.rank(); d != other.rank(); ++d)
        if (shape[first + d] == 1) shape[first + d] = other[d];
    return shape;
}

QUANTO_BODY result<std::size_t> dimension(std::string_view operation, std::ptrdiff_t d, extents const& shape) {
    auto const rank = static_cast<std::ptrdiff_t>(shape.rank());
    if (d < -rank || d >= rank) {
        error e(errc::shape_mismatch, operation, ": no dimension ", d < 0 ? "-" : "",
                static_cast<std::size_t>(d < 0 ? -d : d), " in shape ");
        return append(e, shape);
    }
    return static_cast<std::size_t>(d < 0 ? d + rank : d);
}

}  // namespace quanto::inline v0::nn
