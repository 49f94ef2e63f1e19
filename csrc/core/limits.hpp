// What the machine can do at most: memory traffic of the simplest kernels, and fused multiply-adds in registers.
//
// They run through the same threads and the same vector type as the kernels that are compared with them. Results that
// are written go around the caches; y is aligned to the vector's size.
#pragma once
#include <algorithm>
#include <vector>

#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kLimitPiece = i64(1) << 18;  // elements that a thread takes at a time
constexpr i64 kLimitAhead = 512;           // elements from a read to the one that is fetched meanwhile
constexpr int kFmaChains = 12;             // independent sums: more than latency times units, within 16 registers
constexpr i64 kFmaSteps = 4096;            // links of a chain in one item

// load_first, while the memory further on is fetched; no address past the end is read.
inline Vec<float> load_and_fetch(const float* p, int n) {
    __builtin_prefetch(p + kLimitAhead);
    return load_first<float>(p, n);
}

// Writes y[i] = value(i) as vectors, around the caches but for the last incomplete one.
template <class Value> void stream_vectors(float* y, i64 n, int threads, const Value& value) {
    constexpr i64 lanes = kLanes<float>;
    for_pieces(n, kLimitPiece, threads, [&](i64 first, i64 last) {
        i64 i = first;
        for (; i + 4 * lanes <= last; i += 4 * lanes)
            for (int k = 0; k < 4; ++k) store_streaming<float>(y + i + k * lanes, value(i + k * lanes, int(lanes)));
        for (; i < last; i += lanes) {
            const int left = static_cast<int>(std::min(lanes, last - i));
            store_first<float>(y + i, value(i, left), left);
        }
        fence_streaming();
    });
}

// y = x
inline void limit_copy(const float* x, float* y, i64 n, int threads) {
    stream_vectors(y, n, threads, [=](i64 i, int left) { return load_and_fetch(x + i, left); });
}

// y = a + scale * b
inline void limit_triad(const float* a, const float* b, float scale, float* y, i64 n, int threads) {
    stream_vectors(y, n, threads,
                   [=](i64 i, int left) { return fma(splat<float>(scale), load_and_fetch(b + i, left), load_and_fetch(a + i, left)); });
}

// y = value
inline void limit_fill(float value, float* y, i64 n, int threads) {
    stream_vectors(y, n, threads, [=](i64, int) { return splat<float>(value); });
}

// The sum of x, by pieces, so that it does not depend on the number of threads.
inline double limit_sum(const float* x, i64 n, int threads) {
    constexpr i64 lanes = kLanes<float>;
    std::vector<double> parts((n + kLimitPiece - 1) / kLimitPiece);
    for_pieces(n, kLimitPiece, threads, [&](i64 first, i64 last) {
        Vec<float> sums[8] = {};
        i64 i = first;
        for (; i + 8 * lanes <= last; i += 8 * lanes)
            for (int k = 0; k < 8; ++k) sums[k] += load_and_fetch(x + i + k * lanes, int(lanes));
        for (; i < last; i += lanes) sums[0] += load_first<float>(x + i, static_cast<int>(std::min(lanes, last - i)));
        for (int k = 1; k < 8; ++k) sums[0] += sums[k];
        double part = 0;
        for (i64 j = 0; j < lanes; ++j) part += sums[0][j];
        parts[first / kLimitPiece] = part;
    });
    double sum = 0;
    for (const double part : parts) sum += part;
    return sum;
}

// Reads and writes records of `numbers` numbers in the order given, the next one fetched meanwhile; leaves them as they are.
// Whole vectors a record.
inline void limit_records(float* x, i64 numbers, const i64* order, i64 count, int threads) {
    volatile float one = 1.0f;  // what the compiler knows to be one, it neither multiplies with nor stores again
    const Vec<float> factor = splat<float>(one);
    parallel_for(threads, threads, [&](i64 part) {
        const i64 end = count * (part + 1) / threads;
        for (i64 k = count * part / threads; k < end; ++k) {
            float* record = x + order[k] * numbers;
            const float* coming = x + order[std::min(k + 1, end - 1)] * numbers;
            for (i64 i = 0; i < numbers; i += kLanes<float>) {
                __builtin_prefetch(coming + i, 1);
                store<float>(record + i, factor * load<float>(record + i));
            }
        }
    });
}

// Fused multiply-adds whose operands never leave the registers. Returns the floating-point operations done.
inline double limit_fma(i64 items, int threads) {
    parallel_for(items, threads, [](i64 item) {
        const Vec<float> factor = splat<float>(0.5f), addend = splat<float>(static_cast<float>(item));
        Vec<float> sums[kFmaChains];  // from different values: equal chains would be computed once
        for (int k = 0; k < kFmaChains; ++k) sums[k] = splat<float>(static_cast<float>(item + k));
        for (i64 step = 0; step < kFmaSteps; ++step)
            for (auto& sum : sums) sum = fma(sum, factor, addend);
        for (int k = 1; k < kFmaChains; ++k) sums[0] += sums[k];
        [[maybe_unused]] volatile float kept = sums[0][0];  // what nobody reads would not be computed
    });
    return 2.0 * kFmaChains * kLanes<float> * kFmaSteps * items;
}

}  // namespace longspike::LONGSPIKE_ARCH
