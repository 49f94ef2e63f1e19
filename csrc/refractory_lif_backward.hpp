// The adjoint of the refractory neuron: one pass backwards over blocks that are computed again from their saved states.
//
//     mu[t]  = G[t] + (what s[t] does to v[t+1] and r[t+1])
//     lam[t] = g'[t]*mu[t] + beta*(du[t]/dv[t])*lam[t+1]          = dLoss/dcurrent[t]
//     kap[t] = -rho*g'[t]*mu[t] + gamma*kap[t+1]
#pragma once
#include <algorithm>
#include <vector>

#include "refractory_lif.hpp"

namespace longspike::LONGSPIKE_ARCH {

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
        return splat<T>(T(0.5)) * a / (one + w * w);
    }
    if constexpr (kKind == 3) return absolute<T>(z) < splat<T>(T(0.5)) * a ? inverse : Vec<T>{};          // boxcar
    const Vec<T> p = one / (one + exponential<T>(-a * z));                                               // sigmoid
    return a * p * (one - p);
}

// What the backward pass keeps of one vector of channels at one step, and over a block.
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment {
    T v[kLanes<T>], r[kLanes<T>], s[kLanes<T>], slope[kLanes<T>];
};
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifFlow {
    T beta[kLanes<T>], theta[kLanes<T>], rho[kLanes<T>], gamma[kLanes<T>];
    T to_mu[kLanes<T>], to_lam[kLanes<T>], to_kap[kLanes<T>];  // what the step after sends back to s, v, r
    T sums[4][kLanes<T>];                                      // d_beta, d_theta, d_rho, d_gamma over the block
};
template <class T> struct LifAdjoint {
    i64 width, cells;
    std::vector<LifMoment<T>> path;  // (kLifBlock + 1, cells); the first row is the state before the block
    std::vector<LifFlow<T>> flow;    // (cells)
    std::vector<double> sums;        // (4, width)
    LifAdjoint(const LifTile<T>& tile)
        : width(tile.width), cells(tile.cells.size()), path((kLifBlock + 1) * cells, LifMoment<T>{}),
          flow(cells, LifFlow<T>{}), sums(4 * tile.width) {
        for (i64 i = 0; i < cells; ++i) {
            const auto& q = tile.cells[i];
            std::copy_n(q.beta, kLanes<T>, flow[i].beta), std::copy_n(q.theta, kLanes<T>, flow[i].theta);
            std::copy_n(q.rho, kLanes<T>, flow[i].rho), std::copy_n(q.gamma, kLanes<T>, flow[i].gamma);
        }
    }
    // The adjoint after the last step comes in, that before the first goes out, with the sums of the parameters.
    void load_flow(const LifBackward<T>& c, i64 at) {
        for (i64 j = 0; j < width; ++j) {
            auto& q = flow[j / kLanes<T>];
            const i64 k = j % kLanes<T>;
            q.to_lam[k] = c.grad_v[at + j], q.to_kap[k] = c.grad_r[at + j], q.to_mu[k] = c.grad_s[at + j];
        }
    }
    void store_flow(const LifBackward<T>& c, i64 at, double* parameters) const {
        for (i64 j = 0; j < width; ++j) {
            const auto& q = flow[j / kLanes<T>];
            const i64 k = j % kLanes<T>;
            c.grad_v[at + j] = q.to_lam[k], c.grad_r[at + j] = q.to_kap[k], c.grad_s[at + j] = q.to_mu[k];
        }
        for (int p = 0; parameters && p < 4; ++p) std::copy_n(sums.data() + p * width, width, parameters + p * c.channels);
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
};

// Runs a block again from the path's first row; keeps v, r, s of every step and the slope at z = v - rho*r - theta.
template <class T, Reset kReset, bool kRefractory, int kKind>
void lif_replay(LifAdjoint<T>& a, T scale, const T* x, i64 rows, i64 stride) {
    const Vec<T> scale_v = splat<T>(scale), inverse = splat<T>(T(1) / scale);
    const LifMoment<T>* before = a.path.data();
    LifMoment<T>* now = a.path.data() + a.cells;
    for (i64 t = 0; t < rows; ++t, x += stride) {
        const LifFlow<T>* q = a.flow.data();
        for (i64 j = 0; j < a.width; j += kLanes<T>, ++q, ++before, ++now) {
            const int n = static_cast<int>(std::min<i64>(kLanes<T>, a.width - j));
            const Vec<T> s0 = load<T>(before->s), theta = load<T>(q->theta);
            const Vec<T> v = load<T>(q->beta) * after_reset<T, kReset>(load<T>(before->v), s0, theta) + load_first<T>(x + j, n);
            Vec<T> u = v;
            if constexpr (kRefractory) {
                const Vec<T> r = load<T>(q->gamma) * load<T>(before->r) + s0;
                u = v - load<T>(q->rho) * r;
                store<T>(now->r, r);
            }
            store<T>(now->v, v);
            store<T>(now->s, u > theta ? splat<T>(1) : Vec<T>{});
            store<T>(now->slope, surrogate_slope<T, kKind>(scale_v, inverse, u - theta));
        }
    }
}

template <class T> using ReplayFunction = void (*)(LifAdjoint<T>&, T, const T*, i64, i64);
template <class T, Reset kReset, bool kRefractory> ReplayFunction<T> replay_function(int surrogate) {
    static constexpr ReplayFunction<T> table[] = {
        lif_replay<T, kReset, kRefractory, 0>, lif_replay<T, kReset, kRefractory, 1>, lif_replay<T, kReset, kRefractory, 2>,
        lif_replay<T, kReset, kRefractory, 3>, lif_replay<T, kReset, kRefractory, 4>};
    return table[surrogate];
}

// One step of the adjoint for one vector of channels: returns the gradient of the current.
template <class T, Reset kReset, bool kRefractory, bool kSums>
inline Vec<T> lif_adjoint_step(LifFlow<T>& q, const LifMoment<T>& before, const LifMoment<T>& now, Vec<T> grad, Vec<T> through_reset, Vec<T> through_time) {
    const Vec<T> beta = load<T>(q.beta), theta = load<T>(q.theta), v0 = load<T>(before.v), s0 = load<T>(before.s);
    const Vec<T> slope_mu = load<T>(now.slope) * (grad + load<T>(q.to_mu));
    const Vec<T> lam = slope_mu + load<T>(q.to_lam);
    Vec<T> kap{}, keep = beta, drop{};
    if constexpr (kRefractory) {
        kap = load<T>(q.to_kap) - load<T>(q.rho) * slope_mu;
        store<T>(q.to_kap, through_time * load<T>(q.gamma) * kap);
    }
    if constexpr (kReset == Reset::subtract) drop = beta * theta;
    if constexpr (kReset == Reset::zero) {
        keep = beta * (splat<T>(1) - s0);
        drop = beta * v0;
    }
    if constexpr (kSums) {
        Vec<T> d_theta = load<T>(q.sums[1]) - slope_mu;
        if constexpr (kReset == Reset::subtract) d_theta -= beta * s0 * lam;
        store<T>(q.sums[0], fma(lam, after_reset<T, kReset>(v0, s0, theta), load<T>(q.sums[0])));
        store<T>(q.sums[1], d_theta);
        store<T>(q.sums[2], load<T>(q.sums[2]) - slope_mu * load<T>(now.r));
        store<T>(q.sums[3], fma(kap, load<T>(before.r), load<T>(q.sums[3])));
    }
    store<T>(q.to_mu, through_time * (kap - through_reset * drop * lam));
    store<T>(q.to_lam, through_time * keep * lam);
    return lam;
}

// The adjoint of one replayed block; `start` is the address offset of its first row.
template <class T, Reset kReset, bool kRefractory, bool kSums>
void lif_adjoint_block(const LifBackward<T>& c, LifAdjoint<T>& a, i64 start, i64 rows, bool streaming) {
    const Vec<T> through_reset = splat<T>(c.gradient == 1 ? 0 : 1), through_time = splat<T>(c.gradient == 2 ? 0 : 1);
    const LifMoment<T>* now = a.path.data() + (rows + 1) * a.cells - 1;
    // Backwards the hardware does not prefetch: gradients 8 rows ahead, and the inputs of the block before, are fetched here.
    for (i64 t = rows - 1; t >= 0; --t) {
        const i64 row = start + t * c.channels;
        const T* ahead = c.grad_spikes + std::max<i64>(0, row - 8 * c.channels);
        const T* earlier = c.current + std::max<i64>(0, row - kLifBlock * c.channels);
        for (i64 i = a.cells - 1; i >= 0; --i, --now) {
            const i64 j = i * kLanes<T>;
            __builtin_prefetch(ahead + j);
            __builtin_prefetch(earlier + j, 0, 2);
            const int n = static_cast<int>(std::min<i64>(kLanes<T>, a.width - j));
            const Vec<T> grad = load_first<T>(c.grad_spikes + row + j, n);
            const Vec<T> lam = lif_adjoint_step<T, kReset, kRefractory, kSums>(a.flow[i], now[-a.cells], *now, grad, through_reset, through_time);
            if (streaming)
                store_streaming<T>(c.grad_current + row + j, lam);
            else
                store_first<T>(c.grad_current + row + j, lam, n);
        }
    }
}

// One block backward from its saved state (v, r, s of the tile's channels, `stride` apart).
template <class T, Reset kReset, bool kRefractory, bool kSums>
void lif_backward_block(const LifBackward<T>& c, LifAdjoint<T>& a, const T* saved, i64 start, i64 rows, bool streaming) {
    const FlushDenormals flush;
    for (i64 j = 0; j < a.width; ++j) {
        auto& state = a.path[j / kLanes<T>];
        const i64 lane = j % kLanes<T>;
        state.v[lane] = saved[j], state.r[lane] = saved[c.channels + j], state.s[lane] = saved[2 * c.channels + j];
    }
    replay_function<T, kReset, kRefractory>(c.surrogate)(a, c.surrogate_scale, c.current + start, rows, c.channels);
    lif_adjoint_block<T, kReset, kRefractory, kSums>(c, a, start, rows, streaming);
    if constexpr (kSums) a.collect();
}

template <class T> using LifBlockFunction = void (*)(const LifBackward<T>&, LifAdjoint<T>&, const T*, i64, i64, bool);
template <class T, Reset kReset> LifBlockFunction<T> lif_block_function_of(const LifBackward<T>& c) {
    if (c.wants_parameters) return lif_backward_block<T, kReset, true, true>;
    if (c.has_refractory) return lif_backward_block<T, kReset, true, false>;
    return lif_backward_block<T, kReset, false, false>;
}
template <class T> LifBlockFunction<T> lif_block_function(const LifBackward<T>& c) {
    if (c.reset == 0) return lif_block_function_of<T, Reset::subtract>(c);
    if (c.reset == 1) return lif_block_function_of<T, Reset::zero>(c);
    return lif_block_function_of<T, Reset::none>(c);
}

template <class T> void lif_backward_tile(const LifBackward<T>& c, i64 b, i64 first, i64 width) {
    LifAdjoint<T> a(LifTile<T>(c.parameters, first, width));
    const i64 at = b * c.channels + first, blocks = (c.seqlen + kLifBlock - 1) / kLifBlock;
    const bool streaming = use_streaming<T>(c.grad_current, c.batch * c.seqlen * c.channels, c.channels);
    const auto block = lif_block_function<T>(c);
    a.load_flow(c, at);
    for (i64 k = blocks - 1; k >= 0; --k)
        block(c, a, c.checkpoints + ((b * blocks + k) * 3) * c.channels + first, (b * c.seqlen + k * kLifBlock) * c.channels + first,
              std::min(kLifBlock, c.seqlen - k * kLifBlock), streaming);
    a.store_flow(c, at, c.wants_parameters ? c.grad_parameters + b * 4 * c.channels + first : nullptr);
    fence_streaming();
}

template <class T> void lif_backward(const LifBackward<T>& c) {
    const i64 width = tile_width<T>(c.batch, c.channels, c.threads, 256), tiles = (c.channels + width - 1) / width;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 b = item / tiles, first = item % tiles * width, n = std::min(width, c.channels - first);
        lif_backward_tile<T>(c, b, first, n);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
