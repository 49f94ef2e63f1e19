// One tile and one span of the scan's backward pass: the states are computed again, then the adjoint runs backward.
//
//     a.flow holds, for every pair, conj(lambda) g[t+1]: what the later steps send back.
//
//     step                 0 ------------------------------> rows - 1
//     replay, a group      x -> x -> x -> ... -> x             from the state before the span; path[t] = x[t-1], grad_c
//     adjoint, the group   flow <- g <- g <- ... <- g <- flow  reads path and grad_y; grad_lambda, and Re g into grad_u
//
// A group is up to kPairGroup pairs: both passes of one group are done before the next group begins, so `path` is small and
// stays in the first cache. grad_u starts as d grad_y and collects the groups.
#pragma once
#include "s4d_scan/span.hpp"

namespace longspike::LONGSPIKE_ARCH {

// The sums of one tile's gradients, the adjoint that flows from one step to the one before; one span's gradients of u and
// the states of kPairGroup pairs, which tiles that take turns share with a `host`.
template <class T> struct S4dAdjoint {
    Aligned<T> data;
    T *flow, *lambda, *c, *d, *u, *path;
    explicit S4dAdjoint(i64 n_pairs, S4dAdjoint* host = nullptr)
        : data((6 * n_pairs + 2 + (host ? 0 : (1 + 2 * kPairGroup) * kS4dSpan)) * kLanes<T>) {
        T* p = data.data();
        const auto take = [&](i64 rows) {
            T* at = p;
            p += rows * kLanes<T>;
            return at;
        };
        flow = take(2 * n_pairs), lambda = take(2 * n_pairs), c = take(2 * n_pairs), d = take(1);
        u = host ? host->u : take(kS4dSpan), path = host ? host->path : take(2 * kPairGroup * kS4dSpan);
    }
    void clear_sums(i64 n_pairs) { std::fill_n(lambda, (4 * n_pairs + 1) * kLanes<T>, T(0)); }
};

// kGroup pairs of one span, forward from the state before it: keeps the state before every step, as (step, pair,
// real|imag), and adds up grad_c += grad_y conj(x).
template <class T, int kGroup, bool kFirst>
void s4d_replay(S4dTile<T>& q, S4dAdjoint<T>& a, int pair, SpanView<const T> u_rows, SpanView<const T> gy_rows, int rows) {
    Vec<T> lr[kGroup], li[kGroup], xr[kGroup], xi[kGroup], gcr[kGroup], gci[kGroup];
    for (int g = 0; g < kGroup; ++g) {
        const i64 real = i64(2) * (pair + g) * kLanes<T>, imag = real + kLanes<T>;
        lr[g] = load<T>(q.lambda + real), li[g] = load<T>(q.lambda + imag);
        xr[g] = load<T>(q.state + real), xi[g] = load<T>(q.state + imag);
        gcr[g] = load<T>(a.c + real), gci[g] = load<T>(a.c + imag);
    }
    Vec<T> grad_d = load<T>(a.d);
    T* path = a.path;
    for (int t = 0; t < rows; ++t, path += 2 * kGroup * kLanes<T>) {
        const Vec<T> u = load<T>(u_rows.first + t * u_rows.stride), gy = load<T>(gy_rows.first + t * gy_rows.stride);
        if constexpr (kFirst) grad_d = fma(gy, u, grad_d);
        for (int g = 0; g < kGroup; ++g) {
            store<T>(path + 2 * g * kLanes<T>, xr[g]), store<T>(path + (2 * g + 1) * kLanes<T>, xi[g]);
            s4d_step(lr[g], li[g], xr[g], xi[g], u);
            gcr[g] = fma(gy, xr[g], gcr[g]), gci[g] = fnma(gy, xi[g], gci[g]);
        }
    }
    for (int g = 0; g < kGroup; ++g) {
        const i64 real = i64(2) * (pair + g) * kLanes<T>, imag = real + kLanes<T>;
        store<T>(a.c + real, gcr[g]), store<T>(a.c + imag, gci[g]);
    }
    if constexpr (kFirst) store<T>(a.d, grad_d);
}

// The kGroup pairs that were replayed, backward through the adjoint
//     g[t] = conj(c) grad_y[t] + conj(lambda) g[t+1];  grad_u += Re g;  grad_lambda += g conj(x[t-1]).
// a.flow holds conj(lambda) g[t+1]; within the span g itself is carried, which keeps the chain of a step short.
template <class T, int kGroup, bool kFirst>
void s4d_adjoint(const S4dTile<T>& q, S4dAdjoint<T>& a, int pair, SpanView<const T> gy_rows, int rows) {
    Vec<T> lr[kGroup], li[kGroup], gr[kGroup], gi[kGroup], glr[kGroup], gli[kGroup];
    const T* const c = q.c + i64(2) * pair * kLanes<T>;
    for (int g = 0; g < kGroup; ++g) {
        const i64 real = i64(2) * (pair + g) * kLanes<T>, imag = real + kLanes<T>;
        lr[g] = load<T>(q.lambda + real), li[g] = load<T>(q.lambda + imag);
        gr[g] = load<T>(a.flow + real), gi[g] = load<T>(a.flow + imag);
        glr[g] = load<T>(a.lambda + real), gli[g] = load<T>(a.lambda + imag);
    }
    T* const gu_rows = a.u;
    const Vec<T> d = load<T>(q.d);
    const auto step = [&](int t, auto&& pull) {
        const Vec<T> gy = load<T>(gy_rows.first + t * gy_rows.stride);
        Vec<T> gu = kFirst ? d * gy : load<T>(gu_rows + t * kLanes<T>);
        for (int g = 0; g < kGroup; ++g) {
            const Vec<T> cr = load<T>(c + 2 * g * kLanes<T>), ci = load<T>(c + (2 * g + 1) * kLanes<T>);
            pull(g, cr * gy, ci * gy);
            gu = gu + gr[g];
            const T* x = a.path + i64(2) * (t * kGroup + g) * kLanes<T>;
            const Vec<T> xr = load<T>(x), xi = load<T>(x + kLanes<T>);
            glr[g] = fma(gr[g], xr, fma(gi[g], xi, glr[g]));
            gli[g] = fma(gi[g], xr, fnma(gr[g], xi, gli[g]));
        }
        store<T>(gu_rows + t * kLanes<T>, gu);
    };
    step(rows - 1, [&](int g, Vec<T> br, Vec<T> bi) { gr[g] = gr[g] + br, gi[g] = gi[g] - bi; });
    for (int t = rows - 2; t >= 0; --t)
        step(t, [&](int g, Vec<T> br, Vec<T> bi) {
            const Vec<T> real = fma(lr[g], gr[g], fma(li[g], gi[g], br));
            gi[g] = fma(lr[g], gi[g], fnma(li[g], gr[g], -bi));
            gr[g] = real;
        });
    for (int g = 0; g < kGroup; ++g) {
        const i64 real = i64(2) * (pair + g) * kLanes<T>, imag = real + kLanes<T>;
        store<T>(a.flow + real, fma(lr[g], gr[g], li[g] * gi[g])), store<T>(a.flow + imag, fma(lr[g], gi[g], -(li[g] * gr[g])));
        store<T>(a.lambda + real, glr[g]), store<T>(a.lambda + imag, gli[g]);
    }
}

// `rows` steps backward, at least one. Reads whole vectors of u and of the output's gradients, the state before the span in
// q.state and the adjoint that enters from later steps in a.flow; writes the input's gradients to a.u and the adjoint that
// leaves to earlier steps to a.flow; adds to a.lambda, a.c and a.d.
template <class T> void s4d_span_adjoint(S4dTile<T>& q, S4dAdjoint<T>& a, SpanView<const T> u, SpanView<const T> grad_y, int rows) {
    for_groups<kPairGroup>(q.n_pairs, [&](int pair, auto size, auto is_first) {
        s4d_replay<T, size(), is_first()>(q, a, pair, u, grad_y, rows);
        s4d_adjoint<T, size(), is_first()>(q, a, pair, grad_y, rows);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
