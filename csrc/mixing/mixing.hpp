// Channel mixing behind the neuron: a linear map that skips zeros, and the gated linear unit.
//
// The result of a row depends on that row alone and is summed in a fixed order, so a sequence gives the same numbers
// whole, in chunks and step by step. A general matrix product does not promise that.
#pragma once
#include <algorithm>
#include <vector>

#include "core/aligned.hpp"
#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"
#include "spikes/bits.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kRowsPerPiece = 32;

// kVectors neighbouring output vectors of one row, from the row's nonzero inputs.
template <class T, int kVectors>
void linear_tile(const LinearCall<T>& c, const T* values, const std::int32_t* index, i64 count, T* y, i64 first, int tail) {
    Vec<T> sum[kVectors];
    for (int g = 0; g < kVectors; ++g) {
        const int n = g == kVectors - 1 ? tail : kLanes<T>;
        sum[g] = c.bias ? load_first<T>(c.bias + first + g * kLanes<T>, n) : Vec<T>{};
    }
    for (i64 k = 0; k < count; ++k) {
        const T* w = c.weight + index[k] * c.outputs + first;
        const Vec<T> x = splat<T>(values[k]);
        for (int g = 0; g < kVectors - 1; ++g) sum[g] = fma(x, load<T>(w + g * kLanes<T>), sum[g]);
        sum[kVectors - 1] = fma(x, load_first<T>(w + (kVectors - 1) * kLanes<T>, tail), sum[kVectors - 1]);
    }
    for (int g = 0; g < kVectors; ++g) store_first<T>(y + first + g * kLanes<T>, sum[g], g == kVectors - 1 ? tail : kLanes<T>);
}

// One row from the list of its nonzero inputs, summed in the list's order.
template <class T> void linear_row(const LinearCall<T>& c, const T* values, const std::int32_t* index, i64 count, T* y) {
    constexpr i64 kWide = 8 * kLanes<T>;
    i64 first = 0;
    for (; first + kWide <= c.outputs; first += kWide) linear_tile<T, 8>(c, values, index, count, y, first, kLanes<T>);
    for (; first < c.outputs; first += kLanes<T>) {
        const int n = static_cast<int>(std::min<i64>(kLanes<T>, c.outputs - first));
        linear_tile<T, 1>(c, values, index, count, y, first, n);
    }
}

// The nonzero entries of one row at a time.
template <class T> struct ActiveInputs {
    std::vector<std::uint64_t> words;
    std::vector<std::int32_t> index;
    Aligned<T> values;
    i64 count = 0;
    explicit ActiveInputs(i64 inputs) : words(words_of(inputs)), index(inputs), values(inputs) {}
    void find(const T* x, i64 inputs) {
        pack_row<T>(x, inputs, words.data());
        count = list_bits(words.data(), words_of(inputs), index.data());
        for (i64 k = 0; k < count; ++k) values[k] = x[index[k]];
    }
};

template <class T> void linear(const LinearCall<T>& c) {
    for_pieces(c.rows, kRowsPerPiece, c.rows * c.inputs * c.outputs < 16384 ? 1 : c.threads, [&](i64 first, i64 last) {
        ActiveInputs<T> active(c.inputs);
        for (i64 i = first; i < last; ++i) {
            active.find(c.x + i * c.inputs, c.inputs);
            linear_row<T>(c, active.values.data(), active.index.data(), active.count, c.y + i * c.outputs);
        }
    });
}

template <class T> inline Vec<T> sigmoid(Vec<T> x) {
    const Vec<T> one = splat<T>(1);
    return one / (one + exponential<T>(-x));
}

template <class T, bool kBackward> void glu_row(const GluCall<T>& c, i64 i) {
    const T* a = c.x + i * 2 * c.channels;
    const T* b = a + c.channels;
    for (i64 j = 0; j < c.channels; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<i64>(kLanes<T>, c.channels - j));
        const Vec<T> value = load_first<T>(a + j, n), gate = sigmoid<T>(load_first<T>(b + j, n));
        if constexpr (kBackward) {
            const Vec<T> grad = load_first<T>(c.grad_y + i * c.channels + j, n);
            T* grad_a = c.y + i * 2 * c.channels;
            store_first<T>(grad_a + j, grad * gate, n);
            store_first<T>(grad_a + c.channels + j, grad * value * gate * (splat<T>(1) - gate), n);
        } else {
            store_first<T>(c.y + i * c.channels + j, value * gate, n);
        }
    }
}

template <class T, bool kBackward> void glu(const GluCall<T>& c) {
    for_pieces(c.rows, kRowsPerPiece, c.rows * c.channels < 4096 ? 1 : c.threads, [&](i64 first, i64 last) {
        for (i64 i = first; i < last; ++i) glu_row<T, kBackward>(c, i);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
