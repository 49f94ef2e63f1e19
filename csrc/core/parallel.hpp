// Threads for a loop of independent items, shared with the host program's OpenMP pool where there is one.
#pragma once
#include <cstdint>
#include <functional>

namespace longspike {

// Calls body(i) once for every i in [0, n), from at most `threads` threads, in no fixed order.
void parallel_for(std::int64_t n, int threads, const std::function<void(std::int64_t)>& body);

// "openmp" when torch's own pool is used, else "std::thread".
const char* thread_pool();

}  // namespace longspike
