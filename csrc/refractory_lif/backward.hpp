// The adjoint of the refractory neuron: one pass backwards over spans that are computed again from their checkpoints.
//
//     mu[t]  = G[t] + (what s[t] does to v[t+1] and r[t+1])
//     lam[t] = g'[t]*mu[t] + beta*(du[t]/dv[t])*lam[t+1]          = dLoss/dcurrent[t]
//     kap[t] = -rho*g'[t]*mu[t] + gamma*kap[t+1]
//
// A tile of one sample, a span (kLifSpan steps) at a time; C: a checkpoint (v, r, s) of the forward pass before each span.
//
//     time             0 ------------------------------------------------> seqlen
//     checkpoints      C0               C1               C2
//     spans            |---- third ----|---- second ----|--- first ---|            the order in which they are taken
//
//     1 replay         C1 -> step -> step -> ... -> step       reads the currents again; into `path`, for every step: the
//                                                              slope g', and v, r, s before it if the reset or a sum needs them
//     2 step back      flow <- step <- step <- ... <- flow     reads `path` and G; writes lam, the gradient of the current
//
// `flow` is what step t+1 sends back to s, v and r of step t. It comes in as the gradient of the final state, goes on from a
// span to the one before, and leaves as the gradient of the initial state. The sums over time (beta, theta, rho, gamma) are
// taken in T within a span and in double over the spans. A tile too narrow to hide the latency of a step replays several
// spans at once, and then steps back through them one by one.
#pragma once
#include <algorithm>
#include <vector>

#include "refractory_lif/replay.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kAdjointWidest = 256;  // channels of a tile: its replayed span stays in the second cache
constexpr i64 kAdjointVectors = 4;   // vectors that hide the latency of a step; a narrower tile replays several spans at once

// What runs backwards through a vector, and the sums over a span; an odd number of cache lines, as in LifVector.
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifFlow {
    T to_mu[kLanes<T>], to_lam[kLanes<T>], to_kap[kLanes<T>];  // what the step after sends back to s, v, r
    T sums[4][kLanes<T>];                                      // d_beta, d_theta, d_rho, d_gamma over the span
};

// The adjoint of a vector in registers.
template <class T, Reset kReset, bool kRefractory, bool kSums> struct AdjointRegisters {
    static constexpr bool kState = kSums || kReset == Reset::zero;
    Vec<T> beta, theta, rho, gamma, drop, through_reset, through_time, to_mu, to_lam, to_kap, sums[4];

    AdjointRegisters(const LifVector<T>& q, const LifFlow<T>& flow, int gradient)
        : beta(load<T>(q.beta)), theta(load<T>(q.theta)), rho(load<T>(q.rho)), gamma(load<T>(q.gamma)),
          through_reset(splat<T>(gradient == 1 ? 0 : 1)), through_time(splat<T>(gradient == 2 ? 0 : 1)), to_mu(load<T>(flow.to_mu)),
          to_lam(load<T>(flow.to_lam)), to_kap(load<T>(flow.to_kap)) {
        drop = through_reset * (through_time * (beta * theta));
        for (int p = 0; kSums && p < 4; ++p) sums[p] = load<T>(flow.sums[p]);
    }
    void keep(LifFlow<T>& flow) const {
        store<T>(flow.to_mu, to_mu), store<T>(flow.to_lam, to_lam), store<T>(flow.to_kap, to_kap);
        for (int p = 0; kSums && p < 4; ++p) store<T>(flow.sums[p], sums[p]);
    }
    // Returns the gradient of the current.
    Vec<T> step(const LifMoment<T, kState>& moment, Vec<T> grad) {
        const Vec<T> slope_mu = load<T>(moment.slope) * (grad + to_mu), lam = slope_mu + to_lam;
        Vec<T> kap{};
        if constexpr (kRefractory) kap = fma(-rho, slope_mu, to_kap);
        if constexpr (kSums) {
            const Vec<T> v = load<T>(moment.v), r = load<T>(moment.r), s = load<T>(moment.s);
            sums[0] = fma(lam, after_reset<T, kReset>(v, s, theta), sums[0]);
            sums[1] = sums[1] - slope_mu;
            if constexpr (kReset == Reset::subtract) sums[1] = sums[1] - beta * s * lam;
            sums[2] = sums[2] - slope_mu * fma(gamma, r, s);
            sums[3] = fma(kap, r, sums[3]);
        }
        const Vec<T> late = through_time * kap;
        if constexpr (kReset == Reset::subtract) to_mu = fma(-drop, lam, late);
        if constexpr (kReset == Reset::none) to_mu = late;
        if constexpr (kReset == Reset::zero) to_mu = late - through_reset * (through_time * (beta * load<T>(moment.v))) * lam;
        to_lam = through_time * beta * lam;
        if constexpr (kReset == Reset::zero) to_lam = to_lam * (splat<T>(1) - load<T>(moment.s));
        if constexpr (kRefractory) to_kap = gamma * late;
        return lam;
    }
};

// Where a span's gradients come from and go to, and what its replay left.
template <class T, class Moment> struct AdjointSpan {
    SpanView<const T> grad;
    SpanView<T> out;
    Fetch<T> fetch;      // of the span before
    const Moment* path;  // (kLifSpan, vectors)
    i64 steps, vectors;
    int gradient;
};

// The `steps` steps of vector i before step `stop`.
template <class T, Reset kReset, bool kRefractory, bool kSums, Store kStore, class Moment>
[[gnu::always_inline]] inline void adjoint_steps(const LifVector<T>& q, LifFlow<T>& flow, const AdjointSpan<T, Moment>& span,
                                                 Fetch<T>& fetch, i64 i, i64 stop, i64 steps, int width) {
    AdjointRegisters<T, kReset, kRefractory, kSums> adjoint(q, flow, span.gradient);
    const T* grad = span.grad.first + (stop - 1) * span.grad.stride + q.to;
    T* out = span.out.first + (stop - 1) * span.out.stride + q.to;
    const i64 grad_stride = span.grad.stride, out_stride = span.out.stride, vectors = span.vectors;
    const Moment* moment = span.path + (stop - 1) * vectors + i;
    for (i64 k = 0; k < steps; ++k) {
        fetch.template next<2>();
        put<T, kStore>(out, adjoint.step(*moment, load_first<T>(grad, width)), width);
        grad -= grad_stride, out -= out_stride, moment -= vectors;
    }
    adjoint.keep(flow);
}

template <class T, Reset kReset, bool kRefractory, bool kSums, Store kStore, class Moment>
void lif_adjoint_span(const LifTile<T>& tile, LifFlow<T>* flow, const AdjointSpan<T, Moment>& given) {
    const AdjointSpan<T, Moment> span = given;  // here: a store might change it
    Fetch<T> fetch = span.fetch;
    for (i64 stop = span.steps; stop > 0; stop -= kLifSteps) {
        const i64 n = std::min(kLifSteps, stop);
        for (i64 i = 0; i < span.vectors; ++i) {
            const LifVector<T>& q = tile.vectors[i];
            if (q.lanes == kLanes<T> && n == kLifSteps)
                adjoint_steps<T, kReset, kRefractory, kSums, kStore>(q, flow[i], span, fetch, i, stop, kLifSteps, kLanes<T>);
            else
                adjoint_steps<T, kReset, kRefractory, kSums, kStore>(q, flow[i], span, fetch, i, stop, n, q.lanes);
        }
    }
}

// The memory that a tile's adjoint works in; one after the other may use the same.
template <class T> struct LifWork {
    LifTile<T> tile;
    Aligned<T> path;
    std::vector<LifFlow<T>> flow;
    std::vector<double> sums;
};

// One tile of one sample, from its last step to its first.
template <class T, Reset kReset, bool kRefractory, bool kSums> struct LifAdjoint {
    static constexpr bool kState = kSums || kReset == Reset::zero;
    using Moment = LifMoment<T, kState>;
    const LifBackward<T>& c;
    i64 b, first, width, vectors, at_once;
    LifTile<T>& tile;  // the vectors of at_once spans
    Moment* path;      // (at_once, kLifSpan, vectors)
    std::vector<LifFlow<T>>& flow;
    std::vector<double>& sums;  // (4, width)
    SpanReader<T> current, grad;
    SpanWriter<T> out;

    LifAdjoint(const LifBackward<T>& call, i64 b_, i64 first_, i64 width_, LifWork<T>& work)
        : c(call), b(b_), first(first_), width(width_), vectors((width_ + kLanes<T> - 1) / kLanes<T>),
          at_once(std::max<i64>(1, kAdjointVectors / vectors)), tile(work.tile), flow(work.flow), sums(work.sums),
          current(c.current, b, first, width), grad(c.grad_spikes, b, first, width),
          out(c.grad_current, b, first, width, use_streaming<T>(c.batch * c.seqlen * c.channels)) {
        const std::size_t needed = at_once * kLifSpan * vectors * sizeof(Moment) / sizeof(T);
        if (work.path.size() < needed) work.path.resize(needed);
        path = reinterpret_cast<Moment*>(work.path.data());
        flow.assign(vectors, LifFlow<T>{}), sums.assign(4 * width, 0.0);
        tile.vectors.clear();
        for (i64 i = 0; i < at_once; ++i) tile.add(c.parameters, first, width);
    }

    void take_grad_state() {
        const i64 at = b * c.channels + first;
        for (i64 i = 0, j = 0; i < vectors; ++i, j += kLanes<T>) {
            const int n = tile.vectors[i].lanes;
            store<T>(flow[i].to_lam, load_first<T>(c.grad_v + at + j, n));
            store<T>(flow[i].to_kap, load_first<T>(c.grad_r + at + j, n));
            store<T>(flow[i].to_mu, load_first<T>(c.grad_s + at + j, n));
        }
    }
    void give_grad_state() const {
        const i64 at = b * c.channels + first;
        for (i64 i = 0, j = 0; i < vectors; ++i, j += kLanes<T>) {
            const int n = tile.vectors[i].lanes;
            store_first<T>(c.grad_v + at + j, load<T>(flow[i].to_lam), n);
            store_first<T>(c.grad_r + at + j, load<T>(flow[i].to_kap), n);
            store_first<T>(c.grad_s + at + j, load<T>(flow[i].to_mu), n);
        }
        for (int p = 0; kSums && p < 4; ++p)
            std::copy_n(sums.data() + p * width, width, c.grad_parameters + (b * 4 + p) * c.channels + first);
    }
    // Span sums in T, the total in double: sums over long sequences stay exact to float's own resolution.
    void collect() {
        for (i64 i = 0, j = 0; i < vectors; ++i, j += kLanes<T>)
            for (int p = 0; p < 4; ++p) {
                double* total = sums.data() + p * width + j;
                for (int k = 0; k < tile.vectors[i].lanes; ++k) total[k] += flow[i].sums[p][k];
                store<T>(flow[i].sums[p], Vec<T>{});
            }
    }
    // Replays the spans [k, k + n), all but the sequence's last of them whole.
    void replay(i64 k, i64 n) {
        const i64 spans = (c.seqlen + kLifSpan - 1) / kLifSpan, t = k * kLifSpan;
        const i64 steps = std::min(n * kLifSpan, c.seqlen - t);
        const SpanView<const T> in = current.at(t, steps, -kLifSpan);
        for (i64 i = 0; i < n; ++i) {
            const T* checkpoint = c.checkpoints + ((b * spans + k + i) * 3) * c.channels + first;
            LifVector<T>* q = tile.vectors.data() + i * vectors;
            load_state(q, vectors, checkpoint, c.channels);
            for (i64 j = 0; j < vectors; ++j) q[j].from = i * kLifSpan * in.stride + j * kLanes<T>;
        }
        replay_function<T, kReset, kRefractory, kState>(c.surrogate)(
            {tile.vectors.data(), n * vectors, vectors, path, in, grad.fetch(t), std::min(steps, kLifSpan), c.surrogate_scale, k == 0});
    }
    void run() {
        const FlushDenormals flush;
        take_grad_state();
        i64 k = (c.seqlen + kLifSpan - 1) / kLifSpan;
        while (k > 0) {
            // The last span may be short and is replayed alone.
            const i64 n = k * kLifSpan > c.seqlen ? 1 : std::min(at_once, k);
            k -= n;
            poll(k / n);
            replay(k, n);
            for (i64 i = n - 1; i >= 0; --i) step_back(k + i, path + i * kLifSpan * vectors);
        }
        give_grad_state();
        fence_streaming();
    }
    void step_back(i64 k, const Moment* span_path) {
        const i64 t = k * kLifSpan, steps = std::min(kLifSpan, c.seqlen - t);
        const SpanView<T> to = out.begin(t, steps);
        const AdjointSpan<T, Moment> span{
            grad.at(t, steps, -kLifSpan), to, current.fetch(t - kLifSpan), span_path, steps, vectors, c.gradient};
        if (out.rows_stream())
            lif_adjoint_span<T, kReset, kRefractory, kSums, Store::streaming>(tile, flow.data(), span);
        else
            lif_adjoint_span<T, kReset, kRefractory, kSums, Store::cached>(tile, flow.data(), span);
        out.end(to, t, steps);
        if constexpr (kSums) collect();
    }
};

template <class T, Reset kReset> void lif_backward_tile(const LifBackward<T>& c, i64 b, i64 first, i64 width, LifWork<T>& work) {
    if (c.wants_parameters)
        LifAdjoint<T, kReset, true, true>(c, b, first, width, work).run();
    else if (c.has_refractory)
        LifAdjoint<T, kReset, true, false>(c, b, first, width, work).run();
    else
        LifAdjoint<T, kReset, false, false>(c, b, first, width, work).run();
}

template <class T> void lif_backward_channels(const LifBackward<T>& c, i64 b, i64 first, i64 width, LifWork<T>& work) {
    if (c.reset == 0)
        lif_backward_tile<T, Reset::subtract>(c, b, first, width, work);
    else if (c.reset == 1)
        lif_backward_tile<T, Reset::zero>(c, b, first, width, work);
    else
        lif_backward_tile<T, Reset::none>(c, b, first, width, work);
}

template <class T> void lif_backward(const LifBackward<T>& c) {
    const i64 widest = std::min(widest_tile(c.current, c.grad_current, c.channels, kAdjointWidest),
                                widest_tile(c.current, c.grad_spikes, c.channels, kAdjointWidest));
    const i64 width = tile_width<T>(c.batch, c.channels, c.threads, widest), tiles = (c.channels + width - 1) / width;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 b = item / tiles, first = item % tiles * width, n = std::min(width, c.channels - first);
        LifWork<T> work;
        lif_backward_channels<T>(c, b, first, n, work);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
