#include "core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <dlfcn.h>
#endif

namespace longspike {
namespace {

// A second OpenMP runtime beside torch's would fight with its spinning threads for the cores, so the entry point of
// the one already in the process is used, and nothing is linked.
using GompParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

GompParallel find_gomp() {
#if defined(__linux__)
    static const auto entry = reinterpret_cast<GompParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    return entry;
#else
    return nullptr;
#endif
}

struct Work {
    std::atomic<std::int64_t> next{0};
    std::int64_t n;
    const std::function<void(std::int64_t)>* body;
    std::mutex mutex;
    std::exception_ptr failure;  // the first; it must not leave a worker
};

void drain(void* data) {
    auto& work = *static_cast<Work*>(data);
    try {
        for (std::int64_t i; (i = work.next.fetch_add(1, std::memory_order_relaxed)) < work.n;) (*work.body)(i);
    } catch (...) {
        const std::lock_guard lock(work.mutex);
        if (!work.failure) work.failure = std::current_exception();
        work.next.store(work.n, std::memory_order_relaxed);
    }
}

}  // namespace

void parallel_for(std::int64_t n, int threads, const std::function<void(std::int64_t)>& body) {
    threads = static_cast<int>(std::min<std::int64_t>(threads, n));
    if (threads <= 1) {
        for (std::int64_t i = 0; i < n; ++i) body(i);
        return;
    }
    Work work;
    work.n = n;
    work.body = &body;
    if (const auto gomp = find_gomp()) {
        gomp(drain, &work, static_cast<unsigned>(threads), 0);
    } else {
        std::vector<std::thread> workers;
        for (int k = 1; k < threads; ++k) workers.emplace_back(drain, &work);
        drain(&work);
        for (auto& worker : workers) worker.join();
    }
    if (work.failure) std::rethrow_exception(work.failure);
}

const char* thread_pool() { return find_gomp() ? "openmp" : "std::thread"; }

}  // namespace longspike
