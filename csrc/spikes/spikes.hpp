// Spikes of a membrane that needs no time: s = x > threshold, the surrogate's slope backward, and how many there are.
#pragma once
#include <algorithm>
#include <vector>

#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "spikes/surrogate.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kSpikePiece = 1 << 15;  // numbers that a thread takes at a time

template <class T> void spikes_forward(const SpikeCall<T>& c) {
    for_pieces(c.n, kSpikePiece, c.threads, [&](i64 first, i64 last) {
        for (i64 i = first; i < last; ++i) c.y[i] = c.x[i] > c.threshold ? T(1) : T(0);
    });
}

template <class T> i64 count_spikes(const SpikeCall<T>& c) {
    std::vector<i64> counts((c.n + kSpikePiece - 1) / kSpikePiece);
    for_pieces(c.n, kSpikePiece, c.threads, [&](i64 first, i64 last) {
        std::int32_t count = 0;
        for (i64 i = first; i < last; ++i) count += c.x[i] > c.threshold;
        counts[first / kSpikePiece] = count;
    });
    i64 total = 0;
    for (const i64 count : counts) total += count;
    return total;
}

template <class T, int kKind> void spikes_backward_of_kind(const SpikeCall<T>& c) {
    const Vec<T> threshold = splat<T>(c.threshold);
    const Surrogate<T> surrogate(c.scale);
    for_pieces(c.n, kSpikePiece, c.threads, [&](i64 first, i64 last) {
        for (i64 i = first; i < last; i += kLanes<T>) {
            const int n = static_cast<int>(std::min<i64>(kLanes<T>, last - i));
            const Vec<T> slope = surrogate_slope<T, kKind>(surrogate, load_first<T>(c.x + i, n) - threshold);
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
