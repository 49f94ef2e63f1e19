// What the positions of a dendritic convolution do at the end of a step of a stream: decay, inputs, membrane, spikes, reset.
// It rounds as csrc/dendrite/dendrite.hpp does: multiply for a decay, then the inputs in order, then one fma a branch.
// An input of a stream is an event or a spike, so its value is one, and fma(1, w, x) is w + x.
//
// A tile is some branches of some channels, as many numbers as fit the registers. Where all weights together are too large
// for the nearest cache, a group of positions passes tile by tile, so that the tile's weights stay there; the membranes wait
// in the records. The order of the operations on a number is the same either way.
#pragma once
#include <algorithm>

#include "dendrite/dendrite.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr int kTileVectors = LONGSPIKE_VECTOR_BYTES == 64 ? 16 : 8;  // half of the registers
constexpr int kMostVectors = kTileVectors / 2;                       // of channels
constexpr i64 kNearBytes = 40 << 10;                                 // of weights that one sweep may read
constexpr i64 kPositionGroup = 32, kPositionsAhead = 2;              // positions a pass; how far ahead records are fetched

template <int kVectors> constexpr int kTileBranches = kVectors == 1 ? kTileVectors / 2 : kTileVectors / kVectors;

// What the positions of a convolution share. weight: tile after tile, each (inputs, branches, channels) of its own.
struct PositionModel {
    const float *weight, *coupling;  // coupling: (branches)
    float threshold;
    i64 branches, width, inputs;
    bool is_one_pass() const { return inputs * branches * width * static_cast<i64>(sizeof(float)) <= kNearBytes; }
};

// One position in one step.
struct PositionStep {
    float* record;               // i (branches, width), v (width)
    const std::int32_t* inputs;  // as they came
    i64 num_inputs;
    const float* alpha;  // (branches + 1)
    float* spikes;       // (width): set to one where the membrane exceeds the threshold, else left as they are
};

// Calls visit.operator()<kVectors>(first) for the columns of channels that make up `width`.
template <class F> inline void each_column(i64 width, F&& visit) {
    constexpr i64 lanes = kLanes<float>;
    i64 first = 0;
    for (; first + kMostVectors * lanes <= width; first += kMostVectors * lanes) visit.template operator()<kMostVectors>(first);
    if constexpr (kMostVectors > 4)
        for (; first + 4 * lanes <= width; first += 4 * lanes) visit.template operator()<4>(first);
    for (; first + 2 * lanes <= width; first += 2 * lanes) visit.template operator()<2>(first);
    for (; first < width; first += lanes) visit.template operator()<1>(first);
}

// Calls visit.operator()<kBranches>(branch) for the tiles from `begin` to `end`.
template <int kBranches, class F> inline void each_tile(i64 begin, i64 end, F&& visit) {
    for (; begin + kBranches <= end; begin += kBranches) visit.template operator()<kBranches>(begin);
    for (; begin < end; ++begin) visit.template operator()<1>(begin);
}

// (inputs, branches, width) in the order of the tiles.
inline void pack_weights(const float* weight, i64 inputs, i64 branches, i64 width, float* packed) {
    each_column(width, [&]<int kVectors>(i64 first) {
        each_tile<kTileBranches<kVectors>>(0, branches, [&]<int kBranches>(i64 branch) {
            for (i64 n = 0; n < inputs; ++n)
                for (i64 d = branch; d < branch + kBranches; ++d, packed += kVectors * kLanes<float>)
                    std::copy_n(weight + (n * branches + d) * width + first, kVectors * kLanes<float>, packed);
        });
    });
}

// A tile's i, in registers between the decay and the membrane m; `coming` is the same tile of a later position.
template <int kVectors, int kBranches>
inline void position_tile(const PositionModel& q, const PositionStep& p, i64 branch, i64 first, const float* coming, Vec<float>* m) {
    constexpr i64 lanes = kLanes<float>;
    const float* weight = q.weight + q.inputs * (first * q.branches + branch * kVectors * lanes);
    const i64 at = branch * q.width + first;
    Vec<float> x[kBranches][kVectors];
    for (int d = 0; d < kBranches; ++d)
        for (int j = 0; j < kVectors; ++j) {
            x[d][j] = splat<float>(p.alpha[branch + d]) * load<float>(p.record + at + d * q.width + j * lanes);
            __builtin_prefetch(coming + at + d * q.width + j * lanes, 1);
        }
    for (i64 n = 0; n < p.num_inputs; ++n) {
        const float* w = weight + p.inputs[n] * (kBranches * kVectors * lanes);
        for (int d = 0; d < kBranches; ++d)
            for (int j = 0; j < kVectors; ++j) x[d][j] = x[d][j] + load<float>(w + (d * kVectors + j) * lanes);
    }
    for (int d = 0; d < kBranches; ++d)
        for (int j = 0; j < kVectors; ++j) {
            store<float>(p.record + at + d * q.width + j * lanes, x[d][j]);
            m[j] = fma(splat<float>(q.coupling[branch + d]), x[d][j], m[j]);
        }
}

// Spikes and the reset.
template <int kVectors>
inline void position_spikes(const PositionModel& q, const PositionStep& p, i64 first, const Vec<float>* m,
                            typename Lanes<float>::I& num_spikes) {
    for (int j = 0; j < kVectors; ++j) {
        const auto fires = m[j] > splat<float>(q.threshold);
        const i64 at = first + j * kLanes<float>;
        num_spikes -= fires;
        store<float>(p.record + q.branches * q.width + at, fires ? Vec<float>{} : m[j]);
        store<float>(p.spikes + at, fires ? splat<float>(1.0f) : load<float>(p.spikes + at));
    }
}

// The branches from `begin` to `end` of `count` positions, which `known` - count more follow.
template <int kVectors>
inline void position_pass(const PositionModel& q, const PositionStep* steps, i64 count, i64 known, i64 begin, i64 end, i64 first,
                          typename Lanes<float>::I& num_spikes) {
    const i64 soma = q.branches * q.width + first;
    for (i64 k = 0; k < count; ++k) {
        const PositionStep& p = steps[k];
        const float* coming = steps[k + kPositionsAhead < known ? k + kPositionsAhead : k].record;
        float* v = p.record + soma;
        Vec<float> m[kVectors];
        for (int j = 0; j < kVectors; ++j) {
            m[j] = load<float>(v + j * kLanes<float>);
            if (begin == 0) m[j] = splat<float>(p.alpha[q.branches]) * m[j], __builtin_prefetch(coming + soma + j * kLanes<float>, 1);
        }
        each_tile<kTileBranches<kVectors>>(
            begin, end, [&]<int kBranches>(i64 branch) { position_tile<kVectors, kBranches>(q, p, branch, first, coming, m); });
        if (end == q.branches)
            position_spikes<kVectors>(q, p, first, m, num_spikes);
        else
            for (int j = 0; j < kVectors; ++j) store<float>(v + j * kLanes<float>, m[j]);
    }
}

// The whole step of `count` positions; num_spikes counts by lane.
inline void position_steps(const PositionModel& q, const PositionStep* steps, i64 count, typename Lanes<float>::I& num_spikes) {
    for (i64 start = 0; start < count; start += kPositionGroup)
        each_column(q.width, [&]<int kVectors>(i64 first) {
            const i64 branches = q.is_one_pass() ? q.branches : kTileBranches<kVectors>;
            for (i64 begin = 0; begin < q.branches; begin += branches)
                position_pass<kVectors>(q, steps + start, std::min(kPositionGroup, count - start), count - start, begin,
                                        std::min(q.branches, begin + branches), first, num_spikes);
        });
}

// The decay and the inputs alone, for a position whose step goes on.
inline void position_absorb(const PositionModel& q, const PositionStep& p) {
    each_column(q.width, [&]<int kVectors>(i64 first) {
        each_tile<kTileBranches<kVectors>>(0, q.branches, [&]<int kBranches>(i64 branch) {
            Vec<float> unused[kVectors]{};
            position_tile<kVectors, kBranches>(q, p, branch, first, p.record, unused);
        });
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
