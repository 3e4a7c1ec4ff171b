// thread_executor(n) = n threads, the calling one among them, that wait on a condition variable between runs. Needs
// threads (and on some systems -pthread), so quanto.hpp does not include it. Where the system starts fewer, concurrency()
// says how many there are (compiled without exceptions, the program ends).
// Runs of several threads take turns; a task must not run() on the executor that runs it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <quanto/backend/executor.hpp>

namespace quanto::inline v0 {

class thread_executor {
public:
    explicit thread_executor(std::size_t threads = std::thread::hardware_concurrency()) {
#if defined(__cpp_exceptions)
        try {
            start(threads);
        } catch (std::system_error const&) {
        }
#else
        start(threads);
#endif
    }
    thread_executor(thread_executor const&) = delete;
    thread_executor& operator=(thread_executor const&) = delete;
    ~thread_executor() {
        {
            std::lock_guard const lock(mutex_);
            stopping_ = true;
        }
        work_.notify_all();
        for (auto& t : threads_) t.join();
    }

    std::size_t concurrency() const noexcept { return threads_.size() + 1; }

    void run(std::size_t n, function_ref<void(std::size_t)> task) {
        std::lock_guard const turn(turn_);
        std::unique_lock lock(mutex_);
        task_ = &task;
        next_ = 0;
        count_ = unfinished_ = n;
        work_.notify_all();
        take_tasks(lock);
        done_.wait(lock, [this] { return unfinished_ == 0; });
        count_ = 0;
    }

private:
    void start(std::size_t threads) {
        for (std::size_t i = 1; i < threads; ++i) threads_.emplace_back([this] { serve(); });
    }
    // Tasks one by one, with the lock released while one runs.
    void take_tasks(std::unique_lock<std::mutex>& lock) {
        while (next_ < count_) {
            std::size_t const i = next_++;
            auto const task = *task_;
            lock.unlock();
            task(i);
            lock.lock();
            if (--unfinished_ == 0) done_.notify_one();
        }
    }
    void serve() {
        std::unique_lock lock(mutex_);
        while (true) {
            work_.wait(lock, [this] { return stopping_ || next_ < count_; });
            if (stopping_) return;
            take_tasks(lock);
        }
    }

    std::mutex turn_, mutex_;
    std::condition_variable work_, done_;
    function_ref<void(std::size_t)> const* task_ = nullptr;
    std::size_t next_ = 0, count_ = 0, unfinished_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

static_assert(Executor<thread_executor>);

}  // namespace quanto::inline v0
