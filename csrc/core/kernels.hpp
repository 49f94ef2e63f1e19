// The calls that every instruction set implements: pointers and sizes in, nothing else. Python fills a struct by the order of
// its fields (bindings/call.hpp; longspike/kernels/native.py): move none without the callers.
#pragma once
#include <cstdint>
#include <memory>

#include "dendrite/calls.hpp"
#include "streams/flames_stream_call.hpp"
#include "streams/sequence_stream_call.hpp"

namespace longspike {

using i64 = std::int64_t;

constexpr i64 kLifSpan = 64;                   // steps between two checkpoints of the neuron
constexpr i64 kS4dSpan = 64;                   // steps of the state-space scan that are worked on at a time
constexpr i64 kBlockInterval = 256;            // steps between two checkpoints of the scan inside a block
constexpr i64 kSaHippoSpan = 64;               // ticks between two checkpoints of the spike-aware memory
constexpr i64 kStreamingBytes = i64(1) << 25;  // results from here on are written around the caches

template <class T> struct LifParameters {
    const T *beta, *theta, *rho, *gamma;  // (channels)
};

// A (batch, seqlen, channels) tensor; strides in elements.
template <class T> struct Strided {
    T* data;
    i64 batch, time, channel;
};

template <class T> struct LifCall {
    Strided<const T> current;
    Strided<T> spikes;
    T *v, *r, *s;    // (batch, channels), in: state before, out: state after
    T* checkpoints;  // (batch, spans, 3, channels): v, r, s before each span of kLifSpan steps
    LifParameters<T> parameters;
    i64 batch, seqlen, channels;
    int reset, threads;  // reset: 0 subtract, 1 zero, 2 none
};

template <class T> struct LifBackward {
    Strided<const T> current, grad_spikes;
    const T* checkpoints;
    Strided<T> grad_current;
    T *grad_v, *grad_r, *grad_s;  // (batch, channels), in: of the final state, out: of the initial state
    double* grad_parameters;      // (batch, 4, channels): beta, theta, rho, gamma
    LifParameters<T> parameters;
    i64 batch, seqlen, channels;
    T surrogate_scale;
    int reset, surrogate, gradient, threads;  // gradient: 0 full, 1 detach_reset, 2 instant
    bool has_refractory;                      // false only if rho is zero and no gradient enters r: then r is left alone
    bool wants_parameters;                    // false: grad_parameters is left alone
};

// x[t] = lambda*x[t-1] + u[t];  y[t] = sum_n Re(c_n x_n[t]) + d*u[t], complex numbers as pairs of rows.
template <class T> struct S4dCall {
    const T* u;               // (batch, seqlen, channels)
    const T *lambda, *c, *d;  // (n_pairs, 2, channels), (n_pairs, 2, channels), (channels)
    T* y;                     // (batch, seqlen, channels)
    T* state;                 // (batch, n_pairs, 2, channels), in and out
    T* checkpoints;           // (batch, intervals, n_pairs, 2, channels): before every `interval` steps; or null
    i64 batch, seqlen, channels, n_pairs;
    i64 interval;  // steps, a multiple of kS4dSpan
    int threads;
};

template <class T> struct S4dBackward {
    const T *u, *grad_y, *lambda, *c, *d, *checkpoints;
    T *grad_u, *grad_state;   // grad_state in: of the final state, out: of the initial one
    T *grad_lambda, *grad_c;  // (batch, n_pairs, 2, channels)
    T* grad_d;                // (batch, channels)
    i64 batch, seqlen, channels, n_pairs, interval;
    int threads;
};

// y[i] = bias + sum_k x[i, k] w[k], terms with x[i, k] = 0 skipped, k ascending: a row's result depends on that row only.
template <class T> struct LinearCall {
    const T *x, *weight, *bias;  // (rows, inputs), (inputs, outputs), (outputs) or null
    T* y;                        // (rows, outputs)
    i64 rows, inputs, outputs;
    int threads;
};

// A whole block of a spiking state-space model: norm, scan, neuron, mixing, gate, residual; see spiking_block/forward.hpp.
template <class T> struct BlockParameters {
    const T *norm_weight, *norm_bias;  // (channels), or null: no norm
    const T *lambda, *c, *d;           // as in S4dCall
    LifParameters<T> neuron;
    const T *weight, *bias;                  // (channels, 2 channels), by input; (2 channels)
    const T *back_lambda, *back_c, *back_d;  // of the scan that reads backwards, or null: one direction
    const T *spike_scale, *output_scale;     // (batch, channels), or null: ones
    const i64* lengths;                      // (batch), valid steps, or null: all
    i64 batch, seqlen, channels, n_pairs;
    T eps;
    bool is_affine;  // the norm is z = x norm_weight + norm_bias: its statistics are in them
    int reset, threads;
};

template <class T> struct BlockCall {
    BlockParameters<T> p;
    const T* x;                             // (batch, seqlen, channels)
    T* y;                                   // (batch, seqlen, channels)
    T *state, *v, *r, *s;                   // in: before, out: after
    T* counts;                              // (batch, channels), spikes of valid steps: added to; or null
    std::uint64_t* bits;                    // (batch, seqlen, words) or null
    T *scan_checkpoints, *lif_checkpoints;  // (batch, intervals, n_pairs, 2, channels), (batch, spans, 3, channels), or null
    T* back_checkpoints;                    // (batch, intervals, n_pairs, 2, channels), of a bidirectional block, or null
    T* spikes;                              // (batch, seqlen, channels) or null
};

template <class T> struct BlockBackward {
    BlockParameters<T> p;
    const T *x, *grad_y, *grad_counts;  // grad_counts (batch, channels) or null
    const T* weight_by_output;          // (2 channels, channels)
    const std::uint64_t* bits;          // these four as the forward pass left them
    const T *scan_checkpoints, *lif_checkpoints, *back_checkpoints;
    T* grad_x;
    T *grad_state, *grad_v, *grad_r, *grad_s;         // in: of the final state, out: of the initial one
    T *grad_lambda, *grad_c, *grad_d;                 // (batch, n_pairs, 2, channels) twice, (batch, channels)
    T *grad_back_lambda, *grad_back_c, *grad_back_d;  // the same of the scan that reads backwards, or null
    double* grad_neuron;                              // (batch, 4, channels), beta, theta, rho, gamma: added to
    T *grad_norm, *grad_weight, *grad_bias;  // (groups, 2, channels), (groups, channels, 2 channels), (groups, 2 channels): added to
    i64 groups;                              // group k adds up the samples k, k + groups, .. in this order
    T surrogate_scale;
    int surrogate, gradient;  // as in LifBackward
    bool has_refractory, wants_neuron;
};

// y = a * sigmoid(b) for x = (a, b) side by side on the last axis.
template <class T> struct GluCall {
    const T *x, *grad_y;  // (rows, 2*channels), (rows, channels): grad_y only for the backward pass
    T* y;                 // forward: (rows, channels); backward: the gradient of x
    i64 rows, channels;
    int threads;
};

// The transitions of the spike-aware memory: sa_hippo/transition.hpp for every gap and head.
template <class T> struct SaHippoTables {
    const T *delta, *log_dt;                   // (gaps), (heads)
    const T *log_a_real, *a_imag, *log_decay;  // (heads, n_pairs); log_decay may be null: no decay
    const T *r, *b;                            // (heads, n_pairs, 2, rank), (heads, n_pairs, 2)
    T* tables;                                 // (gaps, heads, 6 n_pairs + rank rank)
    i64 gaps, heads, n_pairs, rank;
    bool is_diagonal, is_held;
    int threads;
};

// Ragged ticks: sample i owns the rows offsets[i] .. offsets[i+1]-1 of u; index[k] is the gap of tick k.
template <class T> struct SaHippoShape {
    const T* u;                   // (ticks, d_model)
    const i64 *index, *offsets;   // (ticks), (batch + 1)
    const T *tables, *r, *c, *d;  // (gaps, heads, size), (heads, n_pairs, 2, rank), (n_pairs, 2, d_model), (d_model)
    i64 batch, d_model, heads, n_pairs, rank;
    int threads;
};

template <class T> struct SaHippoCall {
    SaHippoShape<T> shape;
    T *y, *state;    // (ticks, d_model); (batch, heads, n_pairs, 2, d_head), in and out
    T* checkpoints;  // (ticks / kSaHippoSpan + batch, heads, n_pairs, 2, d_head) or null
};

template <class T> struct SaHippoBackward {
    SaHippoShape<T> shape;
    const T *grad_y, *checkpoints;
    T *grad_u, *grad_state;        // grad_state in: of the final states, out: of the initial ones
    double *grad_tables, *grad_r;  // (groups, gaps, heads, size), (groups, heads, n_pairs, 2, rank): added to
    double *grad_c, *grad_d;       // (groups, n_pairs, 2, d_model), (groups, d_model): added to
    i64 gaps, groups;              // group k adds up the samples k, k + groups, .. in this order
};

// u[tick] = sum over the tick's items and their channels of values * weight[cell, channel].
template <class T> struct EmbedCall {
    const T *values, *weight;        // (items, channels), (cells, channels, d_model)
    const i64 *cell, *tick_offsets;  // (items), (ticks + 1)
    T* u;                            // (ticks, d_model)
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

// Spikes of x > threshold, element by element; backward: y = grad * slope(x - threshold), one grad for all or one each.
template <class T> struct SpikeCall {
    const T *x, *grad;
    T* y;
    T threshold, scale;  // scale: of the surrogate
    i64 n;
    int surrogate, threads;
    bool is_one_grad;
};

template <class T> struct SpikeTable {
    void (*forward)(const SpikeCall<T>&);
    i64 (*count)(const SpikeCall<T>&);
    void (*backward)(const SpikeCall<T>&);
};

template <class T> struct TickTable {
    void (*embed_forward)(const EmbedCall<T>&);
    void (*embed_backward)(const EmbedCall<T>&, const T* grad_u, T* grad_values, T* grad_weight);
    void (*normalise)(const NormCall<T>&);
    void (*pool_ticks)(const PoolCall<T>&);
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
    void (*block_forward)(const BlockCall<T>&);
    void (*block_backward)(const BlockBackward<T>&);
    std::unique_ptr<AbstractSequenceStream> (*make_sequence_stream)(const SequenceStreamCall&);
    void (*sa_hippo_tables)(const SaHippoTables<T>&);
    void (*sa_hippo_forward)(const SaHippoCall<T>&);
    void (*sa_hippo_backward)(const SaHippoBackward<T>&);
    DendriteTable<T> dendrite;
    TickTable<T> tick;
    SpikeTable<T> spikes;
};

// What the machine does at most, float32: limits.hpp.
struct LimitsTable {
    void (*copy)(const float* x, float* y, i64 n, int threads);
    void (*triad)(const float* a, const float* b, float scale, float* y, i64 n, int threads);
    void (*fill)(float value, float* y, i64 n, int threads);
    double (*sum)(const float* x, i64 n, int threads);
    double (*fma)(i64 items, int threads);
    void (*records)(float* x, i64 numbers, const i64* order, i64 count, int threads);
};

struct Architecture {
    const char* name;
    KernelTable<float> f32;
    KernelTable<double> f64;
    LimitsTable limits;
    std::unique_ptr<AbstractFlamesStream> (*make_flames_stream)(const FlamesParameters&);
};

}  // namespace longspike
