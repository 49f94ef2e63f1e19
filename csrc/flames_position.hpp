// What one position of a dendritic convolution does at the end of a step of a stream, in one sweep: decay, inputs, membrane,
// spikes, reset. It rounds as csrc/dendrite.hpp does: multiply for a decay, then the inputs in order, then one fma a branch.
// An input of a stream is an event or a spike, so its value is one, and fma(1, w, x) is w + x.
#pragma once
#include "dendrite.hpp"

namespace longspike::LONGSPIKE_ARCH {

// What the positions of a convolution share.
struct PositionModel {
    const float *weight, *coupling;  // (inputs, branches, width), (branches)
    float threshold;
    i64 branches, width;
};

// One position in one step.
struct PositionStep {
    float *i, *v;         // (branches, width), (width)
    const i64* inputs;    // where the weights of each input start
    i64 num_inputs;
    const float* alpha;   // (branches + 1)
    float* spikes;        // (width): set to one where the membrane exceeds the threshold, else left as they are
    typename Lanes<float>::I* num_spikes;  // counts by lane
    const float* coming;  // the next position's numbers, to be fetched meanwhile
};

// kBranches branches of kVectors vectors of channels, i in registers; m gathers the membranes.
template <int kVectors, int kBranches>
inline void position_branches(const PositionModel& q, const PositionStep& p, i64 branch, i64 first, Vec<float>* m) {
    const i64 at = branch * q.width + first, width = q.width;
    Vec<float> x[kBranches][kVectors];
    for (int d = 0; d < kBranches; ++d)
        for (int j = 0; j < kVectors; ++j) {
            const i64 k = at + d * width + j * kLanes<float>;
            x[d][j] = splat<float>(p.alpha[branch + d]) * load<float>(p.i + k);
            __builtin_prefetch(p.coming + k, 1);
        }
    for (i64 n = 0; n < p.num_inputs; ++n) {
        const float* w = q.weight + p.inputs[n] + at;
        for (int d = 0; d < kBranches; ++d)
            for (int j = 0; j < kVectors; ++j) x[d][j] = x[d][j] + load<float>(w + d * width + j * kLanes<float>);
    }
    for (int d = 0; d < kBranches; ++d)
        for (int j = 0; j < kVectors; ++j) {
            store<float>(p.i + at + d * width + j * kLanes<float>, x[d][j]);
            m[j] = fma(splat<float>(q.coupling[branch + d]), x[d][j], m[j]);
        }
}

template <int kVectors, int kBranches> inline void position_tile(const PositionModel& q, const PositionStep& p, i64 first) {
    Vec<float> m[kVectors];
    for (int j = 0; j < kVectors; ++j) m[j] = splat<float>(p.alpha[q.branches]) * load<float>(p.v + first + j * kLanes<float>);
    i64 branch = 0;
    for (; branch + kBranches <= q.branches; branch += kBranches) position_branches<kVectors, kBranches>(q, p, branch, first, m);
    for (; branch < q.branches; ++branch) position_branches<kVectors, 1>(q, p, branch, first, m);
    for (int j = 0; j < kVectors; ++j) {
        const auto fires = m[j] > splat<float>(q.threshold);
        float *v = p.v + first + j * kLanes<float>, *s = p.spikes + first + j * kLanes<float>;
        *p.num_spikes -= fires;
        store<float>(v, fires ? Vec<float>{} : m[j]);
        store<float>(s, fires ? splat<float>(1.0f) : load<float>(s));
        __builtin_prefetch(p.coming + q.branches * q.width + first + j * kLanes<float>, 1);
    }
}

inline void position_step(const PositionModel& q, const PositionStep& p) {
    i64 first = 0;
    for (; first + 4 * kLanes<float> <= q.width; first += 4 * kLanes<float>) position_tile<4, 2>(q, p, first);
    for (; first + 2 * kLanes<float> <= q.width; first += 2 * kLanes<float>) position_tile<2, 4>(q, p, first);
    for (; first < q.width; first += kLanes<float>) position_tile<1, 4>(q, p, first);
}

}  // namespace longspike::LONGSPIKE_ARCH
