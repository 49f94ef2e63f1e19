// Gradients of the mixing's weight and bias from one span: an input's weights see the rows in which it spiked.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "mixing/mixing.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T> struct WeightAdjoint {
    i64 n_words, outputs;
    std::vector<std::uint64_t> columns;  // (64 words): which of a span's rows have a spike
    explicit WeightAdjoint(i64 channels) : n_words(words_of(channels)), outputs(2 * channels), columns(64 * n_words) {}

    // The spikes of n <= 64 rows, given as bits.
    void read(const std::uint64_t* words, i64 n) {
        for (i64 w = 0; w < n_words; ++w) {
            std::uint64_t m[64] = {};
            for (i64 i = 0; i < n; ++i) m[i] = words[i * n_words + w];
            transpose_bits(m);
            std::copy(m, m + 64, columns.begin() + 64 * w);
        }
    }
    // bias += the rows.
    void add_bias(const T* rows, i64 stride, i64 n, T* bias) const {
        for_vectors<T>(outputs, [&](i64 j, auto lanes) {
            Vec<T> sum = load_first<T>(bias + j, lanes);
            for (i64 i = 0; i < n; ++i) sum += load_first<T>(rows + i * stride + j, lanes);
            store_first<T>(bias + j, sum, lanes);
        });
    }
    // sums (channels, outputs) += spikes' rows for the channels [from, to); scale (channels): of the spikes, or null.
    void add(const T* rows, i64 stride, const T* scale, i64 from, i64 to, T* sums) const {
        constexpr std::integral_constant<int, kLanes<T>> whole;
        for (i64 k = from; k < to; ++k) {
            if (!columns[k]) continue;
            const Vec<T> factor = splat<T>(scale ? scale[k] : T(1));
            T* sum = sums + k * outputs;
            i64 j = 0;
            for (; j + kWidestMix * kLanes<T> <= outputs; j += kWidestMix * kLanes<T>)
                add_columns<kWidestMix>(rows + j, stride, columns[k], factor, whole, sum + j);
            for (; j + 8 * kLanes<T> <= outputs; j += 8 * kLanes<T>) add_columns<8>(rows + j, stride, columns[k], factor, whole, sum + j);
            for (; j + 2 * kLanes<T> <= outputs; j += 2 * kLanes<T>) add_columns<2>(rows + j, stride, columns[k], factor, whole, sum + j);
            for (; j < outputs; j += kLanes<T>)
                add_columns<1>(rows + j, stride, columns[k], factor, static_cast<int>(std::min<i64>(kLanes<T>, outputs - j)), sum + j);
        }
    }
    template <int kVectors, class Lanes>
    static void add_columns(const T* rows, i64 stride, std::uint64_t column, Vec<T> factor, Lanes lanes, T* sum) {
        Vec<T> total[kVectors];
        for (int g = 0; g < kVectors; ++g) total[g] = load_first<T>(sum + g * kLanes<T>, lanes);
        for (; column; column &= column - 1) {
            const T* at = rows + __builtin_ctzll(column) * stride;
            for (int g = 0; g < kVectors; ++g) total[g] = fma(factor, load_first<T>(at + g * kLanes<T>, lanes), total[g]);
        }
        for (int g = 0; g < kVectors; ++g) store_first<T>(sum + g * kLanes<T>, total[g], lanes);
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
