// Operations that move elements: codes stay codes, of the same scale.
//     view, unflatten, squeeze, unsqueeze     the same elements in the same order
//     transpose, permute, expand, select, slice, split, chunk, unbind, index     a copy of some, in another order
// Where rows have their own scales, these go with them; an operation that takes rows apart gives float.
#pragma once

#include <span>
#include <vector>

#include <quanto/nn/activation.hpp>

namespace quanto::inline v0::nn {

// The same elements, in the same order. Errors: another number of elements.
Activation view(Activation x, extents const& shape);

// Dimension d, of size a * b * .., becomes the dimensions a, b, ..
Activation unflatten(Activation x, std::ptrdiff_t d, extents const& sizes);
// A dimension of size 1 before dimension d (of the result).
Activation unsqueeze(Activation x, std::ptrdiff_t d);
// Without dimension d, which has size 1.
Activation squeeze(Activation x, std::ptrdiff_t d);

// Dimension d of the result is dimension order[d] of x. Errors: an order that is no permutation.
Activation permute(Activation const& x, extents const& order);
Activation transpose(Activation const& x, std::ptrdiff_t a, std::ptrdiff_t b);

// Dimensions of size 1, and missing leading ones, are repeated.
Activation expand(Activation const& x, extents const& shape);

// Indices begin, begin + step, .. before end of dimension d.
Activation slice(Activation const& x, std::ptrdiff_t d, std::size_t begin, std::size_t end, std::size_t step = 1);
// Index i of dimension d, which disappears.
Activation select(Activation const& x, std::ptrdiff_t d, std::size_t i);

// Parts of these sizes along dimension d; they sum up to it. On an error, that one alone.
std::vector<Activation> split(Activation const& x, std::span<std::size_t const> sizes, std::ptrdiff_t d);
// Parts of this size, the last one smaller.
std::vector<Activation> split(Activation const& x, std::size_t size, std::ptrdiff_t d);
// At most n parts of equal size, the last one smaller.
std::vector<Activation> chunk(Activation const& x, std::size_t n, std::ptrdiff_t d);
// All indices of dimension d, each without it.
std::vector<Activation> unbind(Activation const& x, std::ptrdiff_t d);

// Rows of dimension 0, in that order, also repeated. Errors: a row that x does not have.
Activation index(Activation const& x, std::span<std::size_t const> rows);

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/move.inl>
#endif
