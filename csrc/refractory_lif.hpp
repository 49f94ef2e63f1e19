// Refractory leaky integrate-and-fire neuron over time: forward, speculative forward, backward.
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

// The state and parameters of up to `width` neighbouring channels of one sample.
template <class T> struct LifTile {
    i64 width, lanes;  // lanes: width rounded up to whole vectors
    std::vector<T> data;
    T *v, *r, *s, *beta, *theta, *rho, *gamma;

    LifTile(const LifParameters<T>& p, i64 first, i64 width_)
        : width(width_), lanes((width_ + kLanes<T> - 1) / kLanes<T> * kLanes<T>), data(7 * (lanes + 16) + kLanes<T>) {
        T* base = data.data();
        base += (LONGSPIKE_VECTOR_BYTES - reinterpret_cast<std::uintptr_t>(base) % LONGSPIKE_VECTOR_BYTES) %
                LONGSPIKE_VECTOR_BYTES / sizeof(T);
        T** rows[] = {&v, &r, &s, &beta, &theta, &rho, &gamma};
        for (int k = 0; k < 7; ++k) *rows[k] = base + k * (lanes + 16);  // staggered: no 4 KiB aliasing
        std::copy_n(p.beta + first, width, beta);
        std::copy_n(p.theta + first, width, theta);
        std::copy_n(p.rho + first, width, rho);
        std::copy_n(p.gamma + first, width, gamma);
    }
    void load_state(const T* v0, const T* r0, const T* s0) {
        std::copy_n(v0, width, v);
        std::copy_n(r0, width, r);
        std::copy_n(s0, width, s);
    }
    void store_state(T* v1, T* r1, T* s1) const {
        std::copy_n(v, width, v1);
        std::copy_n(r, width, r1);
        std::copy_n(s, width, s1);
    }
    void clear_state() {
        std::fill_n(v, lanes, T(0));
        std::fill_n(r, lanes, T(0));
        std::fill_n(s, lanes, T(0));
    }
};

template <class T, Reset kReset> inline Vec<T> after_reset(Vec<T> v, Vec<T> s, Vec<T> theta) {
    if constexpr (kReset == Reset::subtract) return v - theta * s;
    if constexpr (kReset == Reset::zero) return s > Vec<T>{} ? Vec<T>{} : v;
    return v;
}

// One vector of channels, one step: reads and writes the tile's state at lane j, returns the spikes.
template <class T, Reset kReset> inline Vec<T> lif_step(const LifTile<T>& q, i64 j, Vec<T> current) {
    const Vec<T> s = load<T>(q.s + j), theta = load<T>(q.theta + j);
    const Vec<T> r = load<T>(q.gamma + j) * load<T>(q.r + j) + s;
    const Vec<T> v = load<T>(q.beta + j) * after_reset<T, kReset>(load<T>(q.v + j), s, theta) + current;
    const Vec<T> spikes = (v - load<T>(q.rho + j) * r) > theta ? splat<T>(1) : Vec<T>{};
    store<T>(q.v + j, v);
    store<T>(q.r + j, r);
    store<T>(q.s + j, spikes);
    return spikes;
}

// `rows` steps of one tile; `out` may be null (a silent run).
template <class T, Reset kReset>
void lif_rows(LifTile<T>& q, const T* x, T* out, i64 rows, i64 stride, bool streaming) {
    const i64 whole = q.width / kLanes<T> * kLanes<T>;
    const int rest = static_cast<int>(q.width - whole);
    for (i64 t = 0; t < rows; ++t, x += stride) {
        for (i64 j = 0; j < whole; j += kLanes<T>) {
            const Vec<T> spikes = lif_step<T, kReset>(q, j, load<T>(x + j));
            if (!out) continue;
            if (streaming)
                store_streaming<T>(out + j, spikes);
            else
                store<T>(out + j, spikes);
        }
        if (rest) {
            const Vec<T> spikes = lif_step<T, kReset>(q, whole, load_first<T>(x + whole, rest));
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

// Slope of the surrogate at z, the derivative of the primitive named in neurons/surrogate.py.
template <class T> inline Vec<T> surrogate_slope(int kind, T scale, Vec<T> z) {
    const Vec<T> one = splat<T>(1), a = splat<T>(scale);
    switch (kind) {
        case 0: return maximum<T>(Vec<T>{}, one - absolute<T>(z / a)) / a;                        // triangle
        case 1: {                                                                                // fast_sigmoid
            const Vec<T> d = one + a * absolute<T>(z);
            return one / (d * d);
        }
        case 2: {  // atan
            const Vec<T> w = splat<T>(T(1.5707963267948966)) * a * z;
            return splat<T>(T(0.5)) * a / (one + w * w);
        }
        case 3: return absolute<T>(z) < splat<T>(T(0.5)) * a ? one / a : Vec<T>{};                // boxcar
        default: {                                                                               // sigmoid
            const Vec<T> p = one / (one + exponential<T>(-a * z));
            return a * p * (one - p);
        }
    }
}

// Scratch of the backward pass for one tile: the block's trajectory, its slopes, the adjoint, the sums.
template <class T> struct LifAdjoint {
    i64 lanes, row;
    std::vector<T> v, r, s, slope;                                  // (kLifBlock + 1, row); row 0 is the state before
    std::vector<T> to_mu, to_lam, to_kap, d_beta, d_theta, d_rho, d_gamma;  // (row)
    std::vector<double> sums;                                       // (4, row)
    explicit LifAdjoint(i64 lanes_)
        : lanes(lanes_), row(lanes_ + 16), v((kLifBlock + 1) * row), r(v.size()), s(v.size()), slope(v.size()),
          to_mu(row), to_lam(row), to_kap(row), d_beta(row), d_theta(row), d_rho(row), d_gamma(row), sums(4 * row) {}
};

// Runs a block again and keeps v, r, s of every step and the slope at z = v - rho*r - theta.
template <class T, Reset kReset>
void lif_replay(LifTile<T>& q, LifAdjoint<T>& a, const LifBackward<T>& c, const T* x, i64 rows) {
    const auto keep = [&](i64 t) {
        std::copy_n(q.v, q.lanes, a.v.data() + t * a.row);
        std::copy_n(q.r, q.lanes, a.r.data() + t * a.row);
        std::copy_n(q.s, q.lanes, a.s.data() + t * a.row);
    };
    keep(0);
    for (i64 t = 1; t <= rows; ++t, x += c.channels) {
        for (i64 j = 0; j < q.lanes; j += kLanes<T>) {
            const int n = static_cast<int>(std::min<i64>(kLanes<T>, q.width - j));
            lif_step<T, kReset>(q, j, load_first<T>(x + j, n));
            const Vec<T> z = load<T>(q.v + j) - load<T>(q.rho + j) * load<T>(q.r + j) - load<T>(q.theta + j);
            store<T>(a.slope.data() + t * a.row + j, surrogate_slope<T>(c.surrogate, c.surrogate_scale, z));
        }
        keep(t);
    }
}

// One step of the adjoint for one vector of channels; `t` counts from 1 within the block.
template <class T, Reset kReset>
inline Vec<T> lif_adjoint_step(const LifTile<T>& q, LifAdjoint<T>& a, i64 t, i64 j, Vec<T> grad, T through_reset, T through_time) {
    const i64 now = t * a.row + j, before = now - a.row;
    const Vec<T> beta = load<T>(q.beta + j), theta = load<T>(q.theta + j);
    const Vec<T> v0 = load<T>(&a.v[before]), r0 = load<T>(&a.r[before]), s0 = load<T>(&a.s[before]);
    const Vec<T> slope_mu = load<T>(&a.slope[now]) * (grad + load<T>(&a.to_mu[j]));
    const Vec<T> lam = slope_mu + load<T>(&a.to_lam[j]);
    const Vec<T> kap = load<T>(&a.to_kap[j]) - load<T>(q.rho + j) * slope_mu;

    store<T>(&a.d_beta[j], fma(lam, after_reset<T, kReset>(v0, s0, theta), load<T>(&a.d_beta[j])));
    store<T>(&a.d_rho[j], load<T>(&a.d_rho[j]) - slope_mu * load<T>(&a.r[now]));
    store<T>(&a.d_gamma[j], fma(kap, r0, load<T>(&a.d_gamma[j])));
    Vec<T> d_theta = load<T>(&a.d_theta[j]) - slope_mu, keep = beta, drop{};
    if constexpr (kReset == Reset::subtract) {
        d_theta -= beta * s0 * lam;
        drop = beta * theta;
    }
    if constexpr (kReset == Reset::zero) {
        keep = beta * (splat<T>(1) - s0);
        drop = beta * v0;
    }
    store<T>(&a.d_theta[j], d_theta);
    store<T>(&a.to_mu[j], splat<T>(through_time) * (kap - splat<T>(through_reset) * drop * lam));
    store<T>(&a.to_lam[j], splat<T>(through_time) * keep * lam);
    store<T>(&a.to_kap[j], splat<T>(through_time) * load<T>(q.gamma + j) * kap);
    return lam;
}

template <class T, Reset kReset> void lif_backward_tile(const LifBackward<T>& c, i64 b, i64 first, i64 width) {
    LifTile<T> q(c.parameters, first, width);
    LifAdjoint<T> a(q.lanes);
    const i64 at = b * c.channels + first, blocks = (c.seqlen + kLifBlock - 1) / kLifBlock;
    const T through_reset = c.gradient == 1 ? T(0) : T(1), through_time = c.gradient == 2 ? T(0) : T(1);
    std::copy_n(c.grad_v + at, width, a.to_lam.data());
    std::copy_n(c.grad_r + at, width, a.to_kap.data());
    std::copy_n(c.grad_s + at, width, a.to_mu.data());
    const bool streaming = use_streaming<T>(c.grad_current, c.batch * c.seqlen * c.channels, c.channels);
    std::vector<T>* partial[] = {&a.d_beta, &a.d_theta, &a.d_rho, &a.d_gamma};
    for (i64 k = blocks - 1; k >= 0; --k) {
        const T* saved = c.checkpoints + ((b * blocks + k) * 3) * c.channels + first;
        q.load_state(saved, saved + c.channels, saved + 2 * c.channels);
        const i64 rows = std::min(kLifBlock, c.seqlen - k * kLifBlock);
        const i64 start = (b * c.seqlen + k * kLifBlock) * c.channels + first;
        lif_replay<T, kReset>(q, a, c, c.current + start, rows);
        for (i64 t = rows; t >= 1; --t) {
            const i64 row = start + (t - 1) * c.channels;
            for (i64 j = 0; j < q.lanes; j += kLanes<T>) {
                const int n = static_cast<int>(std::min<i64>(kLanes<T>, width - j));
                const Vec<T> grad = load_first<T>(c.grad_spikes + row + j, n);
                const Vec<T> lam = lif_adjoint_step<T, kReset>(q, a, t, j, grad, through_reset, through_time);
                if (streaming)
                    store_streaming<T>(c.grad_current + row + j, lam);
                else
                    store_first<T>(c.grad_current + row + j, lam, n);
            }
        }
        for (int p = 0; p < 4; ++p)  // float sums over a block only; double beyond
            for (i64 j = 0; j < width; ++j) {
                a.sums[p * a.row + j] += (*partial[p])[j];
                (*partial[p])[j] = 0;
            }
    }
    std::copy_n(a.to_lam.data(), width, c.grad_v + at);
    std::copy_n(a.to_kap.data(), width, c.grad_r + at);
    std::copy_n(a.to_mu.data(), width, c.grad_s + at);
    for (int p = 0; p < 4; ++p)
        std::copy_n(a.sums.data() + p * a.row, width, c.grad_parameters + (b * 4 + p) * c.channels + first);
    fence_streaming();
}

template <class T> void lif_backward(const LifBackward<T>& c) {
    const i64 width = tile_width<T>(c.batch, c.channels, c.threads, 256), tiles = (c.channels + width - 1) / width;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 b = item / tiles, first = item % tiles * width, n = std::min(width, c.channels - first);
        if (c.reset == 0)
            lif_backward_tile<T, Reset::subtract>(c, b, first, n);
        else if (c.reset == 1)
            lif_backward_tile<T, Reset::zero>(c, b, first, n);
        else
            lif_backward_tile<T, Reset::none>(c, b, first, n);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
