// The neuron in chunks of time that run at once, exactly.
//
// A chunk starts from a guess, the silent neuron `warmup` steps early, because the leak makes two trajectories equal to the
// last bit before long. Where a chunk's assumed start then differs in any bit from its predecessor's end, the tile runs
// again from the true state until it meets what is there; so the result is the sequential one by proof, not by hope.
//
// Chunks run in waves. The first of a wave starts from the truth; where guesses fail in a wave (a nearly constant drive
// locks the phases of two trajectories forever), the rest of the sequence runs in order.
#pragma once
#include <algorithm>
#include <vector>

#include "refractory_lif/forward.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kSpeculativeWidest = 256;  // channels of a tile
constexpr i64 kSideBySide = 6;           // vectors of one thread that hide the latency of a step

template <class T> struct Speculation {
    const LifCall<T>& c;
    i64 chunk, warmup, width, tiles, chunks, neurons, spans;  // neurons: of all samples
    SpanFunction<T> run_span;
    bool streaming;
    std::vector<T> starts, ends;  // (chunk, v|r|s, batch * channels)

    Speculation(const LifCall<T>& call, i64 chunk_, i64 warmup_)
        : c(call), chunk(chunk_), warmup(std::min(warmup_, chunk_)),
          width(std::min(tile_width<T>(c.batch, c.channels, 1, kSpeculativeWidest), kSpeculativeWidest)),
          tiles((c.channels + width - 1) / width), chunks(std::max<i64>(1, (c.seqlen + chunk - 1) / chunk)), neurons(c.batch * c.channels),
          spans((c.seqlen + kLifSpan - 1) / kLifSpan), run_span(span_function<T>(c.reset)),
          streaming(use_streaming<T>(neurons * c.seqlen) && SpanWriter<T>(c.spikes, 0, 0, c.channels, true).rows_stream()),
          starts(chunks * 3 * neurons), ends(chunks * 3 * neurons) {}

    i64 length(i64 k) const { return std::min(chunk, c.seqlen - k * chunk); }
    LifSpan<T> span_at(i64 b, i64 first, bool silent) const {
        const Store store = silent ? Store::none : streaming ? Store::streaming : Store::cached;
        return {{c.current.data + b * c.current.batch + first, c.current.time},
                {c.spikes.data + b * c.spikes.batch + first, c.spikes.time},
                store,
                {}};
    }
    T* checkpoint(i64 b, i64 first, i64 t) const { return c.checkpoints + ((b * spans + t / kLifSpan) * 3) * c.channels + first; }

    // The chunks [k, k + n) of a tile side by side; the first starts from the truth if `is_known`.
    void run(i64 b, i64 first, i64 n_channels, i64 k, i64 n, bool is_known) {
        LifTile<T> tile;
        for (i64 i = 0; i < n; ++i) tile.add(c.parameters, first, n_channels);
        const i64 vectors = tile.size() / n;
        const auto place = [&](i64 i, i64 t) {
            for (i64 j = 0; j < vectors; ++j) {
                auto& q = tile.vectors[i * vectors + j];
                q.from = t * c.current.time + j * kLanes<T>, q.to = t * c.spikes.time + j * kLanes<T>;
            }
        };
        if (n > 1 || !is_known) {  // a known chunk that warms up with the others is put right below
            for (i64 i = 0; i < n; ++i) place(i, std::max<i64>(0, (k + i) * chunk - warmup));
            run_span(tile.vectors.data(), tile.size(), span_at(b, first, true), 0, warmup, true);
        }
        for (i64 i = 0; i < n; ++i) {
            const i64 at = b * c.channels + first;
            const T* before = i == 0 && is_known && k > 0 ? ends.data() + (k - 1) * 3 * neurons + at : nullptr;
            auto* q = tile.vectors.data() + i * vectors;
            if (before)
                load_state(q, vectors, before, neurons);
            else if (k + i == 0)
                load_state(q, vectors, c.v + at, c.r + at, c.s + at);
            T* start = starts.data() + (k + i) * 3 * neurons + at;
            store_state(q, vectors, start, neurons);
            place(i, (k + i) * chunk);
        }
        advance(tile, b, first, k, n);
    }
    // The steps of the chunks [k, k + n), all as long as each other but perhaps the last.
    void advance(LifTile<T>& tile, i64 b, i64 first, i64 k, i64 n) {
        const i64 vectors = tile.size() / n, last = length(k + n - 1);
        const auto to = span_at(b, first, false);
        for (i64 t = 0; t < length(k); t += kLifSpan) {
            poll(t / kLifSpan);
            const i64 live = t < last ? n : n - 1, steps = std::min(kLifSpan, length(k) - t);
            const i64 common = live == n ? std::min(steps, last - t) : steps;
            for (i64 i = 0; i < live; ++i) {
                T* before = checkpoint(b, first, (k + i) * chunk + t);
                store_state(tile.vectors.data() + i * vectors, vectors, before, c.channels);
            }
            const bool any_spike = k == 0 && t == 0;
            run_span(tile.vectors.data(), live * vectors, to, t, t + common, any_spike);
            run_span(tile.vectors.data(), (n - 1) * vectors, to, t + common, t + steps, any_spike && common == 0);
        }
        for (i64 i = 0; i < n; ++i) {
            T* end = ends.data() + (k + i) * 3 * neurons + b * c.channels + first;
            store_state(tile.vectors.data() + i * vectors, vectors, end, neurons);
        }
    }
    // Channels whose states at `x` and `y` differ in any bit; v, r, s lie `step` apart.
    static i64 differing(const T* x, i64 x_step, const T* y, i64 y_step, i64 n) {
        i64 wrong = 0;
        for (i64 j = 0; j < n; ++j)
            wrong += std::memcmp(x + j, y + j, sizeof(T)) != 0 || std::memcmp(x + x_step + j, y + y_step + j, sizeof(T)) != 0 ||
                     std::memcmp(x + 2 * x_step + j, y + 2 * y_step + j, sizeof(T)) != 0;
        return wrong;
    }
    // Runs chunk k again from its predecessor's end, until it meets the checkpoints: from there on it was right.
    // Returns whether it met them.
    bool repair(i64 b, i64 first, i64 n, i64 k) {
        LifTile<T> tile;
        tile.add(c.parameters, first, n);
        const T* truth = ends.data() + (k - 1) * 3 * neurons + b * c.channels + first;
        load_state(tile.vectors.data(), tile.size(), truth, neurons);
        std::vector<T> state(3 * n);
        const auto to = span_at(b, first, false);
        for (i64 t = k * chunk; t < k * chunk + length(k); t += kLifSpan) {
            poll(t / kLifSpan);
            T* before = checkpoint(b, first, t);
            store_state(tile.vectors.data(), tile.size(), state.data(), n);
            if (!differing(state.data(), n, before, c.channels, n)) return true;
            store_state(tile.vectors.data(), tile.size(), before, c.channels);
            run_span(tile.vectors.data(), tile.size(), to, t, std::min(t + kLifSpan, c.seqlen), false);
        }
        T* end = ends.data() + k * 3 * neurons + b * c.channels + first;
        store_state(tile.vectors.data(), tile.size(), end, neurons);
        return false;
    }
    // Holds the starts of the chunks (k, k + n_chunks) of a tile against the ends of those before them, in order, and runs again
    // what differs.
    struct Verdict { i64 wrong, lost; };  // channels whose guess was wrong, over all chunks; chunks that ran again in full
    Verdict settle(i64 b, i64 first, i64 n, i64 k, i64 n_chunks) {
        Verdict found{0, 0};
        for (i64 next = k + 1; next < k + n_chunks; ++next) {
            const T* truth = ends.data() + (next - 1) * 3 * neurons + b * c.channels + first;
            const T* guess = starts.data() + next * 3 * neurons + b * c.channels + first;
            const i64 count = differing(truth, neurons, guess, neurons, n);
            found.wrong += count;
            if (count) found.lost += !repair(b, first, n, next);
        }
        return found;
    }
};

// Returns for how many (sample, channel, chunk) the guess was wrong.
template <class T> i64 lif_speculative(const LifCall<T>& c, i64 chunk, i64 warmup) {
    Speculation<T> work(c, chunk, warmup);
    const i64 tiles = c.batch * work.tiles, vectors = (work.width + kLanes<T> - 1) / kLanes<T>;
    const i64 together = std::max<i64>(1, kSideBySide / vectors);
    const i64 groups = (c.threads + tiles - 1) / tiles;  // of chunks side by side in a wave
    const auto sizes = [&](i64 item) {
        const i64 first = item % work.tiles * work.width;
        return std::array<i64, 3>{item / work.tiles, first, std::min(work.width, c.channels - first)};
    };
    std::vector<typename Speculation<T>::Verdict> verdicts(tiles);
    i64 done = 0, wrong = 0;
    for (bool speculates = true; done < work.chunks;) {
        const i64 wave = speculates ? std::min(work.chunks - done, together * groups) : work.chunks - done;
        const i64 parts = speculates ? (wave + together - 1) / together : 1;
        parallel_for(tiles * parts, c.threads, [&](i64 item) {
            const FlushDenormals flush;
            const auto [b, first, n] = sizes(item / parts);
            if (!speculates) {
                for (i64 k = done; k < work.chunks; ++k) work.run(b, first, n, k, 1, true);
            } else {
                const i64 k = item % parts * together;
                work.run(b, first, n, done + k, std::min(together, wave - k), k == 0);
            }
            fence_streaming();
        });
        if (speculates) {
            parallel_for(tiles, c.threads, [&](i64 item) {
                const FlushDenormals flush;
                const auto [b, first, n] = sizes(item);
                verdicts[item] = work.settle(b, first, n, done, wave);
                fence_streaming();
            });
            i64 lost = 0;
            for (const auto& verdict : verdicts) wrong += verdict.wrong, lost += verdict.lost;
            speculates = 2 * lost <= tiles * (wave - 1);
        }
        done += wave;
    }
    if (c.seqlen > 0) {
        const T* end = work.ends.data() + (work.chunks - 1) * 3 * work.neurons;
        std::copy_n(end, work.neurons, c.v), std::copy_n(end + work.neurons, work.neurons, c.r),
            std::copy_n(end + 2 * work.neurons, work.neurons, c.s);
    }
    return wrong;
}

}  // namespace longspike::LONGSPIKE_ARCH
