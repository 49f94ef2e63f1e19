// The adjoint of the refractory neuron: one pass backwards over blocks that are computed again from their saved states.
//
//     mu[t]  = G[t] + (what s[t] does to v[t+1] and r[t+1])
//     lam[t] = g'[t]*mu[t] + beta*(du[t]/dv[t])*lam[t+1]          = dLoss/dcurrent[t]
//     kap[t] = -rho*g'[t]*mu[t] + gamma*kap[t+1]
#pragma once
#include <algorithm>
#include <vector>

#include "refractory_lif/forward.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kAdjointWidest = 256;   // channels of a tile: its replayed block stays in the second cache
constexpr i64 kAdjointCells = 4;      // cells that hide the latency of a step; a narrower tile replays several blocks at once

// Slope of the surrogate at z, the derivative of the primitive in kernels/refractory_lif/surrogates.py; a is its scale.
template <class T, int kKind> inline Vec<T> surrogate_slope(Vec<T> a, Vec<T> inverse, Vec<T> z) {
    const Vec<T> one = splat<T>(1);
    if constexpr (kKind == 0) return maximum<T>(Vec<T>{}, one - absolute<T>(z * inverse)) * inverse;      // triangle
    if constexpr (kKind == 1) {                                                                          // fast_sigmoid
        const Vec<T> d = one + a * absolute<T>(z);
        return one / (d * d);
    }
    if constexpr (kKind == 2) {  // atan
        const Vec<T> w = splat<T>(T(1.5707963267948966)) * a * z;
        return splat<T>(T(0.5)) * a / fma(w, w, one);
    }
    if constexpr (kKind == 3) return absolute<T>(z) < splat<T>(T(0.5)) * a ? inverse : Vec<T>{};          // boxcar
    const Vec<T> e = exponential<T>(-absolute<T>(a * z)), d = one + e;                                   // sigmoid
    return a * e / (d * d);  // a*p*(1 - p) is even in z, and e <= 1 cannot overflow
}

// What the adjoint needs of one step of one cell: the slope at z = v - rho*r - theta, and where the reset or the
// gradients of the parameters ask for it the state before the step.
template <class T, bool kState> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment;
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment<T, false> { T slope[kLanes<T>]; };
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment<T, true> {
    T slope[kLanes<T>], v[kLanes<T>], r[kLanes<T>], s[kLanes<T>];
};

// What runs backwards through a cell, and the sums over a block; an odd number of cache lines, as in LifCell.
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifFlow {
    T to_mu[kLanes<T>], to_lam[kLanes<T>], to_kap[kLanes<T>];  // what the step after sends back to s, v, r
    T sums[4][kLanes<T>];                                      // d_beta, d_theta, d_rho, d_gamma over the block
};

// Runs `steps` steps of a cell again and keeps what the adjoint needs; x and moment: of the first step.
template <class T, Reset kReset, bool kRefractory, bool kState, int kKind, bool kFirst = false>
[[gnu::always_inline]] inline void replay_steps(LifCell<T>& q, LifMoment<T, kState>* moment, i64 cells, const T* x, i64 stride,
                                                Fetch<T>& fetch, i64 steps, int width, Vec<T> scale, Vec<T> inverse) {
    LifLanes<T> lanes(q);
    for (i64 k = 0; k < steps; ++k, x += stride, moment += cells) {
        if constexpr (kState) {
            store<T>(moment->v, lanes.v), store<T>(moment->s, lanes.s);
            if constexpr (kRefractory) store<T>(moment->r, lanes.r);
        }
        fetch.template next<2>();
        const Vec<T> current = load_first<T>(x, width);
        if constexpr (kFirst)
            lanes.template first_step<kReset, kRefractory>(current);
        else
            lanes.template step<kReset, kRefractory>(current);
        store<T>(moment->slope, surrogate_slope<T, kKind>(scale, inverse, lanes.u - lanes.theta));
    }
    lanes.keep(q);
}

// Steps [0, steps) of n cells: `cells` of a block, then those of the next block. path: (n / cells, kLifBlock, cells).
template <class T, Reset kReset, bool kRefractory, bool kState, int kKind>
void lif_replay(LifCell<T>* all, i64 n, LifMoment<T, kState>* path, i64 cells, T scale_, Block<const T> in, Fetch<T> fetch, i64 steps,
                bool any_spike) {
    const Vec<T> scale = splat<T>(scale_), inverse = splat<T>(T(1) / scale_);
    i64 start = 0;
    const auto place = [&](i64 i, i64 t) { return path + (i / cells * kLifBlock + t) * cells + i % cells; };
    const auto from = [&](i64 i, i64 t) { return in.first + t * in.stride + all[i].from; };
    if (any_spike) {  // the first step of the sequence; the other blocks at hand take theirs with it
        for (i64 i = 0; i < n; ++i)
            replay_steps<T, kReset, kRefractory, kState, kKind, true>(all[i], place(i, 0), cells, from(i, 0), in.stride, fetch, 1,
                                                                      all[i].lanes, scale, inverse);
        start = 1;
    }
    for (i64 t = start; t < steps; t += kLifSteps) {
        const i64 some = std::min(kLifSteps, steps - t);
        for (i64 i = 0; i < n; ++i) {
            if (all[i].lanes == kLanes<T> && some == kLifSteps)
                replay_steps<T, kReset, kRefractory, kState, kKind>(all[i], place(i, t), cells, from(i, t), in.stride, fetch, kLifSteps,
                                                                    kLanes<T>, scale, inverse);
            else
                replay_steps<T, kReset, kRefractory, kState, kKind>(all[i], place(i, t), cells, from(i, t), in.stride, fetch, some,
                                                                    all[i].lanes, scale, inverse);
        }
    }
}

template <class T, bool kState>
using ReplayFunction = void (*)(LifCell<T>*, i64, LifMoment<T, kState>*, i64, T, Block<const T>, Fetch<T>, i64, bool);
template <class T, Reset kReset, bool kRefractory, bool kState> ReplayFunction<T, kState> replay_function(int surrogate) {
    static constexpr ReplayFunction<T, kState> table[] = {
        lif_replay<T, kReset, kRefractory, kState, 0>, lif_replay<T, kReset, kRefractory, kState, 1>,
        lif_replay<T, kReset, kRefractory, kState, 2>, lif_replay<T, kReset, kRefractory, kState, 3>,
        lif_replay<T, kReset, kRefractory, kState, 4>};
    return table[surrogate];
}

// The adjoint of a cell in registers.
template <class T, Reset kReset, bool kRefractory, bool kSums> struct AdjointLanes {
    static constexpr bool kState = kSums || kReset == Reset::zero;
    Vec<T> beta, theta, rho, gamma, drop, through_reset, through_time, to_mu, to_lam, to_kap, sums[4];

    AdjointLanes(const LifCell<T>& q, const LifFlow<T>& flow, int gradient)
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

// Where a block's gradients come from and go to.
template <class T> struct AdjointRows {
    Block<const T> grad;
    Block<T> out;
    Store store;
    Fetch<T> fetch;  // of the block before
};

// The `steps` steps of a cell before step `stop`.
template <class T, Reset kReset, bool kRefractory, bool kSums, Store kStore, class Moment>
[[gnu::always_inline]] inline void adjoint_steps(const LifCell<T>& q, LifFlow<T>& flow, const Moment* path, i64 cells,
                                                 const AdjointRows<T>& rows, Fetch<T>& fetch, i64 stop, i64 steps, int width,
                                                 int gradient) {
    AdjointLanes<T, kReset, kRefractory, kSums> lanes(q, flow, gradient);
    const T* grad = rows.grad.first + (stop - 1) * rows.grad.stride + q.to;
    T* out = rows.out.first + (stop - 1) * rows.out.stride + q.to;
    const i64 grad_stride = rows.grad.stride, out_stride = rows.out.stride;
    const Moment* moment = path + (stop - 1) * cells;
    for (i64 k = 0; k < steps; ++k) {
        fetch.template next<2>();
        put<T, kStore>(out, lanes.step(*moment, load_first<T>(grad, width)), width);
        grad -= grad_stride, out -= out_stride, moment -= cells;
    }
    lanes.keep(flow);
}

template <class T, Reset kReset, bool kRefractory, bool kSums, Store kStore, class Moment>
void lif_adjoint_rows(const LifTile<T>& tile, i64 cells, LifFlow<T>* flow, const Moment* path, const AdjointRows<T>& rows, i64 steps,
                      int gradient) {
    Fetch<T> fetch = rows.fetch;
    for (i64 stop = steps; stop > 0; stop -= kLifSteps) {
        const i64 n = std::min(kLifSteps, stop);
        for (i64 i = 0; i < cells; ++i) {
            const LifCell<T>& q = tile.cells[i];
            if (q.lanes == kLanes<T> && n == kLifSteps)
                adjoint_steps<T, kReset, kRefractory, kSums, kStore>(q, flow[i], path + i, cells, rows, fetch, stop, kLifSteps, kLanes<T>,
                                                                     gradient);
            else
                adjoint_steps<T, kReset, kRefractory, kSums, kStore>(q, flow[i], path + i, cells, rows, fetch, stop, n, q.lanes, gradient);
        }
    }
}

// One tile of one sample, from its last step to its first.
template <class T, Reset kReset, bool kRefractory, bool kSums> struct LifAdjoint {
    static constexpr bool kState = kSums || kReset == Reset::zero;
    using Moment = LifMoment<T, kState>;
    const LifBackward<T>& c;
    i64 b, first, width, cells, at_once;
    LifTile<T> tile;             // the cells of at_once blocks
    std::vector<Moment> path;    // (at_once, kLifBlock, cells)
    std::vector<LifFlow<T>> flow;
    std::vector<double> sums;    // (4, width)
    BlockReader<T> current, grad;
    BlockWriter<T> out;

    LifAdjoint(const LifBackward<T>& call, i64 b_, i64 first_, i64 width_)
        : c(call), b(b_), first(first_), width(width_), cells((width_ + kLanes<T> - 1) / kLanes<T>),
          at_once(std::max<i64>(1, kAdjointCells / cells)), path(at_once * kLifBlock * cells), flow(cells, LifFlow<T>{}), sums(4 * width_),
          current(c.current, b, first, width), grad(c.grad_spikes, b, first, width),
          out(c.grad_current, b, first, width, use_streaming<T>(c.batch * c.seqlen * c.channels)) {}

    void take_grad_state() {
        const i64 at = b * c.channels + first;
        for (i64 i = 0, j = 0; i < cells; ++i, j += kLanes<T>) {
            const int n = tile.cells[i].lanes;
            store<T>(flow[i].to_lam, load_first<T>(c.grad_v + at + j, n));
            store<T>(flow[i].to_kap, load_first<T>(c.grad_r + at + j, n));
            store<T>(flow[i].to_mu, load_first<T>(c.grad_s + at + j, n));
        }
    }
    void give_grad_state() const {
        const i64 at = b * c.channels + first;
        for (i64 i = 0, j = 0; i < cells; ++i, j += kLanes<T>) {
            const int n = tile.cells[i].lanes;
            store_first<T>(c.grad_v + at + j, load<T>(flow[i].to_lam), n);
            store_first<T>(c.grad_r + at + j, load<T>(flow[i].to_kap), n);
            store_first<T>(c.grad_s + at + j, load<T>(flow[i].to_mu), n);
        }
        for (int p = 0; kSums && p < 4; ++p)
            std::copy_n(sums.data() + p * width, width, c.grad_parameters + (b * 4 + p) * c.channels + first);
    }
    // Block sums in T, the total in double: sums over long sequences stay exact to float's own resolution.
    void collect() {
        for (i64 j = 0; j < width; ++j)
            for (int p = 0; p < 4; ++p) {
                T& sum = flow[j / kLanes<T>].sums[p][j % kLanes<T>];
                sums[p * width + j] += sum;
                sum = 0;
            }
    }
    // Replays the blocks [k, k + n), all but the sequence's last of them whole.
    void replay(i64 k, i64 n) {
        const i64 blocks = (c.seqlen + kLifBlock - 1) / kLifBlock, t = k * kLifBlock;
        const i64 steps = std::min(n * kLifBlock, c.seqlen - t);
        const Block<const T> in = current.at(t, steps, -kLifBlock);
        for (i64 i = 0; i < n; ++i) {
            const T* saved = c.checkpoints + ((b * blocks + k + i) * 3) * c.channels + first;
            LifCell<T>* q = tile.cells.data() + i * cells;
            load_state(q, cells, saved, saved + c.channels, saved + 2 * c.channels);
            for (i64 j = 0; j < cells; ++j) q[j].from = i * kLifBlock * in.stride + j * kLanes<T>;
        }
        replay_function<T, kReset, kRefractory, kState>(c.surrogate)(tile.cells.data(), n * cells, path.data(), cells, c.surrogate_scale,
                                                                     in, grad.fetch(t), std::min(steps, kLifBlock), k == 0);
    }
    void run() {
        const FlushDenormals flush;
        for (i64 i = 0; i < at_once; ++i) tile.add(c.parameters, first, width);
        take_grad_state();
        i64 k = (c.seqlen + kLifBlock - 1) / kLifBlock;
        while (k > 0) {
            // The last block may be short and is replayed alone.
            const i64 n = k * kLifBlock > c.seqlen ? 1 : std::min(at_once, k);
            k -= n;
            replay(k, n);
            for (i64 i = n - 1; i >= 0; --i) step_back(k + i, path.data() + i * kLifBlock * cells);
        }
        give_grad_state();
        fence_streaming();
    }
    void step_back(i64 k, const Moment* block) {
        const i64 t = k * kLifBlock, steps = std::min(kLifBlock, c.seqlen - t);
        const Block<T> to = out.begin(t, steps);
        const Store store = out.rows_stream() ? Store::streaming : Store::cached;
        const AdjointRows<T> rows{grad.at(t, steps, -kLifBlock), to, store, current.fetch(t - kLifBlock)};
        if (store == Store::streaming)
            lif_adjoint_rows<T, kReset, kRefractory, kSums, Store::streaming>(tile, cells, flow.data(), block, rows, steps, c.gradient);
        else
            lif_adjoint_rows<T, kReset, kRefractory, kSums, Store::cached>(tile, cells, flow.data(), block, rows, steps, c.gradient);
        out.end(to, t, steps);
        if constexpr (kSums) collect();
    }
};

template <class T, Reset kReset> void lif_backward_tile(const LifBackward<T>& c, i64 b, i64 first, i64 width) {
    if (c.wants_parameters)
        LifAdjoint<T, kReset, true, true>(c, b, first, width).run();
    else if (c.has_refractory)
        LifAdjoint<T, kReset, true, false>(c, b, first, width).run();
    else
        LifAdjoint<T, kReset, false, false>(c, b, first, width).run();
}

template <class T> void lif_backward_channels(const LifBackward<T>& c, i64 b, i64 first, i64 width) {
    if (c.reset == 0)
        lif_backward_tile<T, Reset::subtract>(c, b, first, width);
    else if (c.reset == 1)
        lif_backward_tile<T, Reset::zero>(c, b, first, width);
    else
        lif_backward_tile<T, Reset::none>(c, b, first, width);
}

template <class T> void lif_backward(const LifBackward<T>& c) {
    const i64 widest = std::min(widest_tile(c.current, c.grad_current, c.channels, kAdjointWidest),
                                widest_tile(c.current, c.grad_spikes, c.channels, kAdjointWidest));
    const i64 width = tile_width<T>(c.batch, c.channels, c.threads, widest), tiles = (c.channels + width - 1) / width;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 b = item / tiles, first = item % tiles * width, n = std::min(width, c.channels - first);
        lif_backward_channels<T>(c, b, first, n);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
