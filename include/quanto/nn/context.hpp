// context = who computes and where results live. It travels with the data: an Activation points to one and hands it to
// what is computed from it, so modules stay plain structs and one model serves many threads, each with its own context.
// An activation without one uses context{}: a cpu_backend constructed for each product, the calling thread, and the
// global heap. A context of one's own saves that, and with a pool a forward pass allocates nothing after the first:
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

// Precondition: the backend, the memory resource and the tape outlive the context, the context all that is computed in
// it.
struct context {
    backend_ref backend = backend_ref::fresh<cpu_backend>();
    memory_ref memory{};
    Tape* tape = nullptr;
    // dynamic_int8: products of float activations with prepared weights may round the activations to int8, row by row:
    // faster, and approximate. A choice of whoever runs the model; nothing of it is in the model or its file.
    product_accuracy accuracy = product_accuracy::exact;
};

}  // namespace quanto::inline v0::nn
