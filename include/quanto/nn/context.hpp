// context = who computes and where results live. It travels with the data: an Activation points to one and hands it to
// what is computed from it, so modules stay plain structs and one model serves many threads, each with its own context.
// An activation without one uses context{}: the best kernels of this processor, the calling thread, and the global heap.
// With a pool of one's own a forward pass allocates nothing after the first:
//     cpu_backend const cpu;
//     pool_memory pool;
//     nn::context const here{cpu, &pool};
//     auto y = model(nn::Activation(Tensor<float>::borrow(x), here));    // borrow: x is not copied
// With a tape, operations record themselves on it, so that gradients can flow back; without one they cost nothing more.
#pragma once

#include <quanto/backend/backend_ref.hpp>
#include <quanto/backend/cpu_backend.hpp>
#include <quanto/core/memory.hpp>

namespace quanto::inline v0::nn {

class Tape;  // tape.hpp

namespace detail {
// Constant: it looks at the processor and at QUANTO_ISA once, which costs as much as a small product.
inline cpu_backend const& default_backend() noexcept {
    static cpu_backend const backend;
    return backend;
}
}  // namespace detail

// Precondition: the backend, the memory resource and the tape outlive the context, the context all that is computed in
// it.
struct context {
    backend_ref backend = detail::default_backend();
    memory_ref memory{};
    Tape* tape = nullptr;
    // dynamic_int8: products of float activations with prepared weights may round the activations to int8, row by row:
    // faster, and approximate. A choice of whoever runs the model; nothing of it is in the model or its file.
    product_accuracy accuracy = product_accuracy::exact;
};

}  // namespace quanto::inline v0::nn
