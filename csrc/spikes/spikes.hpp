// Spikes of a membrane that needs no time: s = x > threshold, the surrogate's slope backward, and how many there are.
#pragma once
#include <algorithm>
#include <vector>

#include "dendrite/backward.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kSpikeBlock = 1 << 15;  // numbers that a thread takes at a time

// Calls body(first, last, block) on pieces of [0, n).
template <class Body> void in_spike_blocks(i64 n, int threads, const Body& body) {
    parallel_for((n + kSpikeBlock - 1) / kSpikeBlock, threads,
                 [&](i64 block) { body(block * kSpikeBlock, std::min(n, (block + 1) * kSpikeBlock), block); });
}

template <class T> void spikes_forward(const SpikeCall<T>& c) {
    in_spike_blocks(c.n, c.threads, [&](i64 first, i64 last, i64) {
        for (i64 i = first; i < last; ++i) c.y[i] = c.x[i] > c.threshold ? T(1) : T(0);
    });
}

template <class T> i64 count_spikes(const SpikeCall<T>& c) {
    std::vector<i64> counts((c.n + kSpikeBlock - 1) / kSpikeBlock);
    in_spike_blocks(c.n, c.threads, [&](i64 first, i64 last, i64 block) {
        std::int32_t count = 0;
        for (i64 i = first; i < last; ++i) count += c.x[i] > c.threshold;
        counts[block] = count;
    });
    i64 total = 0;
    for (const i64 count : counts) total += count;
    return total;
}

template <class T, int kKind> void spikes_backward_of_kind(const SpikeCall<T>& c) {
    const Vec<T> threshold = splat<T>(c.threshold), scale = splat<T>(c.scale), inverse = splat<T>(T(1) / c.scale);
    in_spike_blocks(c.n, c.threads, [&](i64 first, i64 last, i64) {
        for (i64 i = first; i < last; i += kLanes<T>) {
            const int n = static_cast<int>(std::min<i64>(kLanes<T>, last - i));
            const Vec<T> slope = surrogate_slope<T, kKind>(scale, inverse, load_first<T>(c.x + i, n) - threshold);
            store_first<T>(c.y + i, slope * (c.is_one_grad ? splat<T>(*c.grad) : load_first<T>(c.grad + i, n)), n);
        }
    });
}

template <class T> void spikes_backward(const SpikeCall<T>& c) {
    switch (c.surrogate) {
        case 0: return spikes_backward_of_kind<T, 0>(c);
        case 1: return spikes_backward_of_kind<T, 1>(c);
        case 2: return spikes_backward_of_kind<T, 2>(c);
        case 3: return spikes_backward_of_kind<T, 3>(c);
        default: return spikes_backward_of_kind<T, 4>(c);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
