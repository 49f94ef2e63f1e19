// What happens to one row (one step of one sample, all channels) within a block: norm, spikes as a list, gate; and backward.
#pragma once
#include <algorithm>
#include <vector>

#include "core/aligned.hpp"
#include "mixing/mixing.hpp"
#include "tick/tick.hpp"

namespace longspike::LONGSPIKE_ARCH {

// Whole vectors, an odd number of them.
template <class T> i64 padded(i64 channels) { return ((channels + kLanes<T> - 1) / kLanes<T> | 1) * kLanes<T>; }

// The spikes of one row as the list that the mixing sums over.
template <class T> struct SpikeList {
    std::vector<std::int32_t> index;
    std::vector<T> values;
    const T* scale;
    i64 count = 0;
    SpikeList(i64 channels, const T* scale_) : index(channels), values(channels, T(1)), scale(scale_) {}
    void read(const std::uint64_t* words, i64 n_words) {
        count = list_bits(words, n_words, index.data());
        for (i64 k = 0; scale && k < count; ++k) values[k] = scale[index[k]];
    }
};

// One row of z = norm(x), or of x where there is no norm.
template <class T> void block_z(const BlockParameters<T>& p, const T* x, T* z) {
    if (p.norm_weight)
        normalise_row<T>(x, p.norm_weight, p.norm_bias, p.eps, p.channels, z);
    else
        std::copy_n(x, p.channels, z);
}

// mixed = W x + bias, for rows of spikes.
template <class T> LinearCall<T> block_mixing(const BlockParameters<T>& p) {
    return {.weight = p.weight, .bias = p.bias, .inputs = p.channels, .outputs = 2 * p.channels};
}

// y = x + scale (a sigmoid(b)) for mixed = (a, b).
template <class T> void gate_row(const T* mixed, const T* x, const T* scale, T* y, i64 channels, bool streaming) {
    for (i64 j = 0; j < channels; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<i64>(kLanes<T>, channels - j));
        Vec<T> gated = load_first<T>(mixed + j, n) * sigmoid<T>(load_first<T>(mixed + channels + j, n));
        if (scale) gated = gated * load_first<T>(scale + j, n);
        const Vec<T> sum = load_first<T>(x + j, n) + gated;
        if (streaming)
            store_streaming<T>(y + j, sum);
        else
            store_first<T>(y + j, sum, n);
    }
}

// mixed = (a, b) becomes the gradient of (a, b) for y = scale (a sigmoid(b)).
template <class T> void gate_row_backward(T* mixed, const T* grad_y, const T* scale, i64 channels) {
    const Vec<T> one = splat<T>(1);
    for (i64 j = 0; j < channels; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<i64>(kLanes<T>, channels - j));
        Vec<T> grad = load_first<T>(grad_y + j, n);
        if (scale) grad = grad * load_first<T>(scale + j, n);
        const Vec<T> value = load_first<T>(mixed + j, n), gate = sigmoid<T>(load_first<T>(mixed + channels + j, n));
        store_first<T>(mixed + j, grad * gate, n);
        store_first<T>(mixed + channels + j, grad * value * gate * (one - gate), n);
    }
}

// grad_x = grad_y + norm'(grad_z) for one row, with z = (x - mean) scale weight + bias.
template <class T>
void norm_row_backward(const T* x, const RowMoments<T>& row, const T* weight, const T* grad_z, const T* grad_y, T* grad_x, i64 channels) {
    const Vec<T> mean = splat<T>(row.mean), scale = splat<T>(row.scale);
    Vec<T> sum{}, spread{};
    for (i64 j = 0; j < channels; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<i64>(kLanes<T>, channels - j));
        const Vec<T> upper = load_first<T>(grad_z + j, n) * load_first<T>(weight + j, n);
        sum += upper;
        spread = fma(upper, (load_first<T>(x + j, n) - mean) * scale, spread);
    }
    T total = 0, along = 0;
    for (int k = 0; k < kLanes<T>; ++k) total += sum[k], along += spread[k];
    const Vec<T> shift = splat<T>(total / channels), tilt = splat<T>(along / channels);
    for (i64 j = 0; j < channels; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<i64>(kLanes<T>, channels - j));
        const Vec<T> standard = (load_first<T>(x + j, n) - mean) * scale;
        const Vec<T> upper = load_first<T>(grad_z + j, n) * load_first<T>(weight + j, n);
        store_first<T>(grad_x + j, load_first<T>(grad_y + j, n) + scale * (upper - shift - standard * tilt), n);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
