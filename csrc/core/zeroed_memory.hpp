// Zeroed memory whose untouched pages cost nothing, in huge pages where the system has them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace longspike::LONGSPIKE_ARCH {

class ZeroedMemory {
public:
    explicit ZeroedMemory(std::size_t bytes) : bytes_(std::max<std::size_t>(bytes, 64)) { map(); }
    ~ZeroedMemory() { unmap(); }
    ZeroedMemory(const ZeroedMemory&) = delete;
    ZeroedMemory& operator=(const ZeroedMemory&) = delete;
    std::uint8_t* data() const { return data_; }
    std::size_t size() const { return bytes_; }
    void clear() { unmap(), map(); }

private:
    std::uint8_t* data_ = nullptr;
    std::size_t bytes_;
#if defined(__linux__)
    void map() {
        void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        data_ = static_cast<std::uint8_t*>(p);
        madvise(data_, bytes_, MADV_HUGEPAGE);
    }
    void unmap() { munmap(data_, bytes_); }
#else
    void* memory_ = nullptr;
    void map() {
        memory_ = std::calloc(bytes_ + 64, 1);
        if (!memory_) throw std::bad_alloc();
        data_ = reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uintptr_t>(memory_) + 63) / 64 * 64);
    }
    void unmap() { std::free(memory_); }
#endif
};

}  // namespace longspike::LONGSPIKE_ARCH
