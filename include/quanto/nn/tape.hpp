// Tape = what was computed, in order, so that gradients can flow back through it (reverse mode). For y = f(x, w):
//     forward    the operation records how to go back, and y remembers its node
//     backward   from the last node to the first:  dx += (df/dx)^T dy,  dw += (df/dw)^T dy
// A context lends it, so it travels with the data; an operation that finds none has nothing to do. One tape belongs to
// one thread. Sums are added in the order of the nodes, so results are reproducible.
#pragma once

#include <cstddef>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <quanto/core/sort.hpp>
#include <quanto/tensor/tensor.hpp>

namespace quanto::inline v0::nn {

class Tape {
public:
    // Where the gradient of one recorded result is collected.
    struct node {
        Tensor<float> gradient;  // in the shape of the result; empty: none has arrived
        extents shape{};         // of the result; views of it, which share the node, may have others
        node* previous = nullptr;
        result<success> (*backward)(node&, Tape&) = nullptr;  // null: an input, the gradient stays here
        void (*destroy)(node&, memory_ref) noexcept = nullptr;
    };

    // mask_clamped: no gradient passes values that quantizing clamped.
    explicit Tape(memory_ref memory = {}, bool mask_clamped = false) noexcept
        : memory_(memory), mask_clamped_(mask_clamped) {}
    Tape(Tape const&) = delete;
    Tape& operator=(Tape const&) = delete;
    ~Tape() { clear(); }

    bool masks_clamped() const noexcept { return mask_clamped_; }

    // f: result<success>(Tape&, Tensor<float> dy), called once at most. Null where there is no memory.
    template <class F>
    node* record(extents const& shape, F f) {
        struct recorded : node {
            explicit recorded(F&& f) : function(std::move(f)) {}
            std::optional<F> function;  // its saved tensors go as soon as they have served
        };
        void* const p = memory_.allocate(sizeof(recorded), alignof(recorded));
        if (p == nullptr) return nullptr;
        auto* const n = ::new (p) recorded(std::move(f));
        n->backward = [](node& self, Tape& tape) -> result<success> {
            auto& function = static_cast<recorded&>(self).function;
            if (!function) return error(errc::invalid_argument, "a tape runs backward once");
            auto done = (*function)(tape, std::move(self.gradient));
            function.reset();
            self.gradient = {};
            return done;
        };
        n->destroy = [](node& self, memory_ref memory) noexcept {
            auto* const r = static_cast<recorded*>(&self);
            r->~recorded();
            memory.deallocate(r, sizeof(recorded), alignof(recorded));
        };
        return append(n, shape);
    }
    node* record_input(extents const& shape) {
        void* const p = memory_.allocate(sizeof(node), alignof(node));
        if (p == nullptr) return nullptr;
        auto* const n = ::new (p) node;
        n->destroy = [](node& self, memory_ref memory) noexcept {
            self.~node();
            memory.deallocate(&self, sizeof(node), alignof(node));
        };
        return append(n, shape);
    }
    // The node of a result that was not recorded although an operand has a gradient.
    node* no_gradient() noexcept { return &no_gradient_; }

    // The parameter at this address gets a gradient, too. Precondition: it stays there.
    void watch(void const* parameter) {
        if (find(parameter) == nullptr) watched_.insert(place_of(parameter), watched{parameter, {}, {}, {}});
    }
    bool watches(void const* parameter) const noexcept { return gradient(parameter) != nullptr; }
    // What has arrived; null where it is not watched, empty where nothing came.
    Tensor<float> const* gradient(void const* parameter) const noexcept {
        auto const* const at = const_cast<Tape*>(this)->find(parameter);
        return at == nullptr ? nullptr : &at->gradient;
    }

    // The values of the weight at this address that a pass multiplies with, dequantized, as a matrix (rows, rest), and
    // transposed, which is what gradients of its input are multiplied with. Who changes weights may lend them until the
    // next change; without data where nobody does.
    void lend(void const* weight, matrix_view<float const> values, matrix_view<float const> transposed) noexcept {
        auto* const at = find(weight);
        if (at == nullptr) return;
        at->values = values;
        at->transposed = transposed;
    }
    matrix_view<float const> values(void const* weight) noexcept {
        auto const* const at = find(weight);
        return at == nullptr ? matrix_view<float const>() : at->values;
    }
    matrix_view<float const> transposed(void const* weight) noexcept {
        auto* const at = find(weight);
        if (at == nullptr) return {};
        at->reads_transposed = true;
        return at->transposed;
    }
    bool reads_transposed(void const* weight) const noexcept {
        auto const* const at = const_cast<Tape*>(this)->find(weight);
        return at != nullptr && at->reads_transposed;
    }

    // Adds g. A constant (null) or a parameter that nobody watches drops it.
    // Errors: those of making g; unsupported where an operation was not recorded.
    result<success> add(node* to, result<Tensor<float>> g) {
        if (!g) return g.error();
        if (to == &no_gradient_) return error(errc::unsupported, "an operation on the way has no gradient");
        if (to != nullptr) accumulate(to->gradient, std::move(*g).reshaped(to->shape));
        return success{};
    }
    result<success> add_to(void const* parameter, result<Tensor<float>> g) {
        if (!g) return g.error();
        if (auto* const at = find(parameter)) accumulate(at->gradient, std::move(*g));
        return success{};
    }

    // From the result y, whose gradient is dy, back to all inputs and parameters.
    // Errors: the first of an operation.
    result<success> backward(node* y, Tensor<float> dy) {
        if (auto done = add(y, std::move(dy)); !done) return done;
        for (node* n = last_; n != nullptr; n = n->previous)
            if (n->backward != nullptr && n->gradient)
                if (auto done = n->backward(*n, *this); !done) return done;
        return success{};
    }

    // Forgets what was recorded and all gradients; goes on watching.
    void clear() noexcept {
        while (last_ != nullptr) {
            node* const n = std::exchange(last_, last_->previous);
            n->destroy(*n, memory_);
        }
        for (auto& w : watched_) w.gradient = {};
    }

private:
    struct watched {
        void const* parameter;
        Tensor<float> gradient;
        matrix_view<float const> values, transposed;
        bool reads_transposed = false;
    };

    node* append(node* n, extents const& shape) noexcept {
        n->shape = shape;
        n->previous = last_;
        return last_ = n;
    }
    // Null where it is not watched.
    watched* find(void const* parameter) noexcept {
        auto const at = place_of(parameter);
        return at == watched_.end() || at->parameter != parameter ? nullptr : &*at;
    }
    std::vector<watched>::iterator place_of(void const* parameter) noexcept {
        auto const before = [&](watched const& w) { return w.parameter < parameter; };
        return watched_.begin() + static_cast<std::ptrdiff_t>(position(watched_.data(), watched_.size(), before));
    }
    static void accumulate(Tensor<float>& sum, Tensor<float> g) noexcept {
        if (!sum) {
            sum = std::move(g);
            return;
        }
        QUANTO_ASSERT(sum.size() == g.size(), "Tape: gradients of two sizes");
        float* const s = sum.data();
        float const* const v = std::as_const(g).data();
        for (std::size_t i = 0; i != sum.size(); ++i) s[i] += v[i];
    }

    memory_ref memory_;
    bool mask_clamped_;
    node* last_ = nullptr;
    node no_gradient_;
    std::vector<watched> watched_;  // by address
};

}  // namespace quanto::inline v0::nn
