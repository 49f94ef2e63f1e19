// One tile and one block of the diagonal state-space scan: outputs and the state after it.
//
//     x_n[t] = lambda_n x_n[t-1] + u[t]        y[t] = sum_n Re(c_n x_n[t]) + d u[t]        n = 0 .. n_pairs-1, complex
//
// A tile is one vector of channels of one sample. Within a block a group of pairs keeps its state and coefficients in
// registers, and adds its share to the block's output rows. The order of the operations on one channel is the same for
// every block length, batch size and tile, so whole, chunks and steps agree bit for bit.
#pragma once
#include <vector>

#include "kernels.hpp"
#include "simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

// The first address from p on that begins a vector.
template <class T> T* aligned(T* p) {
    constexpr std::uintptr_t bytes = LONGSPIKE_VECTOR_BYTES;
    return reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(p) + bytes - 1) / bytes * bytes);
}

// What one tile works on; rows of one vector each.
template <class T> struct S4dTile {
    int n_pairs, lanes;
    std::vector<T> data;
    T *lambda, *c, *d, *state, *u, *y, *saved;
    S4dTile(const T* lambda_, const T* c_, const T* d_, i64 channels, i64 n_pairs_, i64 first, int lanes_)
        : n_pairs(static_cast<int>(n_pairs_)), lanes(lanes_),
          data((6 * n_pairs_ + 1 + 2 * (kS4dBlock + 1) + 8 * (kS4dBlock + 1) + 1) * kLanes<T>) {
        T* p = aligned(data.data());
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

// `rows` steps of all pairs: reads q.u, writes q.y, moves q.state on.
template <class T> void s4d_block(S4dTile<T>& q, int rows) {
    const Vec<T> d = load<T>(q.d);
    for (int t = 0; t < rows; ++t) store<T>(q.y + t * kLanes<T>, d * load<T>(q.u + t * kLanes<T>));
    int pair = 0;
    for (; pair + kForwardGroup <= q.n_pairs; pair += kForwardGroup) s4d_group<T, kForwardGroup>(q, pair, rows);
    for (; pair < q.n_pairs; ++pair) s4d_group<T, 1>(q, pair, rows);
}

}  // namespace longspike::LONGSPIKE_ARCH
