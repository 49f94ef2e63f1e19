// The calls of the dendritic neuron and of its pooling: pointers and sizes in, nothing else.
#pragma once
#include <cstdint>

namespace longspike {

constexpr std::int64_t kDendriteSpan = 64;  // rows of a chain that the backward pass computes again at a time

// Rows of a chain follow each other in time; row r adds the pairs [pair_offsets[r], pair_offsets[r + 1]). A dense call
// has no pairs: its row r adds weight[r], which is then (rows, branches, channels).
template <class T> struct DendriteCall {
    const T* values;                                // (inputs, c_in)
    const T* weight;                                // (taps, c_in, branches, channels)
    const T *rate, *g;                              // (branches + 1): the last one is the soma's; (branches)
    const T *i0, *v0;                               // (chains, branches, channels), (chains, channels), or null: zero
    T* membrane;                                    // (rows, channels), before the reset; the backward pass reads it
    T *i_end, *v_end;                               // like i0, v0, or null: not wanted
    const std::int64_t *gap, *chain_offsets;        // (rows), (chains + 1)
    const std::int64_t *pair_offsets, *pair_input;  // (rows + 1), (pairs)
    const std::int32_t* pair_tap;                   // (pairs)
    std::int64_t inputs, c_in, taps, branches, channels, rows, chains;
    T threshold;
    int threads;
    bool by_event;  // one function after the other, as a stream calls them, instead of a fused row: the same bits
};

template <class T> struct DendriteBackward {
    DendriteCall<T> forward;
    const T* grad_membrane;            // (rows, channels)
    const T *grad_i_end, *grad_v_end;  // or null: zero
    T *grad_values, *grad_weight;      // grad_values may be null: not wanted
    T *grad_rate, *grad_g;             // (branches + 1), (branches)
    T *grad_i0, *grad_v0;              // or null: not wanted
    T surrogate_scale;
    int surrogate;
};

// The largest membrane of each group of rows, channel by channel; equals: the first.
template <class T> struct SegmentMaxCall {
    const T* x;                                      // (rows, channels); backward: the gradient of y
    T* y;                                            // (groups, channels); backward: the gradient of x
    std::int32_t* position;                          // (groups, channels): of the largest one within its group
    const std::int64_t *group_offsets, *group_rows;  // (groups + 1), (rows): every row is in one group
    std::int64_t groups, channels;
    int threads;
};

template <class T> struct DendriteTable {
    bool (*conv_forward)(const DendriteCall<T>&);  // false: a membrane became NaN
    bool (*dense_forward)(const DendriteCall<T>&);
    void (*conv_backward)(const DendriteBackward<T>&);
    void (*dense_backward)(const DendriteBackward<T>&);
    void (*segment_max)(const SegmentMaxCall<T>&);
    void (*segment_max_backward)(const SegmentMaxCall<T>&);
};

}  // namespace longspike
