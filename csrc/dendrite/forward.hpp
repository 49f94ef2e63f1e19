// Chains of rows of dendritic neurons, forward: a chain's state stays in cache, chains run in parallel.
#pragma once
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/parallel.hpp"
#include "dendrite/calls.hpp"
#include "dendrite/dendrite.hpp"

namespace longspike::LONGSPIKE_ARCH {

// Zeros, aligned to whole vectors.
template <class T> class DendriteScratch {
    struct alignas(LONGSPIKE_VECTOR_BYTES) Vector { T x[kLanes<T>]; };
    std::vector<Vector> vectors;

public:
    explicit DendriteScratch(i64 n = 0) : vectors((n + kLanes<T> - 1) / kLanes<T>, Vector{}) {}
    T* data() { return reinterpret_cast<T*>(vectors.data()); }
    const T* data() const { return reinterpret_cast<const T*>(vectors.data()); }
};

// A (rows, channels) array with whole vectors a row: itself where the channels fill them, else a padded copy.
template <class T> struct DendritePadded {
    DendriteScratch<T> copy;
    const T* data;
    DendritePadded(const T* source, i64 rows, i64 channels) : data(source) {
        const i64 width = dendrite_width<T>(channels);
        if (width == channels) return;
        copy = DendriteScratch<T>(rows * width);
        for (i64 r = 0; r < rows; ++r) std::copy_n(source + r * channels, channels, copy.data() + r * width);
        data = copy.data();
    }
};

// The nonzero values of every input, channels ascending.
template <class T> struct DendriteActive {
    std::vector<i64> offsets;
    std::vector<std::int32_t> channel;
    std::vector<T> value;
    explicit DendriteActive(const DendriteCall<T>& c) : offsets(c.inputs + 1) {
        constexpr i64 kInputs = 4096;
        for_pieces(c.inputs, kInputs, c.threads, [&](i64 first, i64 last) {
            for (i64 q = first; q < last; ++q) {
                i64 count = 0;
                for (i64 k = 0; k < c.c_in; ++k) count += c.values[q * c.c_in + k] != T(0);
                offsets[q + 1] = count;
            }
        });
        for (i64 q = 0; q < c.inputs; ++q) offsets[q + 1] += offsets[q];
        channel.resize(offsets[c.inputs]), value.resize(offsets[c.inputs]);
        for_pieces(c.inputs, kInputs, c.threads, [&](i64 first, i64 last) {
            for (i64 q = first; q < last; ++q) {
                i64 next = offsets[q];
                for (i64 k = 0; k < c.c_in; ++k) {
                    const T x = c.values[q * c.c_in + k];
                    if (x != T(0)) channel[next] = static_cast<std::int32_t>(k), value[next++] = x;
                }
            }
        });
    }
};

// What both passes read: parameters in whole vectors, active inputs, and the taps of a row.
template <class T, bool kDense> struct DendriteModel {
    const DendriteCall<T>& c;
    const i64 width, unit, num_alphas;  // unit: numbers of one tap's weights, or of one position's i
    DendritePadded<T> weight;
    DendriteScratch<T> rate;
    DendriteActive<T> active;
    explicit DendriteModel(const DendriteCall<T>& call)
        : c(call), width(dendrite_width<T>(c.channels)), unit(c.branches * width), num_alphas(dendrite_width<T>(c.branches + 1)),
          weight(c.weight, (kDense ? c.rows : c.taps * c.c_in) * c.branches, c.channels), rate(num_alphas), active(call) {
        std::copy_n(c.rate, c.branches + 1, rate.data());
    }
    void alphas(i64 row, T* alpha) const { dendrite_alphas<T>(rate.data(), c.gap ? c.gap[row] : 1, c.branches + 1, alpha); }
    void collect(i64 row, std::vector<DendriteTap<T>>& taps) const {
        taps.clear();
        if constexpr (kDense) {
            taps.push_back({row * unit, T(1)});
        } else {
            for (i64 p = c.pair_offsets[row]; p < c.pair_offsets[row + 1]; ++p) {
                const i64 q = c.pair_input[p], base = c.pair_tap[p] * c.c_in * unit;
                for (i64 a = active.offsets[q]; a < active.offsets[q + 1]; ++a)
                    taps.push_back({base + active.channel[a] * unit, active.value[a]});
            }
        }
    }
};

// Starts of `parts` ranges of chains with about the same number of rows and pairs.
template <class T> std::vector<i64> dendrite_parts(const DendriteCall<T>& c, i64 parts) {
    const auto work = [&](i64 chain) {
        const i64 row = c.chain_offsets[chain];
        return row + (c.pair_offsets ? c.pair_offsets[row] : 0);
    };
    std::vector<i64> starts{0};
    i64 chain = 0;
    for (i64 k = 1; k < parts; ++k) {
        const i64 target = work(c.chains) / parts * k;
        i64 high = c.chains;
        while (chain < high) {
            const i64 middle = (chain + high) / 2;
            if (work(middle) < target)
                chain = middle + 1;
            else
                high = middle;
        }
        starts.push_back(chain);
    }
    starts.push_back(c.chains);
    return starts;
}

template <class T, bool kDense>
bool dendrite_chain(const DendriteModel<T, kDense>& model, i64 chain, T* i, T* v, T* alpha, std::vector<DendriteTap<T>>& taps) {
    const auto& c = model.c;
    std::fill_n(i, model.unit, T(0)), std::fill_n(v, model.width, T(0));
    if (c.i0)
        for (i64 d = 0; d < c.branches; ++d) std::copy_n(c.i0 + (chain * c.branches + d) * c.channels, c.channels, i + d * model.width);
    if (c.v0) std::copy_n(c.v0 + chain * c.channels, c.channels, v);
    for (i64 row = c.chain_offsets[chain]; row < c.chain_offsets[chain + 1]; ++row) {
        poll(row);
        model.collect(row, taps);
        model.alphas(row, alpha);
        if (c.by_event) {
            dendrite_decay<T>(i, alpha, c.branches, model.width);
            for (const auto& tap : taps) dendrite_add<T>(i, model.weight.data + tap.at, tap.value, c.branches, model.width);
            dendrite_membrane<T>(i, c.g, alpha[c.branches], v, c.branches, model.width);
        } else {
            dendrite_row<T>(i, v, {model.weight.data, taps.data(), static_cast<i64>(taps.size()), alpha, c.g, c.branches, model.width});
        }
        std::copy_n(v, c.channels, c.membrane + row * c.channels);
        dendrite_reset<T>(v, c.threshold, model.width);
    }
    if (c.i_end)
        for (i64 d = 0; d < c.branches; ++d) std::copy_n(i + d * model.width, c.channels, c.i_end + (chain * c.branches + d) * c.channels);
    if (c.v_end) std::copy_n(v, c.channels, c.v_end + chain * c.channels);
    return std::none_of(v, v + c.channels, [](T x) { return x != x; });  // a NaN never leaves a membrane
}

template <class T, bool kDense> bool dendrite_forward(const DendriteCall<T>& c) {
    const DendriteModel<T, kDense> model(c);
    const i64 parts = c.rows < 512 ? 1 : std::min<i64>(4 * c.threads, c.rows / 256);
    const auto starts = dendrite_parts(c, parts);
    std::atomic<bool> is_number{true};
    parallel_for(parts, c.threads, [&](i64 part) {
        const FlushDenormals flush;
        DendriteScratch<T> i(model.unit), v(model.width), alpha(model.num_alphas);
        std::vector<DendriteTap<T>> taps;
        for (i64 chain = starts[part]; chain < starts[part + 1]; ++chain)
            if (!dendrite_chain<T, kDense>(model, chain, i.data(), v.data(), alpha.data(), taps)) is_number = false;
    });
    return is_number;
}

}  // namespace longspike::LONGSPIKE_ARCH
