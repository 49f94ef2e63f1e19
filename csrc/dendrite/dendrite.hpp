// One row of a dendritic neuron: what a position does in a step in which an event reaches it.
//
//     i_d = alpha_d * i_d + sum over taps of value * w_d,   alpha_d = exp(-gap * rate_d)
//     m   = beta * v + sum_d g_d * i_d,                     beta    = exp(-gap * rate_soma)
//     s   = m > threshold;  v = s ? 0 : m
//
// The functions of one line each are what a stream calls, event by event; dendrite_row does the same in one sweep. Both
// round alike: multiply for a decay, one fma per tap in order, one fma per branch in order.
// Callers keep a FlushDenormals alive around them: a branch that nothing reaches decays into denormal numbers and stays there.
// Layout: i is (branches, width), a tap's weights (branches, width), v (width), with width = dendrite_width(channels).
// rate and alpha are (branches + 1), the soma last, in memory of dendrite_width(branches + 1).
#pragma once
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T> constexpr i64 dendrite_width(i64 channels) { return (channels + kLanes<T> - 1) / kLanes<T> * kLanes<T>; }

// The decays of one gap (in steps); those below 2^-100 (float64: 2^-900) are zero: what was forgotten is gone.
template <class T> inline void dendrite_alphas(const T* rate, i64 gap, i64 n, T* alpha) {
    const Vec<T> steps = splat<T>(-static_cast<T>(gap)), least = splat<T>(sizeof(T) == 4 ? T(-69.3) : T(-623.8));
    for (i64 k = 0; k < n; k += kLanes<T>) {
        const Vec<T> x = steps * load<T>(rate + k);
        store<T>(alpha + k, x > least ? exponential<T>(x) : Vec<T>{});
    }
}

template <class T> inline void dendrite_decay(T* i, const T* alpha, i64 branches, i64 width) {
    for (i64 d = 0; d < branches; ++d)
        for (i64 c = d * width; c < (d + 1) * width; c += kLanes<T>) store<T>(i + c, splat<T>(alpha[d]) * load<T>(i + c));
}

template <class T> inline void dendrite_add(T* i, const T* w, T value, i64 branches, i64 width) {
    for (i64 c = 0; c < branches * width; c += kLanes<T>) store<T>(i + c, fma(splat<T>(value), load<T>(w + c), load<T>(i + c)));
}

// v in: after the last row's reset; out: the membrane before this row's reset.
template <class T> inline void dendrite_membrane(const T* i, const T* g, T beta, T* v, i64 branches, i64 width) {
    for (i64 c = 0; c < width; c += kLanes<T>) {
        Vec<T> m = splat<T>(beta) * load<T>(v + c);
        for (i64 d = 0; d < branches; ++d) m = fma(splat<T>(g[d]), load<T>(i + d * width + c), m);
        store<T>(v + c, m);
    }
}

template <class T> inline void dendrite_reset(T* v, T threshold, i64 width) {
    for (i64 c = 0; c < width; c += kLanes<T>) {
        const Vec<T> m = load<T>(v + c);
        store<T>(v + c, m > splat<T>(threshold) ? Vec<T>{} : m);
    }
}

// An active input under one tap of the kernel: where its (branches, width) weights start, and its value.
template <class T> struct DendriteTap {
    i64 at;
    T value;
};

// What a row needs besides its state.
template <class T> struct DendriteRow {
    const T* weight;
    const DendriteTap<T>* taps;
    i64 num_taps;
    const T *alpha, *g;  // (branches + 1), (branches)
    i64 branches, width;
};

// Decay, taps and membrane of kVectors vectors of channels from `first` on, i in registers.
template <class T, int kVectors> inline void dendrite_row_tile(T* i, T* v, const DendriteRow<T>& row, i64 first) {
    const auto [weight, taps, num_taps, alpha, g, branches, width] = row;  // here: a store might change `row`
    Vec<T> m[kVectors];
    for (int j = 0; j < kVectors; ++j) m[j] = splat<T>(alpha[branches]) * load<T>(v + first + j * kLanes<T>);
    for (i64 d = 0; d < branches; ++d) {
        const i64 at = d * width + first;
        Vec<T> x[kVectors];
        for (int j = 0; j < kVectors; ++j) x[j] = splat<T>(alpha[d]) * load<T>(i + at + j * kLanes<T>);
        for (i64 k = 0; k < num_taps; ++k) {
            const T* w = weight + taps[k].at + at;
            for (int j = 0; j < kVectors; ++j) x[j] = fma(splat<T>(taps[k].value), load<T>(w + j * kLanes<T>), x[j]);
        }
        for (int j = 0; j < kVectors; ++j) {
            store<T>(i + at + j * kLanes<T>, x[j]);
            m[j] = fma(splat<T>(g[d]), x[j], m[j]);
        }
    }
    for (int j = 0; j < kVectors; ++j) store<T>(v + first + j * kLanes<T>, m[j]);
}

// dendrite_decay, dendrite_add for every tap, dendrite_membrane: v leaves as the membrane before the reset.
template <class T> inline void dendrite_row(T* i, T* v, const DendriteRow<T>& row) {
    i64 first = 0;
    for (; first + 4 * kLanes<T> <= row.width; first += 4 * kLanes<T>) dendrite_row_tile<T, 4>(i, v, row, first);
    for (; first + 2 * kLanes<T> <= row.width; first += 2 * kLanes<T>) dendrite_row_tile<T, 2>(i, v, row, first);
    for (; first < row.width; first += kLanes<T>) dendrite_row_tile<T, 1>(i, v, row, first);
}

}  // namespace longspike::LONGSPIKE_ARCH
