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
          data((6 * n_pairs_ + 1 + 2 * kS4dBlock + 4 * (kS4dBlock + 1) + 1) * kLanes<T>) {
        T* p = data.data();
        p += (LONGSPIKE_VECTOR_BYTES - reinterpret_cast<std::uintptr_t>(p) % LONGSPIKE_VECTOR_BYTES) %
             LONGSPIKE_VECTOR_BYTES / sizeof(T);
        const auto take = [&](i64 rows) { T* at = p; p += rows * kLanes<T>; return at; };
        lambda = take(2 * n_pairs), c = take(2 * n_pairs), state = take(2 * n_pairs), d = take(1);
        u = take(kS4dBlock), y = take(kS4dBlock), saved = take(4 * (kS4dBlock + 1));
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

// kGroup pairs of one block: runs forward from the saved state and keeps it, then backward through the adjoint
//     g[t] = conj(c) grad_y[t] + conj(lambda) g[t+1];  grad_u += Re g;  grad_lambda += g conj(x[t-1]);  grad_c += grad_y conj(x).
// q.u holds the inputs, q.y the output's gradients, grad_u the input's gradients of the block.
template <class T, int kGroup>
void s4d_group_backward(S4dTile<T>& q, S4dAdjoint<T>& a, T* grad_u, int pair, int rows) {
    Vec<T> lr[kGroup], li[kGroup], wr[kGroup], wi[kGroup], glr[kGroup], gli[kGroup], gcr[kGroup], gci[kGroup];
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        lr[g] = load<T>(q.lambda + at), li[g] = load<T>(q.lambda + at + kLanes<T>);
        wr[g] = load<T>(a.flow + at), wi[g] = load<T>(a.flow + at + kLanes<T>);
        glr[g] = gli[g] = gcr[g] = gci[g] = Vec<T>{};
        Vec<T> xr = load<T>(q.state + at), xi = load<T>(q.state + at + kLanes<T>);
        T* saved = q.saved + 2 * g * kLanes<T>;
        store<T>(saved, xr), store<T>(saved + kLanes<T>, xi);
        for (int t = 1; t <= rows; ++t) {
            const Vec<T> real = fma(lr[g], xr, fma(-li[g], xi, load<T>(q.u + (t - 1) * kLanes<T>)));
            xi = fma(lr[g], xi, li[g] * xr);
            xr = real;
            store<T>(saved + 2 * t * kGroup * kLanes<T>, xr), store<T>(saved + (2 * t * kGroup + 1) * kLanes<T>, xi);
        }
    }
    for (int t = rows; t >= 1; --t) {
        const Vec<T> gy = load<T>(q.y + (t - 1) * kLanes<T>);
        Vec<T> gu = load<T>(grad_u + (t - 1) * kLanes<T>);
        for (int g = 0; g < kGroup; ++g) {
            const i64 at = i64(2) * (pair + g) * kLanes<T>;
            const T* now = q.saved + 2 * (t * kGroup + g) * kLanes<T>;
            const T* before = now - 2 * kGroup * kLanes<T>;
            const Vec<T> gr = fma(load<T>(q.c + at), gy, wr[g]), gi = fma(-load<T>(q.c + at + kLanes<T>), gy, wi[g]);
            const Vec<T> xr = load<T>(before), xi = load<T>(before + kLanes<T>);
            gu = gu + gr;
            glr[g] = fma(gr, xr, fma(gi, xi, glr[g]));
            gli[g] = fma(gi, xr, fma(-gr, xi, gli[g]));
            gcr[g] = fma(gy, load<T>(now), gcr[g]);
            gci[g] = fma(-gy, load<T>(now + kLanes<T>), gci[g]);
            wr[g] = fma(lr[g], gr, li[g] * gi);
            wi[g] = fma(lr[g], gi, -(li[g] * gr));
        }
        store<T>(grad_u + (t - 1) * kLanes<T>, gu);
    }
    for (int g = 0; g < kGroup; ++g) {
        const i64 real = i64(2) * (pair + g) * kLanes<T>, imag = real + kLanes<T>;
        store<T>(a.flow + real, wr[g]), store<T>(a.flow + imag, wi[g]);
        store<T>(a.lambda + real, load<T>(a.lambda + real) + glr[g]), store<T>(a.lambda + imag, load<T>(a.lambda + imag) + gli[g]);
        store<T>(a.c + real, load<T>(a.c + real) + gcr[g]), store<T>(a.c + imag, load<T>(a.c + imag) + gci[g]);
    }
}

template <class T> void s4d_backward_tile(const S4dBackward<T>& c, i64 b, i64 first, int lanes) {
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
        for (; pair + 2 <= q.n_pairs; pair += 2) s4d_group_backward<T, 2>(q, a, grad_u.data(), pair, rows);
        for (; pair < q.n_pairs; ++pair) s4d_group_backward<T, 1>(q, a, grad_u.data(), pair, rows);
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
