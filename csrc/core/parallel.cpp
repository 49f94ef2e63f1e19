#include "core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/interrupts.hpp"

#if defined(__linux__)
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace longspike {
namespace {

// A second OpenMP runtime beside torch's would fight with its spinning threads for the cores, so the entry point of
// the one already in the process is used, and nothing is linked.
using GompParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

#if defined(__linux__) && !defined(__SANITIZE_THREAD__)  // ThreadSanitizer does not see OpenMP's barriers
template <class Entry> Entry find(const char* name) { return reinterpret_cast<Entry>(dlsym(RTLD_DEFAULT, name)); }

// OpenMP's threads do not come along when a process forks, and the child would wait for them for ever. So the thread that
// forks ends its own pool before, and both processes start one at their next loop, PyTorch's loops included. Where the runtime
// cannot do that, or the fork comes out of a parallel loop, the child uses threads of its own.
bool is_pool_lost = false;
thread_local bool has_ended_pool = false;

void before_fork() {
    static const auto pause = find<int (*)(int)>("omp_pause_resource_all");
    constexpr int kHard = 2;
    has_ended_pool = pause && pause(kHard) == 0;
}
void in_child() { is_pool_lost = is_pool_lost || !has_ended_pool; }

[[maybe_unused]] const int watches_forks = pthread_atfork(before_fork, nullptr, in_child);

GompParallel find_gomp() {
    static const auto entry = find<GompParallel>("GOMP_parallel");
    return is_pool_lost ? nullptr : entry;
}
#else
GompParallel find_gomp() { return nullptr; }
#endif

struct Work {
    std::atomic<std::int64_t> next{0};
    std::int64_t n;
    const std::function<void(std::int64_t)>* body;
    std::mutex mutex;
    std::exception_ptr failure;  // the first; it must not leave a worker
    std::atomic<bool> is_over{false};
};

void drain(void* data) {
    auto& work = *static_cast<Work*>(data);
    const EndsWith failure(&work.is_over);
    try {
        std::int64_t done = 0;
        for (std::int64_t i; (i = work.next.fetch_add(1, std::memory_order_relaxed)) < work.n; ++done) poll(done), (*work.body)(i);
    } catch (...) {
        const std::lock_guard lock(work.mutex);
        if (!work.failure) work.failure = std::current_exception();
        work.next.store(work.n, std::memory_order_relaxed);
        work.is_over.store(true, std::memory_order_relaxed);
    }
}

}  // namespace

void parallel_for(std::int64_t n, int threads, const std::function<void(std::int64_t)>& body) {
    threads = static_cast<int>(std::min<std::int64_t>({threads, n, kMostThreads}));
    if (threads <= 1) {
        for (std::int64_t i = 0; i < n; ++i) poll(i), body(i);
        return;
    }
    Work work;
    work.n = n;
    work.body = &body;
    if (const auto gomp = find_gomp()) {
        gomp(drain, &work, static_cast<unsigned>(threads), 0);
    } else {
        std::vector<std::thread> workers;
        try {
            for (int k = 1; k < threads; ++k) workers.emplace_back(drain, &work);
        } catch (const std::system_error&) {  // as many as the system gives
        }
        drain(&work);
        for (auto& worker : workers) worker.join();
    }
    if (work.failure) std::rethrow_exception(work.failure);
}

const char* thread_pool() { return find_gomp() ? "openmp" : "std::thread"; }

}  // namespace longspike
