// The spike-aware memory over ragged ticks: the recurrence of a diagonal plus a matrix of low rank.
//
//     x <- g x - e (R W R*(e x)) + b u        y = 2 Re sum_n C_n x_n + D u        R* z = 2 Re sum_n conj(R_n) z_n
//
// g, e, b, W are a transition of sa_hippo/transition.hpp. The state of a head is a matrix (n_pairs, 2, d_head); a lane is a
// channel, and every channel's sums run over pairs and columns in ascending order, so a tick gives the same bits in a batch
// and in a stream. Whoever calls sa_hippo_tick holds a FlushDenormals: sa_hippo_forward does, and so must a stream.
#pragma once
#include <algorithm>

#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"
#include "sa_hippo/transition.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr int kMaxRank = 64;

// One head as its ticks see it.
template <class T> struct SaHippoHead {
    const T* r;      // (n_pairs, 2, rank)
    const T *c, *d;  // (n_pairs, 2, d_head) with rows `c_stride` apart; (d_head)
    i64 c_stride;
    int n_pairs, rank, d_head;
};

// The parts of a transition.
template <class T> struct SaHippoTransition {
    const T *gr, *gi, *er, *ei, *br, *bi, *w;
    SaHippoTransition(const T* table, int n)
        : gr(table), gi(table + n), er(table + 2 * n), ei(table + 3 * n), br(table + 4 * n), bi(table + 5 * n), w(table + 6 * n) {}
};

// A vector of channels in memory: all lanes, or the first `lanes`, the others zero and untouched.
template <class T, bool kWhole> inline Vec<T> load_lanes(const T* p, int lanes) {
    if constexpr (kWhole) return load<T>(p);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << lanes) - 1), p);
    else
        return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << lanes) - 1), p);
#else
    return load_first<T>(p, lanes);
#endif
}
template <class T, bool kWhole> inline void store_lanes(T* p, Vec<T> v, int lanes) {
    if constexpr (kWhole) return store<T>(p, v);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << lanes) - 1), v);
    else
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << lanes) - 1), v);
#else
    store_first<T>(p, v, lanes);
#endif
}

// A rank known to the compiler (kRank >= 0) or not.
template <int kRank> constexpr int rank_of(int rank) { return kRank >= 0 ? kRank : rank; }
template <int kRank> constexpr int kRankRoom = kRank >= 0 ? std::max(kRank, 1) : kMaxRank;

// s = R*(e x) and v = W s of one vector of channels.
template <class T, int kRank, bool kWhole>
inline void sa_hippo_read(const SaHippoHead<T>& q, const SaHippoTransition<T>& transition, const T* state, int lanes, Vec<T>* s,
                          Vec<T>* v) {
    const int rank = rank_of<kRank>(q.rank), pairs = q.n_pairs;
    const i64 d_head = q.d_head;
    Vec<T> real[kRankRoom<kRank>], imag[kRankRoom<kRank>];  // two chains of additions
    for (int j = 0; j < rank; ++j) real[j] = imag[j] = Vec<T>{};
    const T* r = q.r;
    for (int n = 0; n < pairs; ++n, r += 2 * rank, state += 2 * d_head) {
        const Vec<T> xr = load_lanes<T, kWhole>(state, lanes), xi = load_lanes<T, kWhole>(state + d_head, lanes);
        const Vec<T> er = splat<T>(transition.er[n]), ei = splat<T>(transition.ei[n]);
        const Vec<T> zr = fma(er, xr, -(ei * xi)), zi = fma(er, xi, ei * xr);
        for (int j = 0; j < rank; ++j) real[j] = fma(splat<T>(r[j]), zr, real[j]);
        for (int j = 0; j < rank; ++j) imag[j] = fma(splat<T>(r[rank + j]), zi, imag[j]);
    }
    for (int j = 0; j < rank; ++j) s[j] = splat<T>(2) * (real[j] + imag[j]);
    for (int j = 0; j < rank; ++j) {
        Vec<T> total{};
        for (int k = 0; k < rank; ++k) total = fma(splat<T>(transition.w[j * rank + k]), s[k], total);
        v[j] = total;
    }
}

// q = R v of one pair.
template <class T, int kRank> inline void sa_hippo_spread(const T* r, int rank, const Vec<T>* v, Vec<T>& real, Vec<T>& imag) {
    real = Vec<T>{}, imag = Vec<T>{};
    for (int j = 0; j < rank_of<kRank>(rank); ++j) {
        real = fma(splat<T>(r[j]), v[j], real);
        imag = fma(splat<T>(r[rank_of<kRank>(rank) + j]), v[j], imag);
    }
}

// Where a vector of channels lies: each points at its first channel.
template <class T> struct SaHippoChannels {
    const T *c, *d, *u;
    T *state, *y;
    int lanes;
    SaHippoChannels at(i64 first, int lanes_) const { return {c + first, d + first, u + first, state + first, y + first, lanes_}; }
};

// One tick of one vector of channels. s and v are left for the backward pass.
template <class T, int kRank, bool kWhole>
inline void sa_hippo_tile(const SaHippoHead<T>& q, const SaHippoTransition<T> transition, const SaHippoChannels<T> channels, Vec<T>* s,
                          Vec<T>* v) {
    const int rank = rank_of<kRank>(q.rank), pairs = q.n_pairs, lanes = channels.lanes;
    const i64 d_head = q.d_head, c_stride = q.c_stride;  // in registers: a store might change q
    const T *c = channels.c, *r = q.r;
    T* state = channels.state;
    if (rank > 0) sa_hippo_read<T, kRank, kWhole>(q, transition, state, lanes, s, v);
    const Vec<T> input = load_lanes<T, kWhole>(channels.u, lanes);
    Vec<T> y_real{}, y_imag{};
    for (int n = 0; n < pairs; ++n, r += 2 * rank, state += 2 * d_head, c += 2 * c_stride) {
        const Vec<T> xr = load_lanes<T, kWhole>(state, lanes), xi = load_lanes<T, kWhole>(state + d_head, lanes);
        const Vec<T> gr = splat<T>(transition.gr[n]), gi = splat<T>(transition.gi[n]);
        Vec<T> real = fma(gr, xr, -(gi * xi)), imag = fma(gr, xi, gi * xr);
        if (rank > 0) {
            Vec<T> qr, qi;
            sa_hippo_spread<T, kRank>(r, rank, v, qr, qi);
            const Vec<T> er = splat<T>(transition.er[n]), ei = splat<T>(transition.ei[n]);
            real = fma(er, -qr, fma(ei, qi, real));
            imag = fma(er, -qi, fma(ei, -qr, imag));
        }
        real = fma(splat<T>(transition.br[n]), input, real);
        imag = fma(splat<T>(transition.bi[n]), input, imag);
        store_lanes<T, kWhole>(state, real, lanes), store_lanes<T, kWhole>(state + d_head, imag, lanes);
        y_real = fma(load_lanes<T, kWhole>(c, lanes), real, y_real);
        y_imag = fma(load_lanes<T, kWhole>(c + c_stride, lanes), imag, y_imag);
    }
    store_lanes<T, kWhole>(channels.y, fma(splat<T>(2), y_real - y_imag, load_lanes<T, kWhole>(channels.d, lanes) * input), lanes);
}

template <class T, int kRank> inline void sa_hippo_tick_of_rank(const SaHippoHead<T>& q, const T* table, const T* u, T* state, T* y) {
    const SaHippoTransition<T> transition(table, q.n_pairs);
    const SaHippoChannels<T> all{q.c, q.d, u, state, y, kLanes<T>};
    Vec<T> s[kRankRoom<kRank>], v[kRankRoom<kRank>];
    int first = 0;
    for (; first + kLanes<T> <= q.d_head; first += kLanes<T>) sa_hippo_tile<T, kRank, true>(q, transition, all.at(first, kLanes<T>), s, v);
    if (first < q.d_head) sa_hippo_tile<T, kRank, false>(q, transition, all.at(first, q.d_head - first), s, v);
}

// One tick of one head: u, y (d_head); state (n_pairs, 2, d_head), updated in place; table: one transition.
template <class T> inline void sa_hippo_tick(const SaHippoHead<T>& q, const T* table, const T* u, T* state, T* y) {
    switch (q.rank) {
        case 0: return sa_hippo_tick_of_rank<T, 0>(q, table, u, state, y);
        case 1: return sa_hippo_tick_of_rank<T, 1>(q, table, u, state, y);
        case 8: return sa_hippo_tick_of_rank<T, 8>(q, table, u, state, y);
        default: return sa_hippo_tick_of_rank<T, -1>(q, table, u, state, y);
    }
}

template <class T> SaHippoHead<T> sa_hippo_head(const SaHippoShape<T>& c, i64 head) {
    const i64 d_head = c.d_model / c.heads;
    return {c.r + head * c.n_pairs * 2 * c.rank, c.c + head * d_head,      c.d + head * d_head,     c.d_model,
            static_cast<int>(c.n_pairs),         static_cast<int>(c.rank), static_cast<int>(d_head)};
}

// The first checkpoint of a sample: floor(a/64) + i leaves room for ceil((b - a)/64) of them before the next sample's.
inline i64 sa_hippo_first_span(i64 offset, i64 sample) { return offset / kSaHippoSpan + sample; }

template <class T> void sa_hippo_forward(const SaHippoCall<T>& c) {
    const SaHippoShape<T>& p = c.shape;
    const i64 d_head = p.d_model / p.heads, numbers = 2 * p.n_pairs * d_head, size = sa_hippo_transition_size(p.n_pairs, p.rank);
    parallel_for(p.batch * p.heads, p.threads, [&](i64 item) {
        const FlushDenormals flush;
        const i64 sample = item / p.heads, head = item % p.heads, first = p.offsets[sample], last = p.offsets[sample + 1];
        const SaHippoHead<T> q = sa_hippo_head(p, head);
        T* state = c.state + item * numbers;
        for (i64 k = first; k < last; ++k) {
            poll(k - first);
            if (c.checkpoints && (k - first) % kSaHippoSpan == 0) {
                const i64 span = sa_hippo_first_span(first, sample) + (k - first) / kSaHippoSpan;
                std::copy_n(state, numbers, c.checkpoints + (span * p.heads + head) * numbers);
            }
            const i64 at = k * p.d_model + head * d_head;
            sa_hippo_tick<T>(q, p.tables + (p.index[k] * p.heads + head) * size, p.u + at, state, c.y + at);
        }
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
