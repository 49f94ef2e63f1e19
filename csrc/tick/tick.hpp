// What happens at a tick of the memory besides the memory itself: the embedding of active cells, layer normalisation,
// and the pooling of ticks. Batches and streams call the same functions, so they give the same bits.
#pragma once
#include <algorithm>

#include "core/kernels.hpp"
#include "core/lane_sums.hpp"
#include "core/parallel.hpp"
#include "tick/norm.hpp"

namespace longspike::LONGSPIKE_ARCH {

// sum += value * row, n entries.
template <class T> inline void add_scaled(T* sum, const T* row, T value, i64 n) {
    const Vec<T> x = splat<T>(value);
    i64 j = 0;
    for (; j + kLanes<T> <= n; j += kLanes<T>) store<T>(sum + j, fma(x, load<T>(row + j), load<T>(sum + j)));
    if (j < n) {
        const int rest = static_cast<int>(n - j);
        store_first<T>(sum + j, fma(x, load_first<T>(row + j, rest), load_first<T>(sum + j, rest)), rest);
    }
}

// u += sum over channels in order of values[c] * weight[c], zeros skipped; weight (channels, d_model) of one cell.
template <class T> inline void embed_cell(const T* values, const T* weight, i64 channels, i64 d_model, T* u) {
    for (i64 c = 0; c < channels; ++c)
        if (values[c] != T(0)) add_scaled<T>(u, weight + c * d_model, values[c], d_model);
}

// A running mean over windows of `size` ticks: the mean of the windows' weighted means, an incomplete last one included.
// Sums and counts are double whatever T is: a stream has no end.
struct TickPool {
    double* window;   // (channels), weighted sum over the window at hand
    double* windows;  // (channels), sum of the means of the complete windows
    double* counts;   // weight of the window at hand, its ticks, number of complete windows
};
template <class T> inline void pool_tick(const TickPool& pool, const T* y, double weight, i64 size, i64 n) {
    for (i64 j = 0; j < n; ++j) pool.window[j] += weight * y[j];
    pool.counts[0] += weight;
    pool.counts[1] += 1;
    if (pool.counts[1] < static_cast<double>(size)) return;
    for (i64 j = 0; j < n; ++j) pool.windows[j] += pool.window[j] / pool.counts[0], pool.window[j] = 0;
    pool.counts[0] = pool.counts[1] = 0;
    pool.counts[2] += 1;
}
template <class T> inline void pool_mean(const TickPool& pool, T* mean, i64 n) {
    const bool is_open = pool.counts[1] > 0;
    const double count = pool.counts[2] + (is_open ? 1 : 0);
    for (i64 j = 0; j < n; ++j) {
        const double sum = is_open ? pool.windows[j] + pool.window[j] / pool.counts[0] : pool.windows[j];
        mean[j] = count > 0 ? static_cast<T>(sum / count) : T(0);
    }
}

template <class T> void embed_forward(const EmbedCall<T>& c) {
    parallel_for(c.ticks, c.items * c.channels < 4096 ? 1 : c.threads, [&](i64 tick) {
        T* u = c.u + tick * c.d_model;
        std::fill_n(u, c.d_model, T(0));
        for (i64 q = c.tick_offsets[tick]; q < c.tick_offsets[tick + 1]; ++q)
            embed_cell<T>(c.values + q * c.channels, c.weight + c.cell[q] * c.channels * c.d_model, c.channels, c.d_model, u);
    });
}

// out[k] = rows[k] . x for k < count, as many rows at a time as a vector has lanes: their sums end in one vector.
template <class T> inline void dots(const T* rows, const T* x, i64 count, i64 n, T* out) {
    for (i64 k = 0; k < count; k += kLanes<T>) {
        const int here = static_cast<int>(std::min<i64>(kLanes<T>, count - k));
        Vec<T> sum[kLanes<T>] = {};
        for (int r = 0; r < here; ++r) {
            const T* row = rows + (k + r) * n;
            i64 j = 0;
            for (; j + kLanes<T> <= n; j += kLanes<T>) sum[r] = fma(load<T>(row + j), load<T>(x + j), sum[r]);
            if (j < n) sum[r] = fma(load_first<T>(row + j, static_cast<int>(n - j)), load_first<T>(x + j, static_cast<int>(n - j)), sum[r]);
        }
        store_first<T>(out + k, lane_sums<Vec<T>, kLanes<T>>(sum), here);
    }
}

// Gradients of the values (every touched item, silent channels included) and of the weight (active ones alone). A thread adds
// to the cells of its own, each cell's items in order, so the sums are the same for every number of threads.
template <class T> void embed_backward(const EmbedCall<T>& c, const T* grad_u, T* grad_values, T* grad_weight) {
    const i64 parts = c.items * c.channels < 4096 ? 1 : c.threads;
    if (grad_values)
        parallel_for(parts, c.threads, [&](i64 part) {
            for (i64 tick = c.ticks * part / parts; tick < c.ticks * (part + 1) / parts; ++tick) {
                poll(tick);
                for (i64 q = c.tick_offsets[tick]; q < c.tick_offsets[tick + 1]; ++q)
                    dots<T>(c.weight + c.cell[q] * c.channels * c.d_model, grad_u + tick * c.d_model, c.channels, c.d_model,
                            grad_values + q * c.channels);
            }
        });
    parallel_for(parts, c.threads, [&](i64 part) {
        for (i64 tick = 0; tick < c.ticks; ++tick) {
            poll(tick);
            for (i64 q = c.tick_offsets[tick]; q < c.tick_offsets[tick + 1]; ++q)
                for (i64 k = 0; c.cell[q] % parts == part && k < c.channels; ++k)
                    if (c.values[q * c.channels + k] != T(0))
                        add_scaled<T>(grad_weight + (c.cell[q] * c.channels + k) * c.d_model, grad_u + tick * c.d_model,
                                      c.values[q * c.channels + k], c.d_model);
        }
    });
}

template <class T> void normalise(const NormCall<T>& c) {
    constexpr i64 kPiece = 64;
    for_pieces(c.rows, kPiece, c.rows * c.channels < 8192 ? 1 : c.threads, [&](i64 first, i64 last) {
        T mean[kPiece], scale[kPiece];
        normalise_rows<T>(c.x + first * c.channels, c.weight, c.bias, c.eps, c.channels, last - first, mean, scale,
                          c.y + first * c.channels, c.channels);
    });
}

template <class T> void pool_ticks(const PoolCall<T>& c) {
    parallel_for(c.batch, c.threads, [&](i64 b) {
        const TickPool pool{c.window + b * c.channels, c.windows + b * c.channels, c.counts + b * 3};
        for (i64 k = c.offsets[b]; k < c.offsets[b + 1]; ++k)
            poll(k), pool_tick<T>(pool, c.y + k * c.channels, c.weights[k], c.size, c.channels);
        pool_mean<T>(pool, c.mean + b * c.channels, c.channels);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
