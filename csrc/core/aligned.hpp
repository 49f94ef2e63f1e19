// Arrays that begin at a cache line: a vector of 64 bytes that lies across two lines takes two accesses.
#pragma once
#include <cstddef>
#include <new>
#include <vector>

namespace longspike {

template <class T> struct CacheLines {
    using value_type = T;
    CacheLines() = default;
    template <class U> CacheLines(const CacheLines<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{64}); }
    template <class U> bool operator==(const CacheLines<U>&) const { return true; }
};

template <class T> using Aligned = std::vector<T, CacheLines<T>>;

// The same without zeros in it, for what is written before it is read.
template <class T> struct UnsetCacheLines : CacheLines<T> {
    UnsetCacheLines() = default;
    template <class U> UnsetCacheLines(const UnsetCacheLines<U>&) {}
    template <class U> void construct(U* p) { ::new (static_cast<void*>(p)) U; }
};

template <class T> using Unset = std::vector<T, UnsetCacheLines<T>>;

}  // namespace longspike
