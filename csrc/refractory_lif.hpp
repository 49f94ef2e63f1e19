// Refractory leaky integrate-and-fire neuron over time: forward and speculative forward.
//
//     r[t] = gamma*r[t-1] + s[t-1]
//     v[t] = beta*u[t-1] + current[t]      u = v - theta*s (subtract) | v*(1 - s) (zero) | v (none)
//     s[t] = 1 if v[t] - rho*r[t] > theta else 0
//
// Layout (batch, seqlen, channels), channels contiguous. Vectorised over channels: a tile keeps its state and its
// parameters in the first-level cache while the rows of one sample stream past. Every operation is rounded on its own,
// in the order of reference.py, so the spikes are those of that loop bit for bit.
#pragma once
#include <algorithm>
#include <vector>

#include "kernels.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

enum class Reset { subtract, zero, none };

// State and parameters of one vector of neighbouring channels, side by side: one address reaches all of them.
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifCell {
    T v[kLanes<T>], r[kLanes<T>], s[kLanes<T>], beta[kLanes<T>], theta[kLanes<T>], rho[kLanes<T>], gamma[kLanes<T>];
};

// Up to `width` neighbouring channels of one sample.
template <class T> struct LifTile {
    i64 width;
    std::vector<LifCell<T>> cells;

    LifTile(const LifParameters<T>& p, i64 first, i64 width_)
        : width(width_), cells((width_ + kLanes<T> - 1) / kLanes<T>, LifCell<T>{}) {
        for (i64 j = 0; j < width; ++j) {
            auto& cell = cells[j / kLanes<T>];
            const i64 k = j % kLanes<T>;
            cell.beta[k] = p.beta[first + j], cell.theta[k] = p.theta[first + j];
            cell.rho[k] = p.rho[first + j], cell.gamma[k] = p.gamma[first + j];
        }
    }
    int lanes_of(i64 cell) const { return static_cast<int>(std::min<i64>(kLanes<T>, width - cell * kLanes<T>)); }
    void load_state(const T* v, const T* r, const T* s) {
        for (i64 i = 0, j = 0; j < width; ++i, j += kLanes<T>) {
            const int n = lanes_of(i);
            std::copy_n(v + j, n, cells[i].v), std::copy_n(r + j, n, cells[i].r), std::copy_n(s + j, n, cells[i].s);
        }
    }
    void store_state(T* v, T* r, T* s) const {
        for (i64 i = 0, j = 0; j < width; ++i, j += kLanes<T>) {
            const int n = lanes_of(i);
            std::copy_n(cells[i].v, n, v + j), std::copy_n(cells[i].r, n, r + j), std::copy_n(cells[i].s, n, s + j);
        }
    }
    void clear_state() {
        for (auto& cell : cells)
            for (int k = 0; k < kLanes<T>; ++k) cell.v[k] = cell.r[k] = cell.s[k] = 0;
    }
};

template <class T, Reset kReset> inline Vec<T> after_reset(Vec<T> v, Vec<T> s, Vec<T> theta) {
    if constexpr (kReset == Reset::subtract) return v - theta * s;
    if constexpr (kReset == Reset::zero) return s > Vec<T>{} ? Vec<T>{} : v;
    return v;
}

// One vector of channels, one step: reads and writes the cell's state, returns the spikes.
template <class T, Reset kReset> inline Vec<T> lif_step(LifCell<T>& q, Vec<T> current) {
    const Vec<T> s = load<T>(q.s), theta = load<T>(q.theta);
    const Vec<T> r = load<T>(q.gamma) * load<T>(q.r) + s;
    const Vec<T> v = load<T>(q.beta) * after_reset<T, kReset>(load<T>(q.v), s, theta) + current;
    const Vec<T> spikes = (v - load<T>(q.rho) * r) > theta ? splat<T>(1) : Vec<T>{};
    store<T>(q.v, v), store<T>(q.r, r), store<T>(q.s, spikes);
    return spikes;
}

// `rows` steps of one tile; `out` may be null (a silent run).
template <class T, Reset kReset>
void lif_rows(LifTile<T>& tile, const T* x, T* out, i64 rows, i64 stride, bool streaming) {
    const i64 whole = tile.width / kLanes<T> * kLanes<T>;
    const int rest = static_cast<int>(tile.width - whole);
    for (i64 t = 0; t < rows; ++t, x += stride) {
        LifCell<T>* cell = tile.cells.data();
        for (i64 j = 0; j < whole; j += kLanes<T>, ++cell) {
            const Vec<T> spikes = lif_step<T, kReset>(*cell, load<T>(x + j));
            if (!out) continue;
            if (streaming)
                store_streaming<T>(out + j, spikes);
            else
                store<T>(out + j, spikes);
        }
        if (rest) {
            const Vec<T> spikes = lif_step<T, kReset>(*cell, load_first<T>(x + whole, rest));
            if (out) store_first<T>(out + whole, spikes, rest);
        }
        if (out) out += stride;
    }
}

template <class T> using RowsFunction = void (*)(LifTile<T>&, const T*, T*, i64, i64, bool);
template <class T> RowsFunction<T> rows_function(int reset) {
    if (reset == 0) return lif_rows<T, Reset::subtract>;
    if (reset == 1) return lif_rows<T, Reset::zero>;
    return lif_rows<T, Reset::none>;
}

// Channels per tile: whole rows where the batch alone keeps the threads busy, else a share of the row.
template <class T> i64 tile_width(i64 batch, i64 channels, int threads, i64 widest) {
    const i64 vectors = (channels + kLanes<T> - 1) / kLanes<T>;
    const i64 tiles = std::max<i64>((channels + widest - 1) / widest, std::min<i64>(vectors, (threads + batch - 1) / std::max<i64>(batch, 1)));
    return (vectors + tiles - 1) / tiles * kLanes<T>;
}

// Around the caches only where the result is too large to be read from them by the next operator.
template <class T> bool use_streaming(const T* out, i64 elements, i64 channels) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(out) % LONGSPIKE_VECTOR_BYTES == 0 &&
                         channels * sizeof(T) % LONGSPIKE_VECTOR_BYTES == 0;
    return aligned && elements * i64(sizeof(T)) >= kStreamingBytes;
}

template <class T> void lif_forward(const LifCall<T>& c) {
    const i64 width = tile_width<T>(c.batch, c.channels, c.threads, 4096), tiles = (c.channels + width - 1) / width;
    const auto rows = rows_function<T>(c.reset);
    const bool streaming = use_streaming<T>(c.spikes, c.batch * c.seqlen * c.channels, c.channels);
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 b = item / tiles, first = item % tiles * width;
        LifTile<T> q(c.parameters, first, std::min(width, c.channels - first));
        const i64 at = b * c.channels + first, blocks = (c.seqlen + kLifBlock - 1) / kLifBlock;
        q.load_state(c.v + at, c.r + at, c.s + at);
        for (i64 k = 0; k < blocks; ++k) {
            T* saved = c.checkpoints + ((b * blocks + k) * 3) * c.channels + first;
            q.store_state(saved, saved + c.channels, saved + 2 * c.channels);
            const i64 start = (b * c.seqlen + k * kLifBlock) * c.channels + first;
            rows(q, c.current + start, c.spikes + start, std::min(kLifBlock, c.seqlen - k * kLifBlock), c.channels, streaming);
        }
        q.store_state(c.v + at, c.r + at, c.s + at);
        fence_streaming();
    });
}

// Speculative chunks: chunk k > 0 starts from a guess (zero state, `warmup` steps early). Where a chunk's assumed start
// differs in any bit from its predecessor's end, the tile runs again from the true state; so the result is the
// sequential one by proof, not by hope. Returns the number of lanes (sample, channel, chunk) that were run again.
template <class T> i64 lif_speculative(const LifCall<T>& c, i64 chunk, i64 warmup) {
    const i64 width = std::min<i64>(tile_width<T>(c.batch, c.channels, 1, 256), 256);
    const i64 tiles = (c.channels + width - 1) / width, chunks = std::max<i64>(1, (c.seqlen + chunk - 1) / chunk);
    const i64 lanes = c.batch * c.channels, blocks = (c.seqlen + kLifBlock - 1) / kLifBlock;
    const auto rows = rows_function<T>(c.reset);
    std::vector<T> starts(chunks * 3 * lanes), ends(chunks * 3 * lanes);  // (chunk, v|r|s, batch * channels)

    const auto run_chunk = [&](LifTile<T>& q, i64 b, i64 first, i64 k) {
        for (i64 t = k * chunk; t < std::min(c.seqlen, (k + 1) * chunk); t += kLifBlock) {  // chunk % kLifBlock == 0
            T* saved = c.checkpoints + ((b * blocks + t / kLifBlock) * 3) * c.channels + first;
            q.store_state(saved, saved + c.channels, saved + 2 * c.channels);
            const i64 at = (b * c.seqlen + t) * c.channels + first;
            rows(q, c.current + at, c.spikes + at, std::min(kLifBlock, c.seqlen - t), c.channels, false);
        }
        T* end = ends.data() + k * 3 * lanes + b * c.channels + first;
        q.store_state(end, end + lanes, end + 2 * lanes);
    };
    parallel_for(c.batch * tiles * chunks, c.threads, [&](i64 item) {
        const i64 k = item % chunks, b = item / chunks / tiles, first = item / chunks % tiles * width;
        LifTile<T> q(c.parameters, first, std::min(width, c.channels - first));
        if (k == 0) {
            const i64 at = b * c.channels + first;
            q.load_state(c.v + at, c.r + at, c.s + at);
        } else {
            q.clear_state();
            const i64 early = std::max<i64>(0, k * chunk - warmup);
            rows(q, c.current + (b * c.seqlen + early) * c.channels + first, nullptr, k * chunk - early, c.channels, false);
        }
        T* start = starts.data() + k * 3 * lanes + b * c.channels + first;
        q.store_state(start, start + lanes, start + 2 * lanes);
        run_chunk(q, b, first, k);
    });

    std::vector<i64> repaired(c.batch * tiles, 0);
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 b = item / tiles, first = item % tiles * width, n = std::min(width, c.channels - first);
        for (i64 k = 1; k < chunks; ++k) {
            const T* truth = ends.data() + (k - 1) * 3 * lanes + b * c.channels + first;
            const T* guess = starts.data() + k * 3 * lanes + b * c.channels + first;
            i64 wrong = 0;
            for (i64 j = 0; j < n; ++j)
                wrong += std::memcmp(truth + j, guess + j, sizeof(T)) != 0 ||
                         std::memcmp(truth + lanes + j, guess + lanes + j, sizeof(T)) != 0 ||
                         std::memcmp(truth + 2 * lanes + j, guess + 2 * lanes + j, sizeof(T)) != 0;
            if (!wrong) continue;
            repaired[item] += wrong;
            LifTile<T> q(c.parameters, first, n);
            q.load_state(truth, truth + lanes, truth + 2 * lanes);
            run_chunk(q, b, first, k);
        }
        const i64 at = b * c.channels + first;
        const T* end = ends.data() + (chunks - 1) * 3 * lanes + at;
        if (c.seqlen > 0) {
            std::copy_n(end, n, c.v + at);
            std::copy_n(end + lanes, n, c.r + at);
            std::copy_n(end + 2 * lanes, n, c.s + at);
        }
    });
    i64 total = 0;
    for (i64 count : repaired) total += count;
    return total;
}

}  // namespace longspike::LONGSPIKE_ARCH
