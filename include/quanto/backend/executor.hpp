// An Executor runs n independent tasks and returns when all are done: a thread pool, or a game engine's job system.
//     e.concurrency()  how many tasks can run at once, >= 1        e.run(n, task)  task(0), ..., task(n - 1), any order
// Neither throws: products are noexcept.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <quanto/core/function_ref.hpp>

namespace quanto::inline v0 {

template <class E>
concept Executor = requires(E& e, std::size_t n, function_ref<void(std::size_t)> task) {
    { e.concurrency() } -> std::convertible_to<std::size_t>;
    e.run(n, task);
};

// The calling thread does everything.
struct inline_executor {
    static constexpr std::size_t concurrency() noexcept { return 1; }
    static void run(std::size_t n, function_ref<void(std::size_t)> task) {
        for (std::size_t i = 0; i != n; ++i) task(i);
    }
};

// Any executor that somebody else owns. Precondition: it outlives the reference.
class executor_ref {
public:
    template <class E>
    requires(!std::is_same_v<std::remove_cv_t<E>, executor_ref> &&
             Executor<E>) constexpr executor_ref(E& executor) noexcept
        : executor_(const_cast<void*>(static_cast<void const*>(&executor))),
          concurrency_([](void* e) { return static_cast<std::size_t>(static_cast<E*>(e)->concurrency()); }),
          run_([](void* e, std::size_t n, function_ref<void(std::size_t)> task) { static_cast<E*>(e)->run(n, task); }) {
    }

    std::size_t concurrency() const { return concurrency_(executor_); }
    void run(std::size_t n, function_ref<void(std::size_t)> task) const { run_(executor_, n, task); }

private:
    void* executor_;
    std::size_t (*concurrency_)(void*);
    void (*run_)(void*, std::size_t, function_ref<void(std::size_t)>);
};

}  // namespace quanto::inline v0
