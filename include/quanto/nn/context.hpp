// context = who computes and where results live. It travels with the data: an Activation points to one and hands it to
// what is computed from it, so modules stay plain structs and one model serves many threads, each with its own context.
// An activation without one uses the default: cpu_backend with the inline executor, and the global heap.
#pragma once

#include <quanto/backend/backend_ref.hpp>
#include <quanto/backend/cpu_backend.hpp>
#include <quanto/core/memory.hpp>

namespace quanto::inline v0::nn {

// Precondition: the backend and the memory resource outlive the context, the context all that is computed in it.
struct context {
    backend_ref backend;
    memory_ref memory{};
};

namespace detail {
inline constexpr cpu_backend default_backend{};
}
inline context default_context() noexcept { return {backend_ref(detail::default_backend), {}}; }

}  // namespace quanto::inline v0::nn
