// Diagonal state-space scan: the convolution of S4D computed as its recurrence, with state in and state out. span.hpp
// has the mathematics.
//
// An item of work is a strip of one sample: a few neighbouring tiles, which take turns block by block. A tile's rows lie a
// whole row of channels apart; the strip's are contiguous for longer, which the memory rewards.
//
// The backward pass goes through stretches of `interval` steps, last first: from the state saved before a stretch it
// computes the state before each of its blocks, then takes the blocks backward.
#pragma once
#include <algorithm>

#include "core/parallel.hpp"
#include "s4d_scan/span_adjoint.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kStripTiles = 256 / LONGSPIKE_VECTOR_BYTES;
constexpr i64 kScanStreamingBytes = i64(1) << 23;  // less than kStreamingBytes: a row of a tile is a cache line by itself

// Writes rows of a result; around the caches where it is too large to be read from them by the next operator.
template <class T> struct S4dRows {
    T* to;
    i64 channels;
    bool streaming;
    S4dRows(T* to_, i64 elements, i64 channels_)
        : to(to_), channels(channels_),
          streaming(reinterpret_cast<std::uintptr_t>(to) % LONGSPIKE_VECTOR_BYTES == 0 &&
                    channels * sizeof(T) % LONGSPIKE_VECTOR_BYTES == 0 && elements * i64(sizeof(T)) >= kScanStreamingBytes) {}
    void write(const S4dTile<T>& q, i64 at, const T* from, i64 rows) const {
        if (!streaming) return q.scatter(to + at, from, rows, channels);
        for (i64 k = 0; k < rows; ++k) store_streaming<T>(to + at + k * channels, load<T>(from + k * kLanes<T>));
    }
    ~S4dRows() {
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

// The tiles of one strip of a call.
template <class T, class Call> std::vector<S4dTile<T>> s4d_tiles(const Call& c, i64 first, i64 count) {
    std::vector<S4dTile<T>> tiles;
    tiles.reserve(count);
    for (i64 k = first; k < first + count; ++k) {
        const int lanes = static_cast<int>(std::min<i64>(kLanes<T>, c.channels - k * kLanes<T>));
        tiles.emplace_back(c.lambda, c.c, c.d, c.channels, c.n_pairs, k * kLanes<T>, lanes, tiles.empty() ? nullptr : &tiles[0]);
    }
    return tiles;
}

template <class T> void s4d_forward_strip(const S4dCall<T>& c, i64 b, i64 first, i64 count) {
    auto tiles = s4d_tiles<T>(c, first, count);
    const i64 saves = (c.seqlen + c.interval - 1) / c.interval, state_rows = 2 * c.n_pairs, size = state_rows * c.channels;
    const S4dRows<T> y(c.y, c.batch * c.seqlen * c.channels, c.channels);
    const S4dRows<T> checkpoints(c.checkpoints, c.checkpoints ? c.batch * saves * size : 0, c.channels);
    for (i64 k = 0; k < count; ++k) tiles[k].gather(tiles[k].state, c.state + b * size + (first + k) * kLanes<T>, state_rows, c.channels);
    for (i64 t = 0; t < c.seqlen; t += kS4dBlock) {
        const i64 rows = std::min(kS4dBlock, c.seqlen - t);
        for (i64 k = 0; k < count; ++k) {
            S4dTile<T>& q = tiles[k];
            const i64 channel = (first + k) * kLanes<T>, at = (b * c.seqlen + t) * c.channels + channel;
            if (c.checkpoints && t % c.interval == 0)
                checkpoints.write(q, (b * saves + t / c.interval) * size + channel, q.state, state_rows);
            q.gather(q.u, c.u + at, rows, c.channels);
            s4d_block(q, static_cast<int>(rows));
            y.write(q, at, q.y, rows);
        }
    }
    for (i64 k = 0; k < count; ++k) tiles[k].scatter(c.state + b * size + (first + k) * kLanes<T>, tiles[k].state, state_rows, c.channels);
}

template <class T> void s4d_forward(const S4dCall<T>& c) {
    for_strips<T>(c.batch, c.channels, c.threads, [&](i64 b, i64 first, i64 count) { s4d_forward_strip(c, b, first, count); });
}

// The states before the blocks of a stretch of `steps` that begins at u, from q.state on.
template <class T> void s4d_states_before_blocks(S4dTile<T>& q, const T* u, i64 channels, i64 steps, T* states) {
    const i64 size = 2 * q.n_pairs * kLanes<T>;
    for (i64 t = 0;; t += kS4dBlock, states += size) {
        std::copy(q.state, q.state + size, states);
        if (t + kS4dBlock >= steps) return;
        q.gather(q.u, u + t * channels, kS4dBlock, channels);
        s4d_block_advance(q, kS4dBlock);
    }
}

template <class T> void s4d_backward_strip(const S4dBackward<T>& c, i64 b, i64 first, i64 count) {
    auto tiles = s4d_tiles<T>(c, first, count);
    const i64 saves = (c.seqlen + c.interval - 1) / c.interval, state_rows = 2 * c.n_pairs, size = state_rows * c.channels;
    const i64 blocks = c.interval / kS4dBlock, tile_size = state_rows * kLanes<T>;
    const S4dRows<T> grad_u(c.grad_u, c.batch * c.seqlen * c.channels, c.channels);
    std::vector<T> states(count * blocks * tile_size);
    std::vector<S4dAdjoint<T>> adjoints;
    adjoints.reserve(count);
    for (i64 k = 0; k < count; ++k) {
        adjoints.emplace_back(c.n_pairs, k ? &adjoints[0] : nullptr);
        tiles[k].gather(adjoints[k].flow, c.grad_state + b * size + (first + k) * kLanes<T>, state_rows, c.channels);
    }
    for (i64 save = saves - 1; save >= 0; --save) {
        const i64 start = save * c.interval, steps = std::min(c.interval, c.seqlen - start);
        for (i64 k = 0; k < count; ++k) {
            const i64 channel = (first + k) * kLanes<T>;
            tiles[k].gather(tiles[k].state, c.checkpoints + (b * saves + save) * size + channel, state_rows, c.channels);
            const T* u = c.u + (b * c.seqlen + start) * c.channels + channel;
            s4d_states_before_blocks(tiles[k], u, c.channels, steps, states.data() + k * blocks * tile_size);
        }
        for (i64 block = (steps - 1) / kS4dBlock; block >= 0; --block) {
            const i64 t = start + block * kS4dBlock, rows = std::min(kS4dBlock, c.seqlen - t);
            for (i64 k = 0; k < count; ++k) {
                S4dTile<T>& q = tiles[k];
                const i64 at = (b * c.seqlen + t) * c.channels + (first + k) * kLanes<T>;
                const T* state = states.data() + (k * blocks + block) * tile_size;
                std::copy(state, state + tile_size, q.state);
                q.gather(q.u, c.u + at, rows, c.channels);
                q.gather(q.y, c.grad_y + at, rows, c.channels);
                s4d_block_adjoint(q, adjoints[k], static_cast<int>(rows));
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
