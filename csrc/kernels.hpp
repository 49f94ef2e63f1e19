// The calls that every instruction set implements: pointers and sizes in, nothing else.
#pragma once
#include <cstdint>

#include "dendrite_calls.hpp"

namespace longspike {

using i64 = std::int64_t;

constexpr i64 kLifBlock = 64;                 // steps between two saved states of the neuron
constexpr i64 kS4dBlock = 64;                 // steps between two saved states of the state-space scan
constexpr i64 kStreamingBytes = i64(1) << 25;  // results from here on are written around the caches

template <class T> struct LifParameters {
    const T *beta, *theta, *rho, *gamma;  // (channels)
};

template <class T> struct LifCall {
    const T* current;  // (batch, seqlen, channels)
    T* spikes;         // (batch, seqlen, channels)
    T *v, *r, *s;      // (batch, channels), in: state before, out: state after
    T* checkpoints;    // (batch, blocks, 3, channels): v, r, s before each block of kLifBlock steps
    LifParameters<T> parameters;
    i64 batch, seqlen, channels;
    int reset, threads;  // reset: 0 subtract, 1 zero, 2 none
};

template <class T> struct LifBackward {
    const T *current, *grad_spikes, *checkpoints;
    T* grad_current;
    T *grad_v, *grad_r, *grad_s;  // (batch, channels), in: of the final state, out: of the initial state
    double* grad_parameters;      // (batch, 4, channels): beta, theta, rho, gamma
    LifParameters<T> parameters;
    i64 batch, seqlen, channels;
    T surrogate_scale;
    int reset, surrogate, gradient, threads;  // gradient: 0 full, 1 detach_reset, 2 instant
    bool has_refractory;    // false only if rho is zero and no gradient enters r: then r is left alone
    bool wants_parameters;  // false: grad_parameters is left alone
};

// x[t] = lambda*x[t-1] + u[t];  y[t] = sum_n Re(c_n x_n[t]) + d*u[t], complex numbers as pairs of rows.
template <class T> struct S4dCall {
    const T* u;                 // (batch, seqlen, channels)
    const T *lambda, *c, *d;    // (n_pairs, 2, channels), (n_pairs, 2, channels), (channels)
    T* y;                       // (batch, seqlen, channels)
    T* state;                   // (batch, n_pairs, 2, channels), in and out
    T* checkpoints;             // (batch, blocks, n_pairs, 2, channels) or null
    i64 batch, seqlen, channels, n_pairs;
    int threads;
};

template <class T> struct S4dBackward {
    const T *u, *grad_y, *lambda, *c, *d, *checkpoints;
    T *grad_u, *grad_state;     // grad_state in: of the final state, out: of the initial one
    T *grad_lambda, *grad_c;    // (batch, n_pairs, 2, channels)
    T* grad_d;                  // (batch, channels)
    i64 batch, seqlen, channels, n_pairs;
    int threads;
};

// y[i] = bias + sum_k x[i, k] w[k], terms with x[i, k] = 0 skipped, k ascending: a row's result depends on that row only.
template <class T> struct LinearCall {
    const T *x, *weight, *bias;  // (rows, inputs), (inputs, outputs), (outputs) or null
    T* y;                        // (rows, outputs)
    i64 rows, inputs, outputs;
    int threads;
};

// y = a * sigmoid(b) for x = (a, b) side by side on the last axis.
template <class T> struct GluCall {
    const T *x, *grad_y;  // (rows, 2*channels), (rows, channels): grad_y only for the backward pass
    T* y;                 // forward: (rows, channels); backward: the gradient of x
    i64 rows, channels;
    int threads;
};

template <class T> struct KernelTable {
    void (*lif_forward)(const LifCall<T>&);
    i64 (*lif_speculative)(const LifCall<T>&, i64 chunk, i64 warmup);
    void (*lif_backward)(const LifBackward<T>&);
    void (*s4d_forward)(const S4dCall<T>&);
    void (*s4d_backward)(const S4dBackward<T>&);
    void (*linear)(const LinearCall<T>&);
    void (*glu_forward)(const GluCall<T>&);
    void (*glu_backward)(const GluCall<T>&);
    DendriteTable<T> dendrite;
};

// u[tick] = sum over the tick's items and their channels of values * weight[cell, channel].
template <class T> struct EmbedCall {
    const T *values, *weight;              // (items, channels), (cells, channels, d_model)
    const i64 *cell, *tick_offsets;        // (items), (ticks + 1)
    T* u;                                  // (ticks, d_model)
    i64 items, ticks, channels, d_model;
    int threads;
};

template <class T> struct NormCall {
    const T *x, *weight, *bias;  // (rows, channels), (channels), (channels)
    T* y;
    T eps;
    i64 rows, channels;
    int threads;
};

// The mean of the weighted means of windows of `size` ticks, continued from a state.
template <class T> struct PoolCall {
    const T* y;                         // (ticks, channels)
    const double* weights;              // (ticks)
    const i64* offsets;                 // (batch + 1)
    double *window, *windows, *counts;  // (batch, channels), (batch, channels), (batch, 3), in and out
    T* mean;                            // (batch, channels)
    i64 batch, channels, size;
    int threads;
};

template <class T> struct TickTable {
    void (*embed_forward)(const EmbedCall<T>&);
    void (*embed_backward)(const EmbedCall<T>&, const T* grad_u, T* grad_values, T* grad_weight);
    void (*normalise)(const NormCall<T>&);
    void (*pool_ticks)(const PoolCall<T>&);
};

struct Architecture {
    const char* name;
    KernelTable<float> f32;
    KernelTable<double> f64;
    TickTable<float> tick_f32;
    TickTable<double> tick_f64;
};

template <class T> const TickTable<T>& tick_table(const Architecture& a);
template <> inline const TickTable<float>& tick_table<float>(const Architecture& a) { return a.tick_f32; }
template <> inline const TickTable<double>& tick_table<double>(const Architecture& a) { return a.tick_f64; }

}  // namespace longspike
