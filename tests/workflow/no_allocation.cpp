// A frozen forward pass neither allocates, nor takes a lock, nor calls the system once it is warm. The functions of this
// program that allocate or lock count; for the system, a child process in which the kernel permits nothing but to leave
// runs the pass.
#include <quanto/backend/thread_executor.hpp>
#include <quanto/quanto.hpp>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "memory.hpp"
#include "small_model.hpp"

#if defined(__linux__)
#include <dlfcn.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#endif

#include "catch.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUANTO_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUANTO_TEST_SANITIZED
#endif

#if defined(__GLIBC__) && !defined(QUANTO_TEST_SANITIZED)
#define QUANTO_TEST_COUNTS
namespace {
std::size_t allocations = 0;  // these tests have one thread
}
// operator new comes here, too.
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;

void* malloc(std::size_t n) noexcept { return ++allocations, __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) noexcept { return ++allocations, __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) noexcept { return ++allocations, __libc_realloc(p, n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
    return ++allocations, __libc_memalign(alignment, n);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t n) noexcept {
    *p = aligned_alloc(alignment, n);
    return *p == nullptr ? 12 : 0;
}
}

// What takes a lock, also for std::mutex and std::shared_mutex: counted, and done by the function that is hidden here.
namespace {
std::atomic<std::size_t> locks{0};
template <class Lock>
int counted(char const* function, Lock* lock) {
    ++locks;
    return reinterpret_cast<int (*)(Lock*)>(::dlsym(RTLD_NEXT, function))(lock);
}
}  // namespace
extern "C" {
int pthread_mutex_lock(pthread_mutex_t* l) noexcept { return counted(__func__, l); }
int pthread_mutex_trylock(pthread_mutex_t* l) noexcept { return counted(__func__, l); }
int pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept { return counted(__func__, l); }
int pthread_rwlock_tryrdlock(pthread_rwlock_t* l) noexcept { return counted(__func__, l); }
int pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept { return counted(__func__, l); }
int pthread_rwlock_trywrlock(pthread_rwlock_t* l) noexcept { return counted(__func__, l); }
int pthread_spin_lock(pthread_spinlock_t* l) noexcept { return counted(__func__, l); }
int pthread_spin_trylock(pthread_spinlock_t* l) noexcept { return counted(__func__, l); }
}
#endif

namespace {
using namespace small;

struct Case {
    any_qtype weights;
    std::optional<any_qtype> activations;
    product_accuracy accuracy;
    bool prepared;
};
// f(case, frozen model, what it computes in a pooled context)
template <class F>
void for_each_case(F&& f) {
    reference_backend const reference;
    auto const x = values({4, 160}, 9);
    any_qtype::for_each([&](auto weights) {
        for (std::optional<any_qtype> activations :
             {std::optional<any_qtype>(), std::optional<any_qtype>(qint8{}), std::optional<any_qtype>(qfloat8{})})
            for (auto accuracy : {product_accuracy::exact, product_accuracy::dynamic_int8})
                for (bool prepared : {true, false}) {
                    auto m = Model::with_values();
                    prepare_options options;
                    if (!prepared) options.backend = reference;
                    REQUIRE(quantize(m, {.weights = weights, .activations = activations, .prepare = options}));
                    if (activations) {
                        Calibration calibrate{m};
                        m(x);
                    }
                    REQUIRE(freeze(m, options));
                    counted_memory upstream;
                    cpu_backend const cpu;
                    pool_memory pool(&upstream);
                    nn::context const here{.backend = cpu, .memory = &pool, .accuracy = accuracy};
                    INFO(any_qtype(weights).name()
                         << " activations " << (activations ? activations->name() : "none") << " prepared " << prepared
                         << " dynamic " << (accuracy != product_accuracy::exact));
                    f(upstream, [&] {
                        auto const y = m(nn::Activation(Tensor<float>::borrow(x.view()), here));
                        return static_cast<bool>(y);
                    });
                }
    });
}
}  // namespace

#if defined(QUANTO_TEST_COUNTS)
TEST_CASE("the allocation functions of this program count") {
    std::size_t const before = allocations;
    Tensor<float> const x(2, 3);
    std::string const s(100, 'x');
    CHECK(allocations - before == 2);
}

TEST_CASE("the locks that this program takes count") {
    std::mutex m;
    std::shared_mutex s;
    thread_executor pool(2);
    std::size_t before = locks;
    { std::lock_guard const guard(m); }
    CHECK(locks - before == 1);
    { std::unique_lock const guard(m, std::try_to_lock); }
    CHECK(locks - before == 2);
    { std::shared_lock const guard(s); }
    CHECK(locks - before == 3);
    { std::lock_guard const guard(s); }
    CHECK(locks - before == 4);
    before = locks;
    pool.run(2, [](std::size_t) {});
    CHECK(locks > before);
}
#endif

TEST_CASE("a warm forward pass takes no memory from upstream, no lock, and calls no allocation function") {
    for_each_case([](counted_memory& upstream, auto const& forward) {
        REQUIRE(forward());
        std::size_t const warm = upstream.calls;
        CHECK(warm > 0);
#if defined(QUANTO_TEST_COUNTS)
        std::size_t const before = allocations, unlocked = locks;
        bool const ok = forward();
        std::size_t const after = allocations, taken = locks - unlocked;
        CHECK(after == before);
        CHECK(taken == 0);
        CHECK(ok);
#else
        CHECK(forward());
#endif
        CHECK(upstream.calls == warm);
    });
}

#if defined(QUANTO_TEST_COUNTS)
namespace {
// The status of a process that runs f and may call nothing of the system but to leave.
template <class F>
int alone(F const& f) {
    pid_t const child = ::fork();
    if (child == 0) {
        // From here on read, write, exit and sigreturn; anything else kills this process.
        if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) ::_exit(2);
        ::syscall(SYS_exit, f() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}
}  // namespace

TEST_CASE("a warm forward pass makes no system call") {
    if (alone([] { return true; }) != 0) QUANTO_SKIP("this kernel does not confine a process (seccomp)");
    REQUIRE(alone([] { return ::getppid() != 0; }) == SIGKILL);
    for_each_case([](counted_memory&, auto const& forward) {
        REQUIRE(forward());
        CHECK(alone(forward) == 0);
    });
}
#endif
