#include "core/buffers.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace longspike {
namespace {

constexpr std::size_t kHugePage = std::size_t(1) << 21;

// A quarter of the machine's memory: a training step of a deep model has as much in use at once, and all of it waits here
// between two steps.
std::size_t default_limit() {
    const std::size_t smallest = std::size_t(1) << 30;
#if defined(__linux__)
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
    if (pages > 0 && size > 0) return std::max(smallest, std::size_t(pages) * std::size_t(size) / 4);
#endif
    return smallest;
}

struct Pool {
    std::mutex mutex;
    std::multimap<std::size_t, void*> free;  // by size
    std::size_t held = 0, limit = default_limit();
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

Buffer take_buffer(std::size_t bytes) {
    bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    {
        auto& p = pool();
        const std::lock_guard lock(p.mutex);
        const auto found = p.free.lower_bound(bytes);  // a little more will do: lengths differ from batch to batch
        if (found != p.free.end() && found->first <= bytes + bytes / 4) {
            const Buffer buffer{found->second, found->first};
            p.free.erase(found);
            p.held -= buffer.bytes;
            return buffer;
        }
    }
    void* data = std::aligned_alloc(kHugePage, bytes);
    if (!data) throw std::bad_alloc();
#if defined(__linux__)
    madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return {data, bytes};
}

void give_buffer(Buffer buffer) {
    auto& p = pool();
    const std::lock_guard lock(p.mutex);
    p.free.emplace(buffer.bytes, buffer.data);
    p.held += buffer.bytes;
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
