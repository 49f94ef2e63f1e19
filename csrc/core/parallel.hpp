// Threads for a loop of independent items, shared with the host program's OpenMP pool where there is one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>

namespace longspike {

// Calls body(i) once for every i in [0, n), from at most `threads` threads, in no fixed order.
void parallel_for(std::int64_t n, int threads, const std::function<void(std::int64_t)>& body);

// Calls body(first, last) for the pieces of [0, n), `piece` items each, the last one what is left.
template <class Body> void for_pieces(std::int64_t n, std::int64_t piece, int threads, const Body& body) {
    parallel_for((n + piece - 1) / piece, threads, [&](std::int64_t k) { body(k * piece, std::min(n, (k + 1) * piece)); });
}

// "openmp" when torch's own pool is used, else "std::thread".
const char* thread_pool();

}  // namespace longspike
