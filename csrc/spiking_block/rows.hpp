// What happens to the rows (a row: one step of one sample, all channels) within a block: norm, mixing of spikes, gate; and the
// gate's way back.
#pragma once
#include <algorithm>
#include <vector>

#include "core/aligned.hpp"
#include "mixing/mixing.hpp"
#include "tick/norm.hpp"

namespace longspike::LONGSPIKE_ARCH {

// Whole vectors, an odd number of them.
template <class T> i64 padded(i64 channels) { return ((channels + kLanes<T> - 1) / kLanes<T> | 1) * kLanes<T>; }

// z = x weight + bias for a row, each operation rounded.
template <class T> void affine_row(const T* x, const T* weight, const T* bias, i64 channels, T* z) {
    for_vectors<T>(channels, [&](i64 j, auto lanes) {
        const Vec<T> scaled = load_first<T>(x + j, lanes) * load_first<T>(weight + j, lanes);
        store_first<T>(z + j, scaled + load_first<T>(bias + j, lanes), lanes);
    });
}

// Rows of z = norm(x), or of x where there is no norm; mean and scale (rows) are kept, of a norm that has them.
template <class T> void block_z(const BlockParameters<T>& p, const T* x, i64 rows, T* mean, T* scale, T* z, i64 stride) {
    if (p.norm_weight && p.is_affine)
        for (i64 i = 0; i < rows; ++i) affine_row(x + i * p.channels, p.norm_weight, p.norm_bias, p.channels, z + i * stride);
    else if (p.norm_weight)
        normalise_rows<T>(x, p.norm_weight, p.norm_bias, p.eps, p.channels, rows, mean, scale, z, stride);
    else
        for (i64 i = 0; i < rows; ++i) std::copy_n(x + i * p.channels, p.channels, z + i * stride);
}

// mixed = W (scale s) + bias for rows of spikes s, given as bits.
template <class T> struct BlockMixing {
    LinearCall<T> linear;
    std::vector<T> ones;
    const T* scale;  // (channels)
    std::vector<std::int32_t> index;
    BlockMixing(const BlockParameters<T>& p, const T* scale_)
        : linear{.weight = p.weight, .bias = p.bias, .inputs = p.channels, .outputs = 2 * p.channels}, ones(scale_ ? 0 : p.channels, T(1)),
          scale(scale_ ? scale_ : ones.data()), index(p.channels + kListRoom) {}
    void row(const std::uint64_t* words, i64 n_words, T* mixed) {
        if (n_words == 1)
            linear_row<T>(linear, scale, InputsOfWord{words[0]}, mixed);
        else
            linear_row<T>(linear, scale, ListedInputs{index.data(), list_bits(words, n_words, index.data())}, mixed);
    }
};

// y = x + scale (a sigmoid(b)) for a row mixed = (a, b).
template <class T> void gate_row(const T* mixed, const T* x, const T* scale, T* y, i64 channels, bool streaming) {
    for_vectors<T>(channels, [&](i64 j, auto lanes) {
        Vec<T> gated = load_first<T>(mixed + j, lanes) * sigmoid<T>(load_first<T>(mixed + channels + j, lanes));
        if (scale) gated = gated * load_first<T>(scale + j, lanes);
        const Vec<T> sum = load_first<T>(x + j, lanes) + gated;
        if (streaming)
            store_streaming<T>(y + j, sum);
        else
            store_first<T>(y + j, sum, lanes);
    });
}

// mixed = (a, b) becomes the gradient of (a, b) for y = scale (a sigmoid(b)).
template <class T> void gate_row_backward(T* mixed, const T* grad_y, const T* scale, i64 channels) {
    const Vec<T> one = splat<T>(1);
    for_vectors<T>(channels, [&](i64 j, auto lanes) {
        Vec<T> grad = load_first<T>(grad_y + j, lanes);
        if (scale) grad = grad * load_first<T>(scale + j, lanes);
        const Vec<T> value = load_first<T>(mixed + j, lanes), gate = sigmoid<T>(load_first<T>(mixed + channels + j, lanes));
        store_first<T>(mixed + j, grad * gate, lanes);
        store_first<T>(mixed + channels + j, grad * value * gate * (one - gate), lanes);
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
