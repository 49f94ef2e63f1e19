// Channel mixing behind the neuron: a linear map that skips zeros, and the gated linear unit.
//
// The result of a row depends on that row alone and is summed in a fixed order, so a sequence gives the same numbers
// whole, in chunks and step by step. A general matrix product does not promise that.
#pragma once
#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/kernels.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"
#include "spikes/bits.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kRowsPerPiece = 32;
constexpr int kWidestMix = LONGSPIKE_VECTOR_BYTES == 64 ? 16 : 8;  // output vectors of a row that fit the registers

// Which inputs are not zero, in ascending order: as a list, or as one word of bits.
struct ListedInputs {
    const std::int32_t* index;
    i64 count;
    template <class F> [[gnu::always_inline]] void for_each(const F& run) const {
        for (i64 k = 0; k < count; ++k) run(index[k]);
    }
};
struct InputsOfWord {
    std::uint64_t word;
    template <class F> [[gnu::always_inline]] void for_each(const F& run) const {
        for (std::uint64_t bits = word; bits; bits &= bits - 1) run(__builtin_ctzll(bits));
    }
};

// kVectors neighbouring output vectors of one row, from the row's nonzero inputs; `lanes` of the last one.
template <class T, int kVectors, class Inputs, class Lanes>
void linear_tile(const LinearCall<T>& c, const T* x, const Inputs& inputs, T* y, i64 first, Lanes lanes) {
    const T* const weight = c.weight + first;
    const i64 outputs = c.outputs, last = (kVectors - 1) * kLanes<T>;
    Vec<T> sum[kVectors];
    for (int g = 0; g < kVectors - 1; ++g) sum[g] = c.bias ? load<T>(c.bias + first + g * kLanes<T>) : Vec<T>{};
    sum[kVectors - 1] = c.bias ? load_first<T>(c.bias + first + last, lanes) : Vec<T>{};
    inputs.for_each([&](i64 k) [[gnu::always_inline]] {
        const T* w = weight + k * outputs;
        const Vec<T> value = splat<T>(x[k]);
        for (int g = 0; g < kVectors - 1; ++g) sum[g] = fma(value, load<T>(w + g * kLanes<T>), sum[g]);
        sum[kVectors - 1] = fma(value, load_first<T>(w + last, lanes), sum[kVectors - 1]);
    });
    for (int g = 0; g < kVectors - 1; ++g) store<T>(y + first + g * kLanes<T>, sum[g]);
    store_first<T>(y + first + last, sum[kVectors - 1], lanes);
}

// One row x from its nonzero inputs, summed in their order.
template <class T, class Inputs> void linear_row(const LinearCall<T>& c, const T* x, const Inputs& inputs, T* y) {
    constexpr std::integral_constant<int, kLanes<T>> whole;
    i64 first = 0;
    for (; first + kWidestMix * kLanes<T> <= c.outputs; first += kWidestMix * kLanes<T>)
        linear_tile<T, kWidestMix>(c, x, inputs, y, first, whole);
    for (; first + 8 * kLanes<T> <= c.outputs; first += 8 * kLanes<T>) linear_tile<T, 8>(c, x, inputs, y, first, whole);
    for (; first + 2 * kLanes<T> <= c.outputs; first += 2 * kLanes<T>) linear_tile<T, 2>(c, x, inputs, y, first, whole);
    for (; first < c.outputs; first += kLanes<T>)
        linear_tile<T, 1>(c, x, inputs, y, first, static_cast<int>(std::min<i64>(kLanes<T>, c.outputs - first)));
}

// The nonzero entries of one row at a time.
struct ActiveInputs {
    std::vector<std::uint64_t> words;
    std::vector<std::int32_t> index;
    explicit ActiveInputs(i64 inputs) : words(words_of(inputs)), index(inputs + kListRoom) {}
    template <class T> ListedInputs find(const T* x, i64 inputs) {
        pack_row<T>(x, inputs, words.data());
        return {index.data(), list_bits(words.data(), words_of(inputs), index.data())};
    }
};

template <class T> void linear(const LinearCall<T>& c) {
    for_pieces(c.rows, kRowsPerPiece, c.rows * c.inputs * c.outputs < 16384 ? 1 : c.threads, [&](i64 first, i64 last) {
        ActiveInputs active(c.inputs);
        for (i64 i = first; i < last; ++i) {
            const T* x = c.x + i * c.inputs;
            linear_row<T>(c, x, active.find(x, c.inputs), c.y + i * c.outputs);
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
