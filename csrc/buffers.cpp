#include "buffers.hpp"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace longspike {
namespace {

constexpr std::size_t kHugePage = std::size_t(1) << 21;

struct Pool {
    std::mutex mutex;
    std::multimap<std::size_t, void*> free;  // by size
    std::size_t held = 0, limit = std::size_t(1) << 30;
};

Pool& pool() {
    static auto* const the_pool = new Pool;  // never destroyed: tensors may outlive static objects
    return *the_pool;
}

void drop_above_limit(Pool& p) {
    while (p.held > p.limit && !p.free.empty()) {
        const auto largest = std::prev(p.free.end());
        p.held -= largest->first;
        std::free(largest->second);
        p.free.erase(largest);
    }
}

}  // namespace

void* take_buffer(std::size_t bytes) {
    bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    {
        auto& p = pool();
        const std::lock_guard lock(p.mutex);
        const auto found = p.free.find(bytes);  // same size only: a training loop asks for the same sizes again
        if (found != p.free.end()) {
            void* buffer = found->second;
            p.free.erase(found);
            p.held -= bytes;
            return buffer;
        }
    }
    void* buffer = std::aligned_alloc(kHugePage, bytes);
    if (!buffer) throw std::bad_alloc();
#if defined(__linux__)
    madvise(buffer, bytes, MADV_HUGEPAGE);
#endif
    return buffer;
}

void give_buffer(void* buffer, std::size_t bytes) {
    bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    auto& p = pool();
    const std::lock_guard lock(p.mutex);
    p.free.emplace(bytes, buffer);
    p.held += bytes;
    drop_above_limit(p);
}

std::size_t pooled_bytes() {
    auto& p = pool();
    const std::lock_guard lock(p.mutex);
    return p.held;
}

void set_pool_limit(std::size_t bytes) {
    auto& p = pool();
    const std::lock_guard lock(p.mutex);
    p.limit = bytes;
    drop_above_limit(p);
}

}  // namespace longspike
