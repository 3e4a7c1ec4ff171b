// The bodies of join.hpp.
#pragma once

#include <cstring>
#include <utility>

#include <quanto/nn/move.hpp>

namespace quanto::inline v0::nn {

namespace detail {
// Which of the codes' forms the parts allow, all of them together.
inline operation_choice explain_all(operation const& o, std::span<Activation const> parts) noexcept {
    operation_choice choice = explain(o, {&parts.front()});
    for (auto const& part : parts)
        if (auto const next = explain(o, {&parts.front(), &part}); !next) choice = next;
    return choice;
}

inline Activation joined(operation const& o, std::span<Activation const> parts, std::size_t d) {
    Activation const& first = parts.front();
    extents shape = first.shape();
    Activation const* lead = &first;
    shape[d] = 0;
    for (auto const& part : parts) {
        lead = &leading(*lead, part);
        bool fits = part.shape().rank() == shape.rank();
        for (std::size_t i = 0; fits && i != shape.rank(); ++i) fits = i == d || part.shape()[i] == shape[i];
        if (!fits) {
            error e = append(error(errc::shape_mismatch, o.name, ": "), part.shape());
            return append(e.append(" beside "), first.shape());
        }
        shape[d] += part.shape()[d];
    }
    // `outer` times a run of every part.
    std::size_t outer = 1, inner = 1;
    for (std::size_t i = 0; i != d; ++i) outer *= shape[i];
    for (std::size_t i = d + 1; i < shape.rank(); ++i) inner *= shape[i];
    auto const fill = [&](auto const& elements_of, auto* out) {
        for (std::size_t i = 0; i != outer; ++i)
            for (std::size_t p = 0; p != parts.size(); ++p) {
                std::size_t const run = parts[p].shape()[d] * inner;
                if (run != 0) std::memcpy(out, elements_of(p) + i * run, run * sizeof *out);
                out += run;
            }
    };
    auto const memory = lead->where().memory;
    std::optional<Activation> y;
    if (explain_all(o, parts)) {
        auto codes = Tensor<std::uint8_t>::make_for_overwrite(shape, memory);
        if (!codes) return codes.error().within(o.name);
        fill([&](std::size_t p) { return parts[p].codes().data(); }, codes->data());
        y.emplace(*first.type(), std::move(*codes), first.scale(), lead->where_pointer());
        bool one_source = true;
        for (auto const& part : parts) one_source = one_source && part.source() == first.source();
        if (one_source)
            y = std::move(*y).from(first.source());
        else
            for (auto const& part : parts) part.source().read_by();
    } else {
        auto values = Tensor<float>::make_for_overwrite(shape, memory);
        if (!values) return values.error().within(o.name);
        std::vector<Tensor<float>> floats;
        for (auto const& part : parts) {
            auto one = part.floats();
            if (!one) return one.error().within(o.name);
            floats.push_back(std::move(*one));
        }
        fill([&](std::size_t p) { return std::as_const(floats[p]).data(); }, values->data());
        y = Activation(std::move(*values)).in(lead->where_pointer());
    }
    struct target {
        Tape::node* node;
        extents shape;
    };
    std::vector<target> targets;
    bool wanted = false;
    for (auto const& part : parts) {
        targets.push_back({part.node(), part.shape()});
        wanted = wanted || part.node() != nullptr;
    }
    if (!wanted) return std::move(*y);
    return recorded(
        std::move(*y), [targets = std::move(targets), d, outer, inner, memory](Tape& tape, Tensor<float> const& dy) {
            std::size_t begin = 0, line = 0;
            for (auto const& t : targets) line += t.shape[d] * inner;
            for (auto const& t : targets) {
                std::size_t const run = t.shape[d] * inner;
                auto dx = Tensor<float>::make_for_overwrite(t.shape, memory);
                if (dx && run != 0)
                    for (std::size_t i = 0; i != outer; ++i)
                        std::memcpy(dx->data() + i * run, dy.data() + i * line + begin, run * sizeof(float));
                begin += run;
                if (auto done = tape.add(t.node, std::move(dx)); !done) return done;
            }
            return result<success>(success{});
        });
}

inline std::optional<error> first_error(std::string_view operation, std::span<Activation const> parts) {
    for (auto const& part : parts)
        if (!part) return part.error();
    if (parts.empty()) return error(errc::invalid_argument, operation, ": of nothing");
    return std::nullopt;
}

}  // namespace detail

QUANTO_BODY Activation cat(std::span<Activation const> parts, std::ptrdiff_t d) {
    if (auto const e = detail::first_error("cat", parts)) return *e;
    auto const at = dimension("cat", d, parts.front().shape());
    if (!at) return at.error();
    return detail::joined(operations::cat, parts, *at);
}

QUANTO_BODY Activation cat(std::initializer_list<Activation> parts, std::ptrdiff_t d) {
    return cat(std::span(parts.begin(), parts.size()), d);
}

QUANTO_BODY Activation stack(std::span<Activation const> parts, std::ptrdiff_t d) {
    if (auto const e = detail::first_error("stack", parts)) return *e;
    std::vector<Activation> rows;
    for (auto const& part : parts) {
        rows.push_back(unsqueeze(part, d));
        if (!rows.back()) return rows.back();
    }
    auto const at = dimension("stack", d, rows.front().shape());
    if (!at) return at.error();
    return detail::joined(operations::stack, rows, *at);
}

QUANTO_BODY Activation stack(std::initializer_list<Activation> parts, std::ptrdiff_t d) {
    return stack(std::span(parts.begin(), parts.size()), d);
}

}  // namespace quanto::inline v0::nn
