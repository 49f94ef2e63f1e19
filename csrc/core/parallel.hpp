// Threads for a loop of independent items, shared with the host program's OpenMP pool where there is one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/interrupts.hpp"

namespace longspike {

constexpr std::int64_t kMostThreads = 1024;

// Calls body(i) once for every i in [0, n), from at most `threads` threads (and kMostThreads), in no fixed order. Polls between
// the items; a long one polls within itself.
void parallel_for(std::int64_t n, int threads, const std::function<void(std::int64_t)>& body);

// Calls body(first, last) for the pieces of [0, n), `piece` items each, the last one what is left.
template <class Body> void for_pieces(std::int64_t n, std::int64_t piece, int threads, const Body& body) {
    parallel_for((n + piece - 1) / piece, threads, [&](std::int64_t k) { body(k * piece, std::min(n, (k + 1) * piece)); });
}

// What a thread works with and hands on: its memory, touched and in the caches, serves item after item.
template <class Worker> class Workers {
public:
    // Calls use(worker) with one that is free, or with a new one from make(), a unique_ptr.
    template <class Make, class Use> void with(const Make& make, const Use& use) {
        std::unique_ptr<Worker> worker = take();
        if (!worker) worker = make();
        use(*worker);
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(worker));
    }

private:
    std::unique_ptr<Worker> take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) return nullptr;
        std::unique_ptr<Worker> worker = std::move(free_.back());
        free_.pop_back();
        return worker;
    }
    std::mutex mutex_;
    std::vector<std::unique_ptr<Worker>> free_;
};

// "openmp" when torch's own pool is used, else "std::thread".
const char* thread_pool();

}  // namespace longspike
