// One pass over the whole block of a spiking state-space model: normalisation, scan, neuron, mixing of the spikes, gate,
// residual. What lies between the block's input and its output stays in the caches, some rows at a time.
//
//     z = norm(x)   current = scan(z)   s = neuron(current)   (a, b) = W (spike_scale s) + bias
//     y = x + output_scale (a sigmoid(b))
//
// In a bidirectional block a second scan runs first, from the last valid step to the first (back_scan.hpp), and leaves its
// current in y; there it is found, and added, before y is written.
//
// Every part is the row or tile function of the operator of that name, so the bits are those of the operators in turn.
#pragma once
#include <algorithm>
#include <vector>

#include "refractory_lif/forward.hpp"
#include "spiking_block/back_scan.hpp"
#include "spiking_block/rows.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kRowsAlone = 128;  // rows of a sample in flight if a thread has it alone; else kBlockInterval

// One sample after the other on its way through the block, `threads` at work on it. `take` one before `run`.
template <class T> struct BlockSample {
    const BlockCall<T>& c;
    const BlockParameters<T>& p;
    i64 b = 0, in_flight, width, n_words;  // in_flight: rows at a time; width: channels of a neuron tile
    int threads;
    std::vector<LifTile<T>> tiles;
    std::vector<S4dTile<T>> scans;
    BackScan<T> back;
    Aligned<T> buffer;
    i64 stride;         // of a row of `rows`: not a power of two, since 4 KiB apart means in each other's way
    T* rows = nullptr;  // (in_flight, stride): z, then current, then spikes

    BlockSample(const BlockCall<T>& call, int threads_)
        : c(call), p(call.p), in_flight(threads_ == 1 ? kRowsAlone : kBlockInterval), width(tile_width<T>(1, p.channels, threads_, 4096)),
          n_words(words_of(p.channels)), threads(threads_),
          scans(s4d_tiles<T>(p, 0, (p.channels + kLanes<T> - 1) / kLanes<T>, threads_ == 1)), back(p, threads_),
          stride(padded<T>(p.channels)) {
        for (i64 first = 0; first < p.channels; first += width)
            tiles.emplace_back().add(p.neuron, first, std::min(width, p.channels - first), first, first);
    }
    void take(i64 sample) { b = sample, load(); }
    // The state from the call's arrays, and back.
    void load() {
        for (std::size_t k = 0; k < tiles.size(); ++k) {
            const i64 at = b * p.channels + k * width;
            load_state(tiles[k].vectors.data(), tiles[k].size(), c.v + at, c.r + at, c.s + at);
        }
        for (std::size_t k = 0; k < scans.size(); ++k) scans[k].gather(scans[k].state, state() + k * kLanes<T>, 2 * p.n_pairs, p.channels);
    }
    void store() const {
        for (std::size_t k = 0; k < tiles.size(); ++k) {
            const i64 at = b * p.channels + k * width;
            store_state(tiles[k].vectors.data(), tiles[k].size(), c.v + at, c.r + at, c.s + at);
        }
        for (std::size_t k = 0; k < scans.size(); ++k) scans[k].scatter(state() + k * kLanes<T>, scans[k].state, 2 * p.n_pairs, p.channels);
    }
    const T* x(i64 t) const { return c.x + (b * p.seqlen + t) * p.channels; }
    T* y(i64 t) const { return c.y + (b * p.seqlen + t) * p.channels; }
    T* state() const { return c.state + b * 2 * p.n_pairs * p.channels; }
    const T* of_sample(const T* scale) const { return scale ? scale + b * p.channels : nullptr; }

    void normalise(i64 start, i64 n) {
        for_pieces(n, kRowsPerPiece, threads, [&](i64 from, i64 to) {
            T mean[kRowsPerPiece], scale[kRowsPerPiece];
            block_z(p, x(start + from), to - from, mean, scale, rows + from * stride, stride);
        });
    }
    // z -> current, in place.
    void scan(i64 start, i64 n) {
        const i64 intervals = (p.seqlen + kBlockInterval - 1) / kBlockInterval, size = 2 * p.n_pairs * p.channels;
        T* checkpoint = c.scan_checkpoints + (b * intervals + start / kBlockInterval) * size;
        parallel_for(static_cast<i64>(scans.size()), threads, [&](i64 k) {
            const FlushDenormals flush;
            auto& q = scans[k];
            if (c.scan_checkpoints && start % kBlockInterval == 0)
                q.scatter(checkpoint + k * kLanes<T>, q.state, 2 * p.n_pairs, p.channels);
            for (i64 t = 0; t < n; t += kS4dSpan)
                s4d_span_in_place(q, {rows + t * stride + k * kLanes<T>, stride}, static_cast<int>(std::min(kS4dSpan, n - t)));
        });
    }
    // The current of the second scan, in y; rows in the padding stay as they are.
    void look_back() {
        const i64 intervals = (p.seqlen + kBlockInterval - 1) / kBlockInterval;
        back.begin();
        for (i64 end = p.seqlen, start; end > 0; end = start) {
            poll();
            start = (end - 1) / in_flight * in_flight;
            if (c.back_checkpoints && (end == p.seqlen || end % kBlockInterval == 0))
                back.keep(c.back_checkpoints + (b * intervals + start / kBlockInterval) * 2 * p.n_pairs * p.channels);
            const i64 n = valid_steps(p, b, start, end - start);
            normalise(start, n);
            parallel_for(static_cast<i64>(back.tiles.size()), threads, [&](i64 k) { back.run_in_place(k, rows, stride, n); });
            for (i64 i = 0; i < n; ++i) std::copy_n(rows + i * stride, p.channels, y(start + i));
        }
    }
    // current += that of the second scan.
    void meet(i64 start, i64 n) {
        for_pieces(valid_steps(p, b, start, n), kRowsPerPiece, threads, [&](i64 from, i64 to) {
            for (i64 i = from; i < to; ++i)
                for_vectors<T>(p.channels, [&](i64 j, auto lanes) {
                    T* at = rows + i * stride + j;
                    store_first<T>(at, load_first<T>(at, lanes) + load_first<T>(y(start + i) + j, lanes), lanes);
                });
        });
    }
    // current -> spikes, in place; counts those of valid steps. Fetches the rows of y, which are written next, into the caches.
    void fire(i64 start, i64 n, bool streaming) {
        const auto run_span = span_function<T>(p.reset);
        const i64 spans = (p.seqlen + kLifSpan - 1) / kLifSpan, valid = p.lengths ? p.lengths[b] : p.seqlen;
        parallel_for(static_cast<i64>(tiles.size()), threads, [&](i64 k) {
            const FlushDenormals flush;
            LifVector<T>* vectors = tiles[k].vectors.data();
            const i64 first = k * width, size = tiles[k].size();
            const SpanView<const T> y{c.y + (b * p.seqlen + start) * p.channels + first, p.channels};
            for (i64 t = 0; t < n; t += kLifSpan) {
                const LifSpan<T> in_place{.in = {rows, stride},
                                          .out = {rows, stride},
                                          .store = Store::cached,
                                          .fetch = streaming ? Fetch<T>() : Fetch<T>({y.first + t * y.stride, y.stride}, size * kLanes<T>)};
                if (c.lif_checkpoints) {
                    T* checkpoint = c.lif_checkpoints + ((b * spans + (start + t) / kLifSpan) * 3) * p.channels + first;
                    store_state(vectors, size, checkpoint, p.channels);
                }
                run_span(vectors, size, in_place, t, std::min(n, t + kLifSpan), start + t == 0);
            }
            if (c.counts) count(first, std::min(width, p.channels - first), std::min(n, valid - start));
        });
    }
    // Adds the spikes of the rows before `stop`, channels [first, first + size).
    void count(i64 first, i64 size, i64 stop) {
        T* counts = c.counts + b * p.channels + first;
        for_vectors<T>(size, [&](i64 j, auto lanes) {
            Vec<T> sum = load_first<T>(counts + j, lanes);
            for (i64 t = 0; t < stop; ++t) sum += load_first<T>(rows + t * stride + first + j, lanes);
            store_first<T>(counts + j, sum, lanes);
        });
    }
    // spikes -> y. First the sums of some rows, which branch on the spikes, then their gates, which do not.
    void mix(i64 start, i64 n, bool streaming) {
        const i64 mixed_stride = padded<T>(2 * p.channels), first = b * p.seqlen + start;
        for_pieces(n, kRowsPerPiece, threads, [&](i64 from, i64 to) {
            BlockMixing<T> mixing(p, of_sample(p.spike_scale));
            std::vector<std::uint64_t> own(n_words);
            Unset<T> mixed((to - from) * mixed_stride);
            for (i64 i = from; i < to; ++i) {
                std::uint64_t* words = c.bits ? c.bits + (first + i) * n_words : own.data();
                pack_row<T>(rows + i * stride, p.channels, words);
                mixing.row(words, n_words, mixed.data() + (i - from) * mixed_stride);
            }
            for (i64 i = from; i < to; ++i) {
                if (start + in_flight + i < p.seqlen) fetch_row(x(start + in_flight + i), p.channels);  // for the rows to come
                gate_row<T>(mixed.data() + (i - from) * mixed_stride, x(start + i), of_sample(p.output_scale),
                            c.y + (first + i) * p.channels, p.channels, streaming);
            }
            fence_streaming();
        });
    }
    // The call's steps; y may be x.
    void run() {
        const bool streaming = use_streaming<T>(p.batch * p.seqlen * p.channels) && p.channels % kLanes<T> == 0 &&
                               reinterpret_cast<std::uintptr_t>(c.y) % LONGSPIKE_VECTOR_BYTES == 0;
        const std::size_t needed = std::min(in_flight, p.seqlen) * stride;
        if (buffer.size() < needed) buffer.resize(needed);
        rows = buffer.data();
        if (back.is_there()) look_back();
        for (i64 start = 0; start < p.seqlen; start += in_flight) {
            if (start > 0) poll();
            const i64 n = std::min(in_flight, p.seqlen - start);
            normalise(start, n), scan(start, n);
            if (back.is_there()) meet(start, n);
            fire(start, n, streaming), mix(start, n, streaming);
            for (i64 i = 0; c.spikes && i < n; ++i)
                std::copy_n(rows + i * stride, p.channels, c.spikes + (b * p.seqlen + start + i) * p.channels);
        }
    }
};

template <class T> void block_forward(const BlockCall<T>& c) {
    const bool has_samples = c.p.batch >= c.p.threads;
    const int threads = has_samples ? 1 : c.p.threads;
    Workers<BlockSample<T>> samples;
    parallel_for(c.p.batch, has_samples ? c.p.threads : 1, [&](i64 b) {
        samples.with([&] { return std::make_unique<BlockSample<T>>(c, threads); },
                     [&](BlockSample<T>& sample) { sample.take(b), sample.run(), sample.store(); });
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
