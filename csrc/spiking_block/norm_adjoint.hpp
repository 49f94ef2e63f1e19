// The norm's way back, some rows at a time: gradients of its input, weight and bias.
//
//     standard = (x - mean) scale    z = standard weight + bias    upper = grad_z weight
//     grad_x = grad_y + scale (upper - mean(upper) - standard mean(upper standard))
//     grad_weight += grad_z standard    grad_bias += grad_z
//
// An affine norm has the mean 0 and the scale 1, which depend on nothing: standard = x, grad_x = grad_y + upper.
#pragma once
#include <algorithm>
#include <array>

#include "core/simd.hpp"
#include "core/span_views.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T> struct NormAdjoint {
    const T* weight;  // (channels), or null: no norm, z is x
    bool is_affine;
    T *grad_weight, *grad_bias;  // (channels), added to
    i64 channels;
    // Rows of up to kLanes steps; x, grad_y and grad_x one behind the other, grad_z `stride` apart.
    const T *x, *grad_y, *grad_z, *mean, *scale;
    T* grad_x;
    i64 stride;

    // For row i its two means over channels: a row's sum over lanes begins with the first, a vector's lanes are rows.
    void means(i64 n, T* shift, T* tilt) const {
        std::array<Vec<T>, kLanes<T>> sums{}, spreads{};
        for (i64 i = 0; i < n; ++i) {
            const Vec<T> centre = splat<T>(mean[i]), factor = splat<T>(scale[i]);
            Vec<T> sum{}, spread{};
            for_vectors<T>(channels, [&](i64 j, auto lanes) {
                const Vec<T> upper = load_first<T>(grad_z + i * stride + j, lanes) * load_first<T>(weight + j, lanes);
                sum += upper;
                spread = fma(upper, (load_first<T>(x + i * channels + j, lanes) - centre) * factor, spread);
            });
            sums[i] = sum, spreads[i] = spread;
        }
        transpose<T>(sums), transpose<T>(spreads);
        Vec<T> total{}, along{};
        for (int k = 0; k < kLanes<T>; ++k) total += sums[k], along += spreads[k];
        const Vec<T> count = splat<T>(static_cast<T>(channels));
        store<T>(shift, total / count), store<T>(tilt, along / count);
    }
    void rows(i64 n) const {
        T shift[kLanes<T>] = {}, tilt[kLanes<T>] = {};
        if (weight && !is_affine) means(n, shift, tilt);
        for_vectors<T>(channels, [&](i64 j, auto lanes) {
            if (!weight) {
                for (i64 i = 0; i < n; ++i)
                    store_first<T>(grad_x + i * channels + j,
                                   load_first<T>(grad_y + i * channels + j, lanes) + load_first<T>(grad_z + i * stride + j, lanes), lanes);
                return;
            }
            const Vec<T> factor = load_first<T>(weight + j, lanes);
            Vec<T> weights = load_first<T>(grad_weight + j, lanes), biases = load_first<T>(grad_bias + j, lanes);
            for (i64 i = 0; i < n; ++i) {
                const Vec<T> grad = load_first<T>(grad_z + i * stride + j, lanes);
                Vec<T> standard = load_first<T>(x + i * channels + j, lanes), lower = grad * factor;
                if (!is_affine) {
                    standard = (standard - splat<T>(mean[i])) * splat<T>(scale[i]);
                    lower = splat<T>(scale[i]) * (lower - splat<T>(shift[i]) - standard * splat<T>(tilt[i]));
                }
                store_first<T>(grad_x + i * channels + j, load_first<T>(grad_y + i * channels + j, lanes) + lower, lanes);
                weights = weights + grad * standard, biases = biases + grad;
            }
            store_first<T>(grad_weight + j, weights, lanes), store_first<T>(grad_bias + j, biases, lanes);
        });
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
