// LZ4's blocks and their checksum, as compressed recordings use them.
#include <cstring>

#include "events/decoding.hpp"

namespace longspike::events {

i64 lz4_block(const std::uint8_t* block, i64 size, std::uint8_t* out, i64 position, i64 capacity) {
    i64 i = 0;
    const auto extended = [&](i64 length) -> i64 {  // a length of 15 goes on in bytes, up to the first below 255
        if (length < 15) return length;
        for (;;) {
            if (i >= size) return -1;
            const int more = block[i++];
            length += more;
            if (more < 255) return length;
        }
    };
    while (i < size) {
        const int token = block[i++];
        const i64 literals = extended(token >> 4);
        if (literals < 0 || literals > size - i || literals > capacity - position) return -1;
        std::memcpy(out + position, block + i, literals);
        i += literals, position += literals;
        if (i == size) return position;  // the last sequence has no match
        if (size - i < 2) return -1;
        const i64 distance = load<std::uint16_t>(block + i);
        i += 2;
        i64 match = extended(token & 15);
        if (match < 0) return -1;
        match += 4;
        if (distance == 0 || distance > position || match > capacity - position) return -1;
        for (; match; --match, ++position) out[position] = out[position - distance];  // may overlap: byte by byte
    }
    return -1;
}

std::uint32_t xxh32(const std::uint8_t* content, i64 size) {
    using u32 = std::uint32_t;
    constexpr u32 p1 = 0x9E3779B1, p2 = 0x85EBCA77, p3 = 0xC2B2AE3D, p4 = 0x27D4EB2F, p5 = 0x165667B1;
    const auto rotate = [](u32 value, int bits) { return value << bits | value >> (32 - bits); };
    u32 digest = p5;
    i64 i = 0;
    if (size >= 16) {
        u32 sums[4] = {p1 + p2, p2, 0, -p1};
        for (; i + 16 <= size; i += 16)
            for (int k = 0; k < 4; ++k) sums[k] = rotate(sums[k] + load<u32>(content + i + 4 * k) * p2, 13) * p1;
        digest = rotate(sums[0], 1) + rotate(sums[1], 7) + rotate(sums[2], 12) + rotate(sums[3], 18);
    }
    digest += u32(size);
    for (; i + 4 <= size; i += 4) digest = rotate(digest + load<u32>(content + i) * p3, 17) * p4;
    for (; i < size; ++i) digest = rotate(digest + content[i] * p5, 11) * p1;
    digest = (digest ^ digest >> 15) * p2;
    digest = (digest ^ digest >> 13) * p3;
    return digest ^ digest >> 16;
}

}  // namespace longspike::events
