// One transition of the spike-aware memory: the numbers that a head's tick reads for a gap of delta steps.
//
//     Dt = delta dt,  f = exp(-a Dt),  Lambda_S = f^2 Lambda,  h = Dt/2,  d = 1/(1 - h Lambda_S)
//     g = 2d - 1,  e = f d,  W = 2h (I + h R_S* diag(d) R_S)^-1,  R_S = diag(f) R
//
// In memory: Re g, Im g, Re e, Im e, Re b, Im b (n_pairs each), W (rank x rank). Everything is computed in double and rounded
// once, by this function alone, for whole batches and for streams. Its caller holds a FlushDenormals.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr int kTile = 8;  // doubles: rows and columns of the small matrix are padded to it, and pairs as well

constexpr int padded(int n) { return (n + kTile - 1) / kTile * kTile; }
constexpr i64 sa_hippo_transition_size(i64 n_pairs, i64 rank) { return 6 * n_pairs + rank * rank; }

// One head's parameters in double, prepared once. Where a pair is padding, nothing reads its result.
struct SaHippoDynamics {
    int n_pairs, rank, pairs, columns;  // pairs, columns: padded
    bool is_diagonal, is_held;
    double dt;
    std::vector<double> data;
    double *decay, *real, *imag, *b_real, *b_imag;  // (pairs)
    double *r_real, *r_imag;                        // (pairs, columns)

    template <class T>
    SaHippoDynamics(const SaHippoTables<T>& c, i64 head)
        : n_pairs(static_cast<int>(c.n_pairs)), rank(c.is_diagonal ? 0 : static_cast<int>(c.rank)), pairs(padded(n_pairs)),
          columns(padded(rank)), is_diagonal(c.is_diagonal), is_held(c.is_held), dt(std::exp(double(c.log_dt[head]))),
          data(pairs * (5 + 2 * columns), 0.0) {
        double* p = data.data();
        for (double** at : {&decay, &real, &imag, &b_real, &b_imag}) *at = p, p += pairs;
        r_real = p, r_imag = p + pairs * columns;
        for (int n = 0; n < n_pairs; ++n) {
            const i64 at = head * n_pairs + n;
            if (c.log_decay) decay[n] = std::exp(double(c.log_decay[at]));
            real[n] = -std::exp(double(c.log_a_real[at])), imag[n] = double(c.a_imag[at]);
            b_real[n] = double(c.b[2 * at]), b_imag[n] = double(c.b[2 * at + 1]);
            for (int j = 0; j < rank; ++j) {
                r_real[n * columns + j] = double(c.r[2 * at * rank + j]);
                r_imag[n * columns + j] = double(c.r[(2 * at + 1) * rank + j]);
            }
        }
    }
    SaHippoDynamics(const SaHippoDynamics&) = delete;
    SaHippoDynamics(SaHippoDynamics&&) = default;  // the vector keeps its memory, so the pointers stay right
};

// Scratch memory of one transition, to be reused.
struct SaHippoWork {
    std::vector<double> data;
    double *gr, *gi, *er, *ei, *br, *bi, *dr, *di;  // (pairs)
    double *left_real, *left_imag;                  // (pairs, columns)
    double *matrix, *read, *moved;                  // (columns, columns), (columns), (columns)
    explicit SaHippoWork(const SaHippoDynamics& q) : data(q.pairs * (8 + 2 * q.columns) + q.columns * (q.columns + 2)) {
        double* p = data.data();
        for (double** at : {&gr, &gi, &er, &ei, &br, &bi, &dr, &di}) *at = p, p += q.pairs;
        left_real = p, left_imag = p + q.pairs * q.columns, matrix = left_imag + q.pairs * q.columns;
        read = matrix + q.columns * q.columns, moved = read + q.columns;
    }
};

using Double = Vec<double>;

// f, d, g = 2d - 1, e = f d of every pair.
inline void sa_hippo_bilinear(const SaHippoDynamics& q, SaHippoWork& s, double dt) {
    const Double one = splat<double>(1), half = splat<double>(dt / 2), minus = splat<double>(-dt);
    for (int n = 0; n < q.pairs; n += kLanes<double>) {
        const Double f = exponential<double>(minus * load<double>(q.decay + n)), scale = half * (f * f);
        const Double p = fma(-scale, load<double>(q.real + n), one), i = scale * load<double>(q.imag + n);
        const Double inverse = one / fma(p, p, i * i);
        const Double dr = p * inverse, di = i * inverse;
        store<double>(s.dr + n, dr), store<double>(s.di + n, di);
        store<double>(s.gr + n, dr + dr - one), store<double>(s.gi + n, di + di);
        store<double>(s.er + n, f * dr), store<double>(s.ei + n, f * di);
        const Double wr = f * f * dr, wi = f * f * di;
        for (int lane = 0; lane < kLanes<double>; ++lane)  // Re(f^2 d conj(R_j) R_k) = left_real_j Re R_k + left_imag_j Im R_k
            for (int j = 0; j < q.columns; j += kLanes<double>) {
                const int at = (n + lane) * q.columns + j;
                const Double rr = load<double>(q.r_real + at), ri = load<double>(q.r_imag + at);
                const Double real = splat<double>(wr[lane]), imag = splat<double>(wi[lane]);
                store<double>(s.left_real + at, fma(real, rr, imag * ri));
                store<double>(s.left_imag + at, fma(real, ri, -(imag * rr)));
            }
    }
}

// I + h R_S* diag(d) R_S, pairs ascending; eight rows in registers.
inline void sa_hippo_small_matrix(const SaHippoDynamics& q, SaHippoWork& s, double dt) {
    for (int j = 0; j < q.columns; j += kTile)
        for (int k = 0; k < q.columns; k += kLanes<double>) {
            Double sum[kTile]{};
            for (int n = 0; n < q.n_pairs; ++n) {
                const Double rr = load<double>(q.r_real + n * q.columns + k), ri = load<double>(q.r_imag + n * q.columns + k);
                const double *left_real = s.left_real + n * q.columns + j, *left_imag = s.left_imag + n * q.columns + j;
                for (int i = 0; i < kTile; ++i) sum[i] = fma(splat<double>(left_imag[i]), ri, fma(splat<double>(left_real[i]), rr, sum[i]));
            }
            for (int i = 0; i < kTile; ++i) store<double>(s.matrix + (j + i) * q.columns + k, splat<double>(dt) * sum[i]);
        }
    for (int j = 0; j < q.rank; ++j) s.matrix[j * q.columns + j] += 1.0;
}

// The inverse in place, by Gauss and Jordan. No pivoting: the symmetric part of the matrix is I plus a positive
// semidefinite one (Re d > 0), every Schur complement inherits that, so every pivot is at least 1.
inline void sa_hippo_invert(const SaHippoDynamics& q, double* matrix) {
    typename Lanes<double>::I lane;
    for (int i = 0; i < kLanes<double>; ++i) lane[i] = i;
    for (int k = 0; k < q.rank; ++k) {
        double* pivot_row = matrix + k * q.columns;
        const Double pivot = splat<double>(1.0 / pivot_row[k]);
        for (int c = 0; c < q.columns; c += kLanes<double>) {
            const Double row = load<double>(pivot_row + c);
            store<double>(pivot_row + c, (lane == k - c ? splat<double>(1) : row) * pivot);
        }
        for (int i = 0; i < q.rank; ++i) {
            if (i == k) continue;
            double* row = matrix + i * q.columns;
            const Double factor = splat<double>(-row[k]);
            for (int c = 0; c < q.columns; c += kLanes<double>) {
                const Double kept = load<double>(row + c);
                store<double>(row + c, fma(factor, load<double>(pivot_row + c), lane == k - c ? Double{} : kept));
            }
        }
    }
}

// b = Dt (I - h A_S)^-1 B = Dt (d B - e R (W/2) R*(e B)); the matrix is inverted already.
inline void sa_hippo_held(const SaHippoDynamics& q, SaHippoWork& s, double dt) {
    std::fill_n(s.read, q.columns, 0.0);
    for (int n = 0; n < q.n_pairs; ++n) {
        const double real = s.er[n] * q.b_real[n] - s.ei[n] * q.b_imag[n], imag = s.er[n] * q.b_imag[n] + s.ei[n] * q.b_real[n];
        for (int j = 0; j < q.rank; ++j) s.read[j] += q.r_real[n * q.columns + j] * real + q.r_imag[n * q.columns + j] * imag;
    }
    for (int j = 0; j < q.rank; ++j) {
        double sum = 0;
        for (int k = 0; k < q.rank; ++k) sum += s.matrix[j * q.columns + k] * s.read[k];
        s.moved[j] = dt * sum;  // W/2 = h inverse, and 2 Re
    }
    for (int n = 0; n < q.n_pairs; ++n) {
        double qr = 0, qi = 0;
        for (int j = 0; j < q.rank; ++j) qr += q.r_real[n * q.columns + j] * s.moved[j], qi += q.r_imag[n * q.columns + j] * s.moved[j];
        s.br[n] = dt * (s.dr[n] * q.b_real[n] - s.di[n] * q.b_imag[n] - (s.er[n] * qr - s.ei[n] * qi));
        s.bi[n] = dt * (s.dr[n] * q.b_imag[n] + s.di[n] * q.b_real[n] - (s.er[n] * qi + s.ei[n] * qr));
    }
}

// No low rank: g = exp(z), z = Dt Lambda_S, and held b = Dt (exp(z) - 1)/z B without cancellation.
inline void sa_hippo_diagonal(const SaHippoDynamics& q, SaHippoWork& s, double dt) {
    for (int n = 0; n < q.n_pairs; ++n) {
        const double f = std::exp(-q.decay[n] * dt), x = f * f * q.real[n] * dt, y = f * f * q.imag[n] * dt;
        const double growth = std::exp(x), sine = std::sin(y), cosine = std::cos(y);
        s.gr[n] = growth * cosine, s.gi[n] = growth * sine, s.er[n] = 0, s.ei[n] = 0;
        if (!q.is_held) continue;
        const double norm = x * x + y * y, half_sine = std::sin(y / 2);
        double pr = 1 + x / 2 + (x * x - y * y) / 6, pi = y / 2 + x * y / 3;
        if (norm >= 1e-10) {
            const double real = std::expm1(x) * cosine - 2 * half_sine * half_sine, imag = growth * sine;
            pr = (real * x + imag * y) / norm, pi = (imag * x - real * y) / norm;
        }
        s.br[n] = dt * (pr * q.b_real[n] - pi * q.b_imag[n]), s.bi[n] = dt * (pr * q.b_imag[n] + pi * q.b_real[n]);
    }
}

// The transition of one head for one gap.
template <class T> void sa_hippo_transition(const SaHippoDynamics& q, T delta, T* table, SaHippoWork& s) {
    const double dt = double(delta) * q.dt;
    if (q.is_diagonal) {
        sa_hippo_diagonal(q, s, dt);
    } else {
        sa_hippo_bilinear(q, s, dt);
        sa_hippo_small_matrix(q, s, dt);
        sa_hippo_invert(q, s.matrix);
        if (q.is_held) sa_hippo_held(q, s, dt);
    }
    const double *br = q.is_held ? s.br : q.b_real, *bi = q.is_held ? s.bi : q.b_imag;
    for (const double* part : {static_cast<const double*>(s.gr), static_cast<const double*>(s.gi), static_cast<const double*>(s.er),
                               static_cast<const double*>(s.ei), br, bi})
        for (int n = 0; n < q.n_pairs; ++n) *table++ = static_cast<T>(part[n]);
    for (int j = 0; j < q.rank; ++j)
        for (int k = 0; k < q.rank; ++k) *table++ = static_cast<T>(dt * s.matrix[j * q.columns + k]);  // 2h = Dt
}

// Every gap of every head.
template <class T> void sa_hippo_tables(const SaHippoTables<T>& c) {
    parallel_for(c.heads, c.gaps * c.heads < 32 ? 1 : c.threads, [&](i64 head) {
        const FlushDenormals flush;
        const SaHippoDynamics q(c, head);
        SaHippoWork s(q);
        const i64 size = sa_hippo_transition_size(c.n_pairs, q.rank);
        for (i64 k = 0; k < c.gaps; ++k) poll(k), sa_hippo_transition<T>(q, c.delta[k], c.tables + (k * c.heads + head) * size, s);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
