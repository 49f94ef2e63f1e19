// Diagonal state-space scan: the convolution of S4D computed as its recurrence, with state in and state out. span.hpp
// has the mathematics.
//
// An item of work is a strip of one sample: a few neighbouring tiles, which take turns span by span. A tile's rows lie a
// whole row of channels apart; the strip's are contiguous for longer, which the memory rewards.
//
// The backward pass goes through intervals, last first: from the checkpoint before an interval it computes the state before
// each of its spans (its starts), then takes the spans backward.
#pragma once
#include <algorithm>

#include "core/parallel.hpp"
#include "s4d_scan/span_adjoint.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kStripTiles = 256 / LONGSPIKE_VECTOR_BYTES;
constexpr i64 kScanStreamingBytes = i64(1) << 23;  // less than kStreamingBytes: a row of a tile is a cache line by itself

// Writes rows of a result; around the caches where it is too large to be read from them by the next operator.
template <class T> struct S4dWriter {
    T* to;
    i64 channels;
    bool streaming;
    S4dWriter(T* to_, i64 elements, i64 channels_)
        : to(to_), channels(channels_),
          streaming(reinterpret_cast<std::uintptr_t>(to) % LONGSPIKE_VECTOR_BYTES == 0 &&
                    channels * sizeof(T) % LONGSPIKE_VECTOR_BYTES == 0 && elements * i64(sizeof(T)) >= kScanStreamingBytes) {}
    void write(const S4dTile<T>& q, i64 at, const T* from, i64 rows) const {
        if (!streaming) return q.scatter(to + at, from, rows, channels);
        for (i64 k = 0; k < rows; ++k) store_streaming<T>(to + at + k * channels, load<T>(from + k * kLanes<T>));
    }
    ~S4dWriter() {
        if (streaming) fence_streaming();
    }
};

// Calls body(sample, first tile, tiles) for every strip; strips are narrower where the threads would run out of them.
template <class T, class F> void for_strips(i64 batch, i64 channels, int threads, const F& body) {
    const i64 tiles = (channels + kLanes<T> - 1) / kLanes<T>;
    i64 wide = kStripTiles;
    while (wide > 1 && batch * ((tiles + wide - 1) / wide) < 4 * threads) wide /= 2;
    const i64 strips = (tiles + wide - 1) / wide;
    parallel_for(batch * strips, threads, [&](i64 item) {
        const FlushDenormals flush;
        const i64 first = item % strips * wide;
        body(item / strips, first, std::min(wide, tiles - first));
    });
}

template <class T> void s4d_forward_strip(const S4dCall<T>& c, i64 b, i64 first, i64 count) {
    auto tiles = s4d_tiles<T>(c, first, count, true);
    const i64 intervals = (c.seqlen + c.interval - 1) / c.interval, state_rows = 2 * c.n_pairs, size = state_rows * c.channels;
    const S4dWriter<T> y(c.y, c.batch * c.seqlen * c.channels, c.channels);
    const S4dWriter<T> checkpoints(c.checkpoints, c.checkpoints ? c.batch * intervals * size : 0, c.channels);
    for (i64 k = 0; k < count; ++k) tiles[k].gather(tiles[k].state, c.state + b * size + (first + k) * kLanes<T>, state_rows, c.channels);
    for (i64 t = 0; t < c.seqlen; t += kS4dSpan) {
        poll(t / kS4dSpan);
        const i64 rows = std::min(kS4dSpan, c.seqlen - t);
        for (i64 k = 0; k < count; ++k) {
            S4dTile<T>& q = tiles[k];
            const i64 channel = (first + k) * kLanes<T>, at = (b * c.seqlen + t) * c.channels + channel;
            if (c.checkpoints && t % c.interval == 0)
                checkpoints.write(q, (b * intervals + t / c.interval) * size + channel, q.state, state_rows);
            q.gather(q.u, c.u + at, rows, c.channels);
            s4d_span(q, q.inputs(), q.outputs(), static_cast<int>(rows));
            y.write(q, at, q.y, rows);
        }
    }
    for (i64 k = 0; k < count; ++k) tiles[k].scatter(c.state + b * size + (first + k) * kLanes<T>, tiles[k].state, state_rows, c.channels);
}

template <class T> void s4d_forward(const S4dCall<T>& c) {
    for_strips<T>(c.batch, c.channels, c.threads, [&](i64 b, i64 first, i64 count) { s4d_forward_strip(c, b, first, count); });
}

// The states before the spans of an interval of `steps` that begins at u, from q.state on.
template <class T> void s4d_starts(S4dTile<T>& q, const T* u, i64 channels, i64 steps, T* starts) {
    const i64 size = 2 * q.n_pairs * kLanes<T>;
    for (i64 t = 0;; t += kS4dSpan, starts += size) {
        std::copy(q.state, q.state + size, starts);
        if (t + kS4dSpan >= steps) return;
        q.gather(q.u, u + t * channels, kS4dSpan, channels);
        s4d_span_advance(q, kS4dSpan);
    }
}

template <class T> void s4d_backward_strip(const S4dBackward<T>& c, i64 b, i64 first, i64 count) {
    auto tiles = s4d_tiles<T>(c, first, count, true);
    const i64 intervals = (c.seqlen + c.interval - 1) / c.interval, state_rows = 2 * c.n_pairs, size = state_rows * c.channels;
    const i64 spans = c.interval / kS4dSpan, tile_size = state_rows * kLanes<T>;
    const S4dWriter<T> grad_u(c.grad_u, c.batch * c.seqlen * c.channels, c.channels);
    std::vector<T> starts(count * spans * tile_size);
    std::vector<S4dAdjoint<T>> adjoints;
    adjoints.reserve(count);
    for (i64 k = 0; k < count; ++k) {
        adjoints.emplace_back(c.n_pairs, k ? &adjoints[0] : nullptr);
        tiles[k].gather(adjoints[k].flow, c.grad_state + b * size + (first + k) * kLanes<T>, state_rows, c.channels);
    }
    for (i64 interval = intervals - 1; interval >= 0; --interval) {
        const i64 start = interval * c.interval, steps = std::min(c.interval, c.seqlen - start);
        poll();
        for (i64 k = 0; k < count; ++k) {
            const i64 channel = (first + k) * kLanes<T>;
            tiles[k].gather(tiles[k].state, c.checkpoints + (b * intervals + interval) * size + channel, state_rows, c.channels);
            const T* u = c.u + (b * c.seqlen + start) * c.channels + channel;
            s4d_starts(tiles[k], u, c.channels, steps, starts.data() + k * spans * tile_size);
        }
        for (i64 span = (steps - 1) / kS4dSpan; span >= 0; --span) {
            const i64 t = start + span * kS4dSpan, rows = std::min(kS4dSpan, c.seqlen - t);
            for (i64 k = 0; k < count; ++k) {
                S4dTile<T>& q = tiles[k];
                const i64 at = (b * c.seqlen + t) * c.channels + (first + k) * kLanes<T>;
                const T* state = starts.data() + (k * spans + span) * tile_size;
                std::copy(state, state + tile_size, q.state);
                q.gather(q.u, c.u + at, rows, c.channels);
                q.gather(q.y, c.grad_y + at, rows, c.channels);
                s4d_span_adjoint(q, adjoints[k], q.inputs(), {q.y, kLanes<T>}, static_cast<int>(rows));
                grad_u.write(q, at, adjoints[k].u, rows);
            }
        }
    }
    for (i64 k = 0; k < count; ++k) {
        const i64 channel = (first + k) * kLanes<T>, at = b * size + channel;
        tiles[k].scatter(c.grad_state + at, adjoints[k].flow, state_rows, c.channels);
        tiles[k].scatter(c.grad_lambda + at, adjoints[k].lambda, state_rows, c.channels);
        tiles[k].scatter(c.grad_c + at, adjoints[k].c, state_rows, c.channels);
        tiles[k].scatter(c.grad_d + b * c.channels + channel, adjoints[k].d, 1, c.channels);
    }
}

template <class T> void s4d_backward(const S4dBackward<T>& c) {
    for_strips<T>(c.batch, c.channels, c.threads, [&](i64 b, i64 first, i64 count) { s4d_backward_strip(c, b, first, count); });
}

}  // namespace longspike::LONGSPIKE_ARCH
