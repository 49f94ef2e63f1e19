// One tile and one block of the scan's backward pass: the states are computed again, then the adjoint runs backward.
#pragma once
#include "s4d_block.hpp"

namespace longspike::LONGSPIKE_ARCH {

// The sums of one tile's gradients, the adjoint that flows from one step to the one before, one block's gradient of u.
template <class T> struct S4dAdjoint {
    std::vector<T> data;
    T *flow, *lambda, *c, *d, *u;
    explicit S4dAdjoint(i64 n_pairs) : data((6 * n_pairs + 1 + kS4dBlock + 1) * kLanes<T>) {
        T* p = aligned(data.data());
        const auto take = [&](i64 rows) { T* at = p; p += rows * kLanes<T>; return at; };
        flow = take(2 * n_pairs), lambda = take(2 * n_pairs), c = take(2 * n_pairs), d = take(1), u = take(kS4dBlock);
    }
};

// kGroup pairs of one block, forward from the saved state; every state is kept, as (step, pair, real|imag).
template <class T, int kGroup> void s4d_replay(S4dTile<T>& q, int pair, int rows) {
    Vec<T> lr[kGroup], li[kGroup], xr[kGroup], xi[kGroup];
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        lr[g] = load<T>(q.lambda + at), li[g] = load<T>(q.lambda + at + kLanes<T>);
        xr[g] = load<T>(q.state + at), xi[g] = load<T>(q.state + at + kLanes<T>);
    }
    T* saved = q.saved;
    for (int t = 0; t <= rows; ++t) {
        const Vec<T> u = load<T>(q.u + t * kLanes<T>);  // row `rows` is read and not used
        for (int g = 0; g < kGroup; ++g, saved += 2 * kLanes<T>) {
            store<T>(saved, xr[g]), store<T>(saved + kLanes<T>, xi[g]);
            const Vec<T> real = fma(lr[g], xr[g], fma(-li[g], xi[g], u));
            xi[g] = fma(lr[g], xi[g], li[g] * xr[g]);
            xr[g] = real;
        }
    }
}

// kPart of the kGroup pairs that were replayed, backward through the adjoint
//     g[t] = conj(c) grad_y[t] + conj(lambda) g[t+1];  grad_u += Re g;  grad_lambda += g conj(x[t-1]);  grad_c += grad_y conj(x).
// q.y holds the output's gradients, a.u the input's. `pair` counts from the first pair, `part` within the group.
template <class T, int kGroup, int kPart>
void s4d_adjoint(const S4dTile<T>& q, S4dAdjoint<T>& a, int pair, int part, int rows) {
    Vec<T> lr[kPart], li[kPart], cr[kPart], ci[kPart], wr[kPart], wi[kPart], glr[kPart], gli[kPart], gcr[kPart], gci[kPart];
    for (int g = 0; g < kPart; ++g) {
        const i64 real = i64(2) * (pair + part + g) * kLanes<T>, imag = real + kLanes<T>;
        lr[g] = load<T>(q.lambda + real), li[g] = load<T>(q.lambda + imag);
        cr[g] = load<T>(q.c + real), ci[g] = load<T>(q.c + imag);
        wr[g] = load<T>(a.flow + real), wi[g] = load<T>(a.flow + imag);
        glr[g] = load<T>(a.lambda + real), gli[g] = load<T>(a.lambda + imag);
        gcr[g] = load<T>(a.c + real), gci[g] = load<T>(a.c + imag);
    }
    for (int t = rows; t >= 1; --t) {
        const Vec<T> gy = load<T>(q.y + (t - 1) * kLanes<T>);
        Vec<T> gu = load<T>(a.u + (t - 1) * kLanes<T>);
        for (int g = 0; g < kPart; ++g) {
            const T* now = q.saved + 2 * (t * kGroup + part + g) * kLanes<T>;
            const T* before = now - 2 * kGroup * kLanes<T>;
            const Vec<T> gr = fma(cr[g], gy, wr[g]), gi = fma(-ci[g], gy, wi[g]);
            gu = gu + gr;
            wr[g] = fma(lr[g], gr, li[g] * gi);
            wi[g] = fma(lr[g], gi, -(li[g] * gr));
            glr[g] = fma(gr, load<T>(before), fma(gi, load<T>(before + kLanes<T>), glr[g]));
            gli[g] = fma(gi, load<T>(before), fma(-gr, load<T>(before + kLanes<T>), gli[g]));
            gcr[g] = fma(gy, load<T>(now), gcr[g]);
            gci[g] = fma(-gy, load<T>(now + kLanes<T>), gci[g]);
        }
        store<T>(a.u + (t - 1) * kLanes<T>, gu);
    }
    for (int g = 0; g < kPart; ++g) {
        const i64 real = i64(2) * (pair + part + g) * kLanes<T>, imag = real + kLanes<T>;
        store<T>(a.flow + real, wr[g]), store<T>(a.flow + imag, wi[g]);
        store<T>(a.lambda + real, glr[g]), store<T>(a.lambda + imag, gli[g]);
        store<T>(a.c + real, gcr[g]), store<T>(a.c + imag, gci[g]);
    }
}

// `rows` steps backward. Reads q.u, the output's gradients in q.y, the state before the block in q.state and the adjoint
// that enters from later steps in a.flow; writes the input's gradients to a.u and the adjoint that leaves to earlier steps
// to a.flow; adds to a.lambda, a.c and a.d.
template <class T> void s4d_block_adjoint(S4dTile<T>& q, S4dAdjoint<T>& a, int rows) {
    const Vec<T> d = load<T>(q.d);
    Vec<T> grad_d = load<T>(a.d);
    for (int t = 0; t < rows; ++t) {
        const Vec<T> gy = load<T>(q.y + t * kLanes<T>);
        store<T>(a.u + t * kLanes<T>, d * gy);
        grad_d = fma(gy, load<T>(q.u + t * kLanes<T>), grad_d);
    }
    store<T>(a.d, grad_d);
    int pair = 0;
    for (; pair + 4 <= q.n_pairs; pair += 4) {
        s4d_replay<T, 4>(q, pair, rows);
        s4d_adjoint<T, 4, 2>(q, a, pair, 0, rows);
        s4d_adjoint<T, 4, 2>(q, a, pair, 2, rows);
    }
    for (; pair < q.n_pairs; ++pair) {
        s4d_replay<T, 1>(q, pair, rows);
        s4d_adjoint<T, 1, 1>(q, a, pair, 0, rows);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
