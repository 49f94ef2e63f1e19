// Large result buffers that are reused, so that a fresh result does not pay for page faults.
#pragma once
#include <cstddef>

namespace longspike {

struct Buffer {
    void* data;
    std::size_t bytes;  // at least what was asked for
};

Buffer take_buffer(std::size_t bytes);  // aligned to 64 bytes; huge pages where the system has them
void give_buffer(Buffer buffer);        // back to the pool, or to the system when the pool is full
std::size_t pooled_bytes();
void set_pool_limit(std::size_t bytes);  // what may wait for reuse; frees what is above it

}  // namespace longspike
