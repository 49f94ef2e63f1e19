// Diagonal state-space scan: the convolution of S4D computed as its recurrence, with state in and state out.
//
//     x_n[t] = lambda_n x_n[t-1] + u[t]        y[t] = sum_n Re(c_n x_n[t]) + d u[t]        n = 0 .. n_pairs-1, complex
//
// A tile is one vector of channels of one sample. Within a block of kS4dBlock steps a group of pairs keeps its state and
// coefficients in registers, and adds its share to the block's output row. The order of the operations on one channel
// is the same for every block length, batch size and tile, so whole, chunks and steps agree bit for bit.
#pragma once
#include <algorithm>
#include <vector>

#include "kernels.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

// What one tile works on; rows of one vector each.
template <class T> struct S4dTile {
    int n_pairs, lanes;
    std::vector<T> data;
    T *lambda, *c, *d, *state, *u, *y, *saved;
    S4dTile(const T* lambda_, const T* c_, const T* d_, i64 channels, i64 n_pairs_, i64 first, int lanes_)
        : n_pairs(static_cast<int>(n_pairs_)), lanes(lanes_),
          data((6 * n_pairs_ + 1 + 2 * (kS4dBlock + 1) + 8 * (kS4dBlock + 1) + 1) * kLanes<T>) {
        T* p = data.data();
        p += (LONGSPIKE_VECTOR_BYTES - reinterpret_cast<std::uintptr_t>(p) % LONGSPIKE_VECTOR_BYTES) %
             LONGSPIKE_VECTOR_BYTES / sizeof(T);
        const auto take = [&](i64 rows) { T* at = p; p += rows * kLanes<T>; return at; };
        lambda = take(2 * n_pairs), c = take(2 * n_pairs), state = take(2 * n_pairs), d = take(1);
        u = take(kS4dBlock + 1), y = take(kS4dBlock + 1), saved = take(8 * (kS4dBlock + 1));
        gather(lambda, lambda_ + first, 2 * n_pairs, channels);
        gather(c, c_ + first, 2 * n_pairs, channels);
        gather(d, d_ + first, 1, channels);
    }
    void gather(T* to, const T* from, i64 rows, i64 stride) const {
        for (i64 k = 0; k < rows; ++k) store<T>(to + k * kLanes<T>, load_first<T>(from + k * stride, lanes));
    }
    void scatter(T* to, const T* from, i64 rows, i64 stride) const {
        for (i64 k = 0; k < rows; ++k) store_first<T>(to + k * stride, load<T>(from + k * kLanes<T>), lanes);
    }
};

// kGroup pairs over `rows` steps: advances their state, adds Re(c x) to the output rows.
template <class T, int kGroup> void s4d_group(S4dTile<T>& q, int pair, int rows) {
    Vec<T> lr[kGroup], li[kGroup], cr[kGroup], ci[kGroup], xr[kGroup], xi[kGroup];
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        lr[g] = load<T>(q.lambda + at), li[g] = load<T>(q.lambda + at + kLanes<T>);
        cr[g] = load<T>(q.c + at), ci[g] = load<T>(q.c + at + kLanes<T>);
        xr[g] = load<T>(q.state + at), xi[g] = load<T>(q.state + at + kLanes<T>);
    }
    for (int t = 0; t < rows; ++t) {
        const Vec<T> u = load<T>(q.u + t * kLanes<T>);
        Vec<T> y = load<T>(q.y + t * kLanes<T>);
        for (int g = 0; g < kGroup; ++g) {
            const Vec<T> real = fma(lr[g], xr[g], fma(-li[g], xi[g], u));
            xi[g] = fma(lr[g], xi[g], li[g] * xr[g]);
            xr[g] = real;
            y = fma(cr[g], xr[g], fma(-ci[g], xi[g], y));
        }
        store<T>(q.y + t * kLanes<T>, y);
    }
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        store<T>(q.state + at, xr[g]), store<T>(q.state + at + kLanes<T>, xi[g]);
    }
}

#if LONGSPIKE_VECTOR_BYTES == 64
constexpr int kForwardGroup = 4;
#else
constexpr int kForwardGroup = 2;  // sixteen registers
#endif

template <class T> void s4d_forward_tile(const S4dCall<T>& c, i64 b, i64 first, int lanes) {
    const FlushDenormals flush;
    S4dTile<T> q(c.lambda, c.c, c.d, c.channels, c.n_pairs, first, lanes);
    const i64 blocks = (c.seqlen + kS4dBlock - 1) / kS4dBlock, state_rows = 2 * c.n_pairs;
    T* state = c.state + b * state_rows * c.channels + first;
    q.gather(q.state, state, state_rows, c.channels);
    const Vec<T> d = load<T>(q.d);
    for (i64 k = 0; k < blocks; ++k) {
        if (c.checkpoints)
            q.scatter(c.checkpoints + (b * blocks + k) * state_rows * c.channels + first, q.state, state_rows, c.channels);
        const i64 at = (b * c.seqlen + k * kS4dBlock) * c.channels + first;
        const int rows = static_cast<int>(std::min(kS4dBlock, c.seqlen - k * kS4dBlock));
        q.gather(q.u, c.u + at, rows, c.channels);
        for (int t = 0; t < rows; ++t) store<T>(q.y + t * kLanes<T>, d * load<T>(q.u + t * kLanes<T>));
        int pair = 0;
        for (; pair + kForwardGroup <= q.n_pairs; pair += kForwardGroup) s4d_group<T, kForwardGroup>(q, pair, rows);
        for (; pair < q.n_pairs; ++pair) s4d_group<T, 1>(q, pair, rows);
        q.scatter(c.y + at, q.y, rows, c.channels);
    }
    q.scatter(state, q.state, state_rows, c.channels);
}

template <class T> void s4d_forward(const S4dCall<T>& c) {
    const i64 tiles = (c.channels + kLanes<T> - 1) / kLanes<T>;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 first = item % tiles * kLanes<T>;
        s4d_forward_tile<T>(c, item / tiles, first, static_cast<int>(std::min<i64>(kLanes<T>, c.channels - first)));
    });
}

// The sums of one tile's gradients, and the adjoint that flows from one step to the one before.
template <class T> struct S4dAdjoint {
    std::vector<T> data;
    T *flow, *lambda, *c;
    explicit S4dAdjoint(i64 n_pairs) : data((6 * n_pairs + 1) * kLanes<T>) {
        flow = data.data(), lambda = flow + 2 * n_pairs * kLanes<T>, c = lambda + 2 * n_pairs * kLanes<T>;
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
// q.y holds the output's gradients, grad_u the input's. `pair` counts from the first pair, `part` within the group.
template <class T, int kGroup, int kPart>
void s4d_adjoint(const S4dTile<T>& q, S4dAdjoint<T>& a, T* grad_u, int pair, int part, int rows) {
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
        Vec<T> gu = load<T>(grad_u + (t - 1) * kLanes<T>);
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
        store<T>(grad_u + (t - 1) * kLanes<T>, gu);
    }
    for (int g = 0; g < kPart; ++g) {
        const i64 real = i64(2) * (pair + part + g) * kLanes<T>, imag = real + kLanes<T>;
        store<T>(a.flow + real, wr[g]), store<T>(a.flow + imag, wi[g]);
        store<T>(a.lambda + real, glr[g]), store<T>(a.lambda + imag, gli[g]);
        store<T>(a.c + real, gcr[g]), store<T>(a.c + imag, gci[g]);
    }
}

template <class T> void s4d_backward_tile(const S4dBackward<T>& c, i64 b, i64 first, int lanes) {
    const FlushDenormals flush;
    S4dTile<T> q(c.lambda, c.c, c.d, c.channels, c.n_pairs, first, lanes);
    S4dAdjoint<T> a(c.n_pairs);
    const i64 blocks = (c.seqlen + kS4dBlock - 1) / kS4dBlock, state_rows = 2 * c.n_pairs;
    const i64 at_state = b * state_rows * c.channels + first;
    q.gather(a.flow, c.grad_state + at_state, state_rows, c.channels);
    std::vector<T> grad_u(kS4dBlock * kLanes<T>);
    const Vec<T> d = load<T>(q.d);
    Vec<T> grad_d{};
    for (i64 k = blocks - 1; k >= 0; --k) {
        q.gather(q.state, c.checkpoints + (b * blocks + k) * state_rows * c.channels + first, state_rows, c.channels);
        const i64 at = (b * c.seqlen + k * kS4dBlock) * c.channels + first;
        const int rows = static_cast<int>(std::min(kS4dBlock, c.seqlen - k * kS4dBlock));
        q.gather(q.u, c.u + at, rows, c.channels);
        q.gather(q.y, c.grad_y + at, rows, c.channels);
        for (int t = 0; t < rows; ++t) {
            const Vec<T> gy = load<T>(q.y + t * kLanes<T>);
            store<T>(grad_u.data() + t * kLanes<T>, d * gy);
            grad_d = fma(gy, load<T>(q.u + t * kLanes<T>), grad_d);
        }
        int pair = 0;
        for (; pair + 4 <= q.n_pairs; pair += 4) {
            s4d_replay<T, 4>(q, pair, rows);
            s4d_adjoint<T, 4, 2>(q, a, grad_u.data(), pair, 0, rows);
            s4d_adjoint<T, 4, 2>(q, a, grad_u.data(), pair, 2, rows);
        }
        for (; pair < q.n_pairs; ++pair) {
            s4d_replay<T, 1>(q, pair, rows);
            s4d_adjoint<T, 1, 1>(q, a, grad_u.data(), pair, 0, rows);
        }
        q.scatter(c.grad_u + at, grad_u.data(), rows, c.channels);
    }
    q.scatter(c.grad_state + at_state, a.flow, state_rows, c.channels);
    q.scatter(c.grad_lambda + at_state, a.lambda, state_rows, c.channels);
    q.scatter(c.grad_c + at_state, a.c, state_rows, c.channels);
    store_first<T>(c.grad_d + b * c.channels + first, grad_d, lanes);
}

template <class T> void s4d_backward(const S4dBackward<T>& c) {
    const i64 tiles = (c.channels + kLanes<T> - 1) / kLanes<T>;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 first = item % tiles * kLanes<T>;
        s4d_backward_tile<T>(c, item / tiles, first, static_cast<int>(std::min<i64>(kLanes<T>, c.channels - first)));
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
