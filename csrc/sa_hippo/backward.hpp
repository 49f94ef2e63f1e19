// The adjoint of the spike-aware memory's ticks. With w the gradient of a complex state, z = e x, q = R v, and a bar for
// the conjugate, one tick x' = g x - e q + b u, v = W s, s = R* z, y = 2 Re sum C x' + D u sends back
//
//     w += 2 bar(C) Y          U = D Y + Re sum bar(b) w       p = -bar(e) w             grad v = Re sum bar(R) p
//     grad s = W^T grad v      grad z = 2 R grad s             grad x = bar(g) w + bar(e) grad z
//     grad g = bar(x) w        grad e = bar(x) grad z - bar(q) w     grad b = u w        grad W = (grad v) s^T
//     grad R = p v^T + 2 z (grad s)^T                                grad C = 2 Y bar(x')       grad D = Y u
//
// One head and one vector of channels of a sample, span by span (kSaHippoSpan ticks); X: a checkpoint, the state before each.
//
//     ticks          X0                X1                X2
//                    |---- third -----|---- second -----|-- first --|         the order in which the spans are taken
//
//     1 replay       X1 -> tick -> tick -> ... -> tick       into `path`: the state before and after every tick; s and v
//     2 backward     flow <- tick <- tick <- ... <- flow     each tick in two halves:
//       adjoint_out    flow, Y  -> w, p, grad v              adds to grad C, b, g; gives grad u
//       adjoint_in     w, p, s, v, grad v -> the new flow    adds to grad W, R, e
//
// `flow` is the gradient of the state between two ticks: at first that of the final state, at last that of the initial one.
// A work item is one head over a fixed group of samples, so the sums have one order for every number of threads: in T, then
// in double; of a transition after each run of equal gaps, of R after each span, of C and D after each sample.
#pragma once
#include <vector>

#include "sa_hippo/forward.hpp"

namespace longspike::LONGSPIKE_ARCH {

// What one work item keeps; each number of a head as a vector of channels.
template <class T> struct SaHippoScratch {
    std::vector<T> data;
    i64 numbers;
    Vec<T>*path, *read, *moved, *flow, *grad_c, *w, *grad_transition, *grad_r;  // path: (kSaHippoSpan + 1, n_pairs, 2)
    SaHippoScratch(i64 n_pairs, i64 rank) : numbers(2 * n_pairs) {
        const i64 small = rank > 0 ? rank : 1, size = sa_hippo_transition_size(n_pairs, rank);
        const i64 vectors = (kSaHippoSpan + 1) * numbers + 2 * kSaHippoSpan * small + 3 * numbers + size + numbers * small;
        data.assign((vectors + 1) * kLanes<T>, T(0));
        const auto start = reinterpret_cast<std::uintptr_t>(data.data());
        auto* p = reinterpret_cast<Vec<T>*>((start + LONGSPIKE_VECTOR_BYTES - 1) / LONGSPIKE_VECTOR_BYTES * LONGSPIKE_VECTOR_BYTES);
        const auto take = [&](i64 count) {
            auto* at = p;
            p += count;
            return at;
        };
        path = take((kSaHippoSpan + 1) * numbers), read = take(kSaHippoSpan * small), moved = take(kSaHippoSpan * small);
        flow = take(numbers), grad_c = take(numbers), w = take(numbers), grad_transition = take(size), grad_r = take(numbers * small);
    }
};

// The sum of kCount lanes, halves onto each other.
template <class T, int kCount, class V> inline double sum_lanes(V v) {
    if constexpr (kCount == 1) {
        return double(v[0]);
    } else {
        typedef T Half __attribute__((vector_size(kCount * sizeof(T) / 2)));
        Half low, high;
        std::memcpy(&low, &v, sizeof low);
        std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
        return sum_lanes<T, kCount / 2>(Half(low + high));
    }
}

// Adds the lanes of every vector to its double and empties it.
template <class T> void flush_sums(Vec<T>* vectors, i64 count, double* sums) {
    for (i64 k = 0; k < count; ++k) sums[k] += sum_lanes<T, kLanes<T>>(vectors[k]), vectors[k] = Vec<T>{};
}

// The part of a work item that does not change within one vector of channels.
template <class T> struct SaHippoTile {
    SaHippoHead<T> head;  // c and d point at the first channel
    int lanes;
    i64 first;  // of the tile, within d_model
};

// gradient of b, g, C and u; w and p = -bar(e) w of every pair, grad v.
template <class T, int kRank>
inline Vec<T> sa_hippo_adjoint_out(const SaHippoTile<T>& t, const SaHippoTransition<T>& transition, SaHippoScratch<T>& a, const Vec<T>* x,
                                   Vec<T> u, Vec<T> gy, Vec<T>* grad_v) {
    const SaHippoHead<T>& q = t.head;
    const int rank = rank_of<kRank>(q.rank), pairs = q.n_pairs;
    const Vec<T>* next = x + a.numbers;
    const Vec<T> twice = gy + gy;
    Vec<T> grad_u{};
    Vec<T> sum[kRankRoom<kRank>];
    for (int j = 0; j < rank; ++j) sum[j] = Vec<T>{};
    const T *c = q.c, *r = q.r;
    for (int n = 0; n < pairs; ++n, c += 2 * q.c_stride, r += 2 * rank) {
        const Vec<T> cr = load_lanes<T, false>(c, t.lanes), ci = load_lanes<T, false>(c + q.c_stride, t.lanes);
        const Vec<T> wr = fma(cr, twice, a.flow[2 * n]), wi = fma(-ci, twice, a.flow[2 * n + 1]);
        a.w[2 * n] = wr, a.w[2 * n + 1] = wi;
        a.grad_c[2 * n] = fma(twice, next[2 * n], a.grad_c[2 * n]);
        a.grad_c[2 * n + 1] = fma(-twice, next[2 * n + 1], a.grad_c[2 * n + 1]);
        grad_u = fma(splat<T>(transition.br[n]), wr, fma(splat<T>(transition.bi[n]), wi, grad_u));
        a.grad_transition[4 * pairs + n] = fma(wr, u, a.grad_transition[4 * pairs + n]);
        a.grad_transition[5 * pairs + n] = fma(wi, u, a.grad_transition[5 * pairs + n]);
        const Vec<T> xr = x[2 * n], xi = x[2 * n + 1];
        a.grad_transition[n] = fma(xr, wr, fma(xi, wi, a.grad_transition[n]));
        a.grad_transition[pairs + n] = fma(xr, wi, fma(-xi, wr, a.grad_transition[pairs + n]));
        if (rank == 0) continue;
        const Vec<T> er = splat<T>(transition.er[n]), ei = splat<T>(transition.ei[n]);
        const Vec<T> pr = -fma(er, wr, ei * wi), pi = fma(ei, wr, -(er * wi));
        for (int j = 0; j < rank; ++j) sum[j] = fma(splat<T>(r[j]), pr, sum[j]);
        for (int j = 0; j < rank; ++j) sum[j] = fma(splat<T>(r[rank + j]), pi, sum[j]);
    }
    for (int j = 0; j < rank; ++j) grad_v[j] = sum[j];
    return grad_u;
}

// The gradient of the state before the tick, of e, W and R; s, v as the forward pass left them.
template <class T, int kRank>
inline void sa_hippo_adjoint_in(const SaHippoTile<T>& t, const SaHippoTransition<T>& transition, SaHippoScratch<T>& a, const Vec<T>* x,
                                const Vec<T>* s, const Vec<T>* v, const Vec<T>* grad_v) {
    const SaHippoHead<T>& q = t.head;
    const int rank = rank_of<kRank>(q.rank), pairs = q.n_pairs;
    Vec<T> twice_s[kRankRoom<kRank>];  // 2 grad s
    for (int k = 0; k < rank; ++k) {
        Vec<T> sum{};
        for (int j = 0; j < rank; ++j) {
            Vec<T>& grad_w = a.grad_transition[6 * pairs + j * rank + k];
            grad_w = fma(grad_v[j], s[k], grad_w);
            sum = fma(splat<T>(transition.w[j * rank + k]), grad_v[j], sum);
        }
        twice_s[k] = sum + sum;
    }
    const T* r = q.r;
    Vec<T>* grad_r = a.grad_r;
    for (int n = 0; n < pairs; ++n, r += 2 * rank, grad_r += 2 * rank) {
        const Vec<T> wr = a.w[2 * n], wi = a.w[2 * n + 1], gr = splat<T>(transition.gr[n]), gi = splat<T>(transition.gi[n]);
        Vec<T> real = fma(gr, wr, gi * wi), imag = fma(gr, wi, -(gi * wr));
        if (rank > 0) {
            const Vec<T> xr = x[2 * n], xi = x[2 * n + 1], er = splat<T>(transition.er[n]), ei = splat<T>(transition.ei[n]);
            const Vec<T> zr = fma(er, xr, -(ei * xi)), zi = fma(er, xi, ei * xr);
            const Vec<T> pr = -fma(er, wr, ei * wi), pi = fma(ei, wr, -(er * wi));
            Vec<T> qr, qi, grad_zr, grad_zi;
            sa_hippo_spread<T, kRank>(r, rank, v, qr, qi);
            sa_hippo_spread<T, kRank>(r, rank, twice_s, grad_zr, grad_zi);
            for (int j = 0; j < rank; ++j) {
                grad_r[j] = fma(pr, v[j], fma(zr, twice_s[j], grad_r[j]));
                grad_r[rank + j] = fma(pi, v[j], fma(zi, twice_s[j], grad_r[rank + j]));
            }
            Vec<T>&grad_er = a.grad_transition[2 * pairs + n], &grad_ei = a.grad_transition[3 * pairs + n];
            grad_er = grad_er + (fma(xr, grad_zr, xi * grad_zi) - fma(qr, wr, qi * wi));
            grad_ei = grad_ei + (fma(xr, grad_zi, -(xi * grad_zr)) - fma(qr, wi, -(qi * wr)));
            real = fma(er, grad_zr, fma(ei, grad_zi, real));
            imag = fma(er, grad_zi, fma(-ei, grad_zr, imag));
        }
        a.flow[2 * n] = real, a.flow[2 * n + 1] = imag;
    }
}

// One span of `ticks` ticks from `first_tick`, for one vector of channels: replayed, then backward.
template <class T, int kRank>
void sa_hippo_adjoint_span(const SaHippoBackward<T>& c, const SaHippoTile<T>& t, SaHippoScratch<T>& a, i64 head, i64 first_tick, int ticks,
                           double* grad_tables, Vec<T>& grad_d) {
    const SaHippoShape<T>& p = c.shape;
    const SaHippoHead<T>& q = t.head;
    const i64 size = sa_hippo_transition_size(p.n_pairs, p.rank), small = p.rank > 0 ? p.rank : 1;
    const auto table = [&](i64 k) { return p.tables + (p.index[first_tick + k] * p.heads + head) * size; };
    SaHippoHead<T> replayed = q;  // a state of whole vectors
    replayed.d_head = kLanes<T>;
    T unused[kLanes<T>], padded_c[kLanes<T>]{}, padded_u[kLanes<T>]{};
    replayed.c_stride = 0;
    for (int k = 0; k < ticks; ++k) {
        std::copy_n(p.u + (first_tick + k) * p.d_model + t.first, t.lanes, padded_u);
        Vec<T>* next = a.path + (k + 1) * a.numbers;
        std::copy_n(next - a.numbers, a.numbers, next);
        const SaHippoChannels<T> channels{padded_c, padded_c, padded_u, reinterpret_cast<T*>(next), unused, kLanes<T>};
        sa_hippo_tile<T, kRank, true>(replayed, SaHippoTransition<T>(table(k), q.n_pairs), channels, a.read + k * small,
                                      a.moved + k * small);
    }
    const Vec<T> d = load_lanes<T, false>(q.d, t.lanes);
    Vec<T> grad_v[kRankRoom<kRank>];
    for (int k = ticks - 1; k >= 0; --k) {
        const i64 at = (first_tick + k) * p.d_model + t.first, gap = p.index[first_tick + k];
        const Vec<T> u = load_lanes<T, false>(p.u + at, t.lanes), gy = load_lanes<T, false>(c.grad_y + at, t.lanes);
        const SaHippoTransition<T> transition(table(k), q.n_pairs);
        const Vec<T>* x = a.path + k * a.numbers;
        const Vec<T> grad_u = sa_hippo_adjoint_out<T, kRank>(t, transition, a, x, u, gy, grad_v);
        sa_hippo_adjoint_in<T, kRank>(t, transition, a, x, a.read + k * small, a.moved + k * small, grad_v);
        store_lanes<T, false>(c.grad_u + at, fma(d, gy, grad_u), t.lanes);
        grad_d = fma(gy, u, grad_d);
        if (k == 0 || p.index[first_tick + k - 1] != gap)
            flush_sums<T>(a.grad_transition, size, grad_tables + (gap * p.heads + head) * size);
    }
}

// All spans of one sample, last to first, for one vector of channels.
template <class T, int kRank>
void sa_hippo_adjoint_sample(const SaHippoBackward<T>& c, SaHippoScratch<T>& a, i64 group, i64 head, i64 sample, i64 channel) {
    const SaHippoShape<T>& p = c.shape;
    const i64 d_head = p.d_model / p.heads, state = 2 * p.n_pairs * d_head, size = sa_hippo_transition_size(p.n_pairs, p.rank);
    const i64 first = p.offsets[sample], last = p.offsets[sample + 1];
    SaHippoTile<T> t{sa_hippo_head(p, head), static_cast<int>(std::min<i64>(kLanes<T>, d_head - channel)), head * d_head + channel};
    t.head.c += channel, t.head.d += channel;
    T* grad_state = c.grad_state + (sample * p.heads + head) * state + channel;
    for (i64 k = 0; k < a.numbers; ++k) a.flow[k] = load_lanes<T, false>(grad_state + k * d_head, t.lanes), a.grad_c[k] = Vec<T>{};
    Vec<T> grad_d{};
    for (i64 span = (last - first + kSaHippoSpan - 1) / kSaHippoSpan - 1; span >= 0; --span) {
        const i64 start = first + span * kSaHippoSpan;
        poll();
        const T* checkpoint = c.checkpoints + ((sa_hippo_first_span(first, sample) + span) * p.heads + head) * state + channel;
        for (i64 k = 0; k < a.numbers; ++k) a.path[k] = load_lanes<T, false>(checkpoint + k * d_head, t.lanes);
        const int ticks = static_cast<int>(std::min(kSaHippoSpan, last - start));
        sa_hippo_adjoint_span<T, kRank>(c, t, a, head, start, ticks, c.grad_tables + group * c.gaps * p.heads * size, grad_d);
        flush_sums<T>(a.grad_r, a.numbers * p.rank, c.grad_r + (group * p.heads + head) * a.numbers * p.rank);
    }
    for (i64 k = 0; k < a.numbers; ++k) {
        store_lanes<T, false>(grad_state + k * d_head, a.flow[k], t.lanes);
        double* grad_c = c.grad_c + (group * a.numbers + k) * p.d_model + t.first;
        for (int i = 0; i < t.lanes; ++i) grad_c[i] += double(a.grad_c[k][i]);
    }
    for (int i = 0; i < t.lanes; ++i) c.grad_d[group * p.d_model + t.first + i] += double(grad_d[i]);
}

template <class T, int kRank> void sa_hippo_backward_of_rank(const SaHippoBackward<T>& c) {
    const SaHippoShape<T>& p = c.shape;
    const i64 d_head = p.d_model / p.heads;
    parallel_for(c.groups * p.heads, p.threads, [&](i64 item) {
        const FlushDenormals flush;
        SaHippoScratch<T> scratch(p.n_pairs, p.rank);
        for (i64 sample = item / p.heads; sample < p.batch; sample += c.groups)
            for (i64 channel = 0; channel < d_head; channel += kLanes<T>)
                sa_hippo_adjoint_sample<T, kRank>(c, scratch, item / p.heads, item % p.heads, sample, channel);
    });
}

template <class T> void sa_hippo_backward(const SaHippoBackward<T>& c) {
    switch (c.shape.rank) {
        case 0: return sa_hippo_backward_of_rank<T, 0>(c);
        case 1: return sa_hippo_backward_of_rank<T, 1>(c);
        case 8: return sa_hippo_backward_of_rank<T, 8>(c);
        default: return sa_hippo_backward_of_rank<T, -1>(c);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
