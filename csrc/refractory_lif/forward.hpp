// Refractory leaky integrate-and-fire neuron over time: the step, spans of steps, the sequential forward pass.
//
//     r[t] = gamma*r[t-1] + s[t-1]
//     v[t] = beta*u[t-1] + current[t]      u = v - theta*s (subtract) | v*(1 - s) (zero) | v (none)
//     s[t] = 1 if v[t] - rho*r[t] > theta else 0
//
// Vectorised over channels. A tile is a row of vectors, each of neighbouring channels with their state and their
// parameters; a few steps of a vector run in registers, then comes the next vector. Every operation is rounded on its own, in
// the order of reference.py, so the spikes are those of that loop bit for bit.
#pragma once
#include <algorithm>
#include <vector>

#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"
#include "core/span_views.hpp"

namespace longspike::LONGSPIKE_ARCH {

enum class Reset { subtract, zero, none };

constexpr i64 kLifSteps = 4;      // steps of a vector between reading and writing its state
constexpr i64 kLifAhead = 4096;   // bytes between fetching an input and using it
constexpr i64 kLifWidest = 4096;  // channels of a tile whose rows are read and written where they are

// The state and the parameters of some neighbouring channels, and where its channels lie in a row. An odd number of
// cache lines, so that the same part of neighbouring vectors does not fall on one address modulo 4 KiB.
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifVector {
    T v[kLanes<T>], r[kLanes<T>], s[kLanes<T>], beta[kLanes<T>], theta[kLanes<T>], rho[kLanes<T>], gamma[kLanes<T>];
    i64 from, to;  // of the input and of the output, in elements from the span's first
    int lanes;     // channels of this vector
    T unused[kLanes<T>];
};

// A run of channels of one sample, or, one after the other, the same channels in several chunks of time.
template <class T> struct LifTile {
    std::vector<LifVector<T>> vectors;

    // Adds the channels [first, first + width), `from` and `to` elements from the start of the rows.
    void add(const LifParameters<T>& p, i64 first, i64 width, i64 from = 0, i64 to = 0) {
        for (i64 j = 0; j < width; j += kLanes<T>) {
            auto& q = vectors.emplace_back();
            q.from = from + j, q.to = to + j, q.lanes = static_cast<int>(std::min<i64>(kLanes<T>, width - j));
            const i64 at = first + j;
            std::copy_n(p.beta + at, q.lanes, q.beta), std::copy_n(p.theta + at, q.lanes, q.theta);
            std::copy_n(p.rho + at, q.lanes, q.rho), std::copy_n(p.gamma + at, q.lanes, q.gamma);
        }
    }
    i64 size() const { return static_cast<i64>(vectors.size()); }
};

// The state of `n` neighbouring vectors from and to rows of channels.
template <class T> void load_state(LifVector<T>* q, i64 n, const T* v, const T* r, const T* s) {
    for (; n > 0; --n, v += kLanes<T>, r += kLanes<T>, s += kLanes<T>, ++q) {
        store<T>(q->v, load_first<T>(v, q->lanes));
        store<T>(q->r, load_first<T>(r, q->lanes));
        store<T>(q->s, load_first<T>(s, q->lanes));
    }
}
template <class T> void store_state(const LifVector<T>* q, i64 n, T* v, T* r, T* s) {
    for (; n > 0; --n, v += kLanes<T>, r += kLanes<T>, s += kLanes<T>, ++q) {
        store_first<T>(v, load<T>(q->v), q->lanes);
        store_first<T>(r, load<T>(q->r), q->lanes);
        store_first<T>(s, load<T>(q->s), q->lanes);
    }
}

// The same for v, r and s `apart` elements from each other, as in a checkpoint.
template <class T> void load_state(LifVector<T>* q, i64 n, const T* state, i64 apart) {
    load_state(q, n, state, state + apart, state + 2 * apart);
}
template <class T> void store_state(const LifVector<T>* q, i64 n, T* state, i64 apart) {
    store_state(q, n, state, state + apart, state + 2 * apart);
}

template <class T, Reset kReset> inline Vec<T> after_reset(Vec<T> v, Vec<T> s, Vec<T> theta) {
    if constexpr (kReset == Reset::subtract) return v - theta * s;
    if constexpr (kReset == Reset::zero) return select(greater(s, Vec<T>{}), Vec<T>{}, v);
    return v;
}

// A vector in registers.
template <class T> struct LifRegisters {
    Vec<T> v, r, s, u, beta, theta, rho, gamma;
    Mask<T> has_spiked;

    explicit LifRegisters(const LifVector<T>& q)
        : v(load<T>(q.v)), r(load<T>(q.r)), s(load<T>(q.s)), u{}, beta(load<T>(q.beta)), theta(load<T>(q.theta)), rho(load<T>(q.rho)),
          gamma(load<T>(q.gamma)), has_spiked(greater(s, Vec<T>{})) {}
    void keep(LifVector<T>& q) const { store<T>(q.v, v), store<T>(q.r, r), store<T>(q.s, s); }

    template <bool kRefractory> void decide() {
        u = v;
        if constexpr (kRefractory) u = v - rho * r;
        has_spiked = greater(u, theta);
        s = select(has_spiked, splat<T>(1), Vec<T>{});
    }
    // Any s, as a caller may hand it in.
    template <Reset kReset, bool kRefractory = true> void first_step(Vec<T> current) {
        if constexpr (kRefractory) r = gamma * r + s;
        v = beta * after_reset<T, kReset>(v, s, theta) + current;
        decide<kRefractory>();
    }
    // s is 0 or 1. Both membranes are leaked and one is chosen, so that the choice, which the next step waits for, comes
    // last; theta*1 and v - theta*0 are exact, so these are the numbers of first_step.
    template <Reset kReset, bool kRefractory = true> void step(Vec<T> current) {
        if constexpr (kRefractory) r = gamma * r + s;
        const Vec<T> silent = beta * v;
        if constexpr (kReset == Reset::subtract) v = select(has_spiked, beta * (v - theta), silent) + current;
        if constexpr (kReset == Reset::zero) v = select(has_spiked, beta * Vec<T>{}, silent) + current;
        if constexpr (kReset == Reset::none) v = silent + current;
        decide<kRefractory>();
    }
};

enum class Store { none, cached, streaming };

// Where the steps of a tile's span come from and go to.
template <class T> struct LifSpan {
    SpanView<const T> in;
    SpanView<T> out;
    Store store;     // none: a silent run
    Fetch<T> fetch;  // of the inputs to come
};

template <class T, Store kStore> inline void put(T* to, Vec<T> x, int lanes) {
    if constexpr (kStore == Store::cached) store_first<T>(to, x, lanes);
    if constexpr (kStore == Store::streaming) store_streaming<T>(to, x);
}

// `steps` steps of one vector from step t on, in registers.
template <class T, Reset kReset, Store kStore, bool kFirst = false>
[[gnu::always_inline]] inline void lif_steps(LifVector<T>& q, const LifSpan<T>& span, Fetch<T>& fetch, i64 t, i64 steps, int width) {
    LifRegisters<T> neuron(q);
    const i64 in_stride = span.in.stride, out_stride = span.out.stride;
    const T* x = span.in.first + t * in_stride + q.from;
    T* out = span.out.first + t * out_stride + q.to;
    for (i64 k = 0; k < steps; ++k, x += in_stride, out += out_stride) {
        fetch.template next<2>();
        const Vec<T> current = load_first<T>(x, width);
        if constexpr (kFirst)
            neuron.template first_step<kReset>(current);
        else
            neuron.template step<kReset>(current);
        put<T, kStore>(out, neuron.s, width);
    }
    neuron.keep(q);
}

// Steps [start, stop) of n vectors; `any_spike`: the state may hold an s that is neither 0 nor 1.
template <class T, Reset kReset, Store kStore>
void lif_span(LifVector<T>* vectors, i64 n, const LifSpan<T>& span, i64 start, i64 stop, bool any_spike) {
    Fetch<T> fetch = span.fetch;
    if (any_spike && start < stop) {
        for (LifVector<T>* q = vectors; q < vectors + n; ++q) lif_steps<T, kReset, kStore, true>(*q, span, fetch, start, 1, q->lanes);
        ++start;
    }
    const i64 group = n == 1 ? stop - start : kLifSteps;  // a lone vector stays in registers
    for (i64 t = start; t < stop; t += group) {
        const i64 steps = std::min(group, stop - t);
        for (LifVector<T>* q = vectors; q < vectors + n; ++q) {
            if (q->lanes < kLanes<T>)
                lif_steps<T, kReset, kStore>(*q, span, fetch, t, steps, q->lanes);
            else if (steps == kLifSteps)
                lif_steps<T, kReset, kStore>(*q, span, fetch, t, kLifSteps, kLanes<T>);
            else
                lif_steps<T, kReset, kStore>(*q, span, fetch, t, steps, kLanes<T>);
        }
    }
}

template <class T, Reset kReset>
void lif_span_of(LifVector<T>* vectors, i64 n, const LifSpan<T>& span, i64 start, i64 stop, bool any_spike) {
    if (span.store == Store::none)
        lif_span<T, kReset, Store::none>(vectors, n, span, start, stop, any_spike);
    else if (span.store == Store::cached)
        lif_span<T, kReset, Store::cached>(vectors, n, span, start, stop, any_spike);
    else
        lif_span<T, kReset, Store::streaming>(vectors, n, span, start, stop, any_spike);
}

template <class T> using SpanFunction = void (*)(LifVector<T>*, i64, const LifSpan<T>&, i64, i64, bool);
template <class T> SpanFunction<T> span_function(int reset) {
    if (reset == 0) return lif_span_of<T, Reset::subtract>;
    if (reset == 1) return lif_span_of<T, Reset::zero>;
    return lif_span_of<T, Reset::none>;
}

// Channels per tile: as many as allowed, but so few that the threads share the tiles of the batch evenly.
template <class T> i64 tile_width(i64 batch, i64 channels, int threads, i64 widest) {
    const i64 vectors = (channels + kLanes<T> - 1) / kLanes<T>;
    i64 tiles = (channels + widest - 1) / widest;
    const auto idle = [&](i64 parts) {  // share of the threads' time that the last round leaves unused
        const i64 items = batch * parts, rounds = (items + threads - 1) / threads;
        return 1.0 - double(items) / double(rounds * threads);
    };
    while (tiles < vectors && tiles < 2 * threads && idle(tiles) > 0.1) ++tiles;
    return (vectors + tiles - 1) / tiles * kLanes<T>;
}

// Around the caches only where the result is too large to be read from them by the next operator.
template <class T> bool use_streaming(i64 elements) { return elements * i64(sizeof(T)) >= kStreamingBytes; }

// The widest tile that suits how two tensors lie.
template <class A, class B> i64 widest_tile(const Strided<A>& x, const Strided<B>& y, i64 channels, i64 widest) {
    if (!is_side_by_side(x) || !is_side_by_side(y)) return kTransposedChannels;
    return channels % kLanes<std::remove_const_t<B>> ? std::min(kStagedChannels, widest) : widest;
}

template <class T> void lif_forward(const LifCall<T>& c) {
    const i64 widest = widest_tile(c.current, c.spikes, c.channels, kLifWidest);
    const i64 width = tile_width<T>(c.batch, c.channels, c.threads, widest), tiles = (c.channels + width - 1) / width;
    const auto run_span = span_function<T>(c.reset);
    const bool streaming = use_streaming<T>(c.batch * c.seqlen * c.channels);
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const FlushDenormals flush;
        const i64 b = item / tiles, first = item % tiles * width, n = std::min(width, c.channels - first);
        LifTile<T> tile;
        tile.add(c.parameters, first, n);
        LifVector<T>* vectors = tile.vectors.data();
        SpanReader<T> in(c.current, b, first, n);
        SpanWriter<T> out(c.spikes, b, first, n, streaming);
        const i64 at = b * c.channels + first, spans = (c.seqlen + kLifSpan - 1) / kLifSpan;
        const i64 ahead = std::max<i64>(kLifSteps, kLifAhead / (n * i64(sizeof(T))));
        const Store store = out.rows_stream() ? Store::streaming : Store::cached;
        load_state(vectors, tile.size(), c.v + at, c.r + at, c.s + at);
        for (i64 k = 0; k < spans; ++k) {
            poll(k);
            T* checkpoint = c.checkpoints + ((b * spans + k) * 3) * c.channels + first;
            store_state(vectors, tile.size(), checkpoint, c.channels);
            const i64 t = k * kLifSpan, steps = std::min(kLifSpan, c.seqlen - t);
            const SpanView<T> to = out.begin(t, steps);
            run_span(vectors, tile.size(), {in.at(t, steps, kLifSpan), to, store, in.fetch(t + ahead)}, 0, steps, k == 0);
            out.end(to, t, steps);
        }
        store_state(vectors, tile.size(), c.v + at, c.r + at, c.s + at);
        fence_streaming();
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
