// Gradients of the values that a span's rows took in: dvalue = w . iota, tap by tap, so that a tap's weights stay in cache.
#pragma once
#include <algorithm>
#include <vector>

#include "core/lane_sums.hpp"
#include "dendrite/sums.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T, bool kDense> struct DendriteValueAdjoint {
    struct Pair { i64 row, input; };  // row: within the span
    const DendriteModel<T, kDense>& model;
    DendriteSums<T>& sums;
    std::vector<Pair> pairs;  // of a span, by tap
    std::vector<i64> by_tap;  // where each tap's pairs end

    // dvalue of kPairs pairs under one tap and kInputs input channels from `k` on, the last ones repeated where there are
    // fewer: each load of a weight or of iota serves several sums.
    template <int kVectors, int kPairs, int kInputs> void tile_adjoint(const Pair* of, const T* iota, const T* weight, i64 k, i64 first) {
        const i64 tile = kVectors * kLanes<T>, inputs = std::min<i64>(kInputs, model.c.c_in - k);
        const T *x[kPairs], *w[kInputs];
        for (int p = 0; p < kPairs; ++p) x[p] = iota + of[p].row * model.c.branches * tile;
        for (int n = 0; n < kInputs; ++n) w[n] = weight + (k + std::min<i64>(n, inputs - 1)) * model.unit + first;
        Vec<T> sum[kPairs * kInputs] = {};
        for (i64 d = 0; d < model.c.branches; ++d)
            for (int j = 0; j < kVectors; ++j) {
                Vec<T> here[kInputs];
                for (int n = 0; n < kInputs; ++n) here[n] = load<T>(w[n] + d * model.width + j * kLanes<T>);
                for (int p = 0; p < kPairs; ++p) {
                    const Vec<T> there = load<T>(x[p] + d * tile + j * kLanes<T>);
                    for (int n = 0; n < kInputs; ++n) sum[p * kInputs + n] = fma(here[n], there, sum[p * kInputs + n]);
                }
            }
        alignas(LONGSPIKE_VECTOR_BYTES) T total[kPairs * kInputs];
        for (int n = 0; n < kPairs * kInputs; n += kLanes<T>) store<T>(total + n, lane_sums<Vec<T>, kLanes<T>>(sum + n));
        for (int p = 0; p < kPairs; ++p) {
            T* out = sums.values.data() + (of[p].input - sums.first_input) * model.c.c_in + k;
            for (i64 n = 0; n < inputs; ++n) out[n] += total[p * kInputs + n];
        }
    }

    // dvalue of every pair of the rows [start, end), silent inputs included, tap by tap; iota: of these rows.
    template <int kVectors> void span_adjoint(i64 start, i64 end, const T* iota, i64 first) {
        const auto& c = model.c;
        by_tap.assign(c.taps + 1, 0);
        for (i64 p = c.pair_offsets[start]; p < c.pair_offsets[end]; ++p) ++by_tap[c.pair_tap[p] + 1];
        for (i64 tap = 0; tap < c.taps; ++tap) by_tap[tap + 1] += by_tap[tap];
        pairs.resize(by_tap[c.taps]);
        for (i64 row = start; row < end; ++row)
            for (i64 p = c.pair_offsets[row]; p < c.pair_offsets[row + 1]; ++p)
                pairs[by_tap[c.pair_tap[p]]++] = {row - start, c.pair_input[p]};  // by_tap[tap] ends as the tap's end
        for (i64 tap = 0, p = 0; tap < c.taps; ++tap) {
            const T* w = model.weight.data + tap * c.c_in * model.unit;
            for (; p + 4 <= by_tap[tap]; p += 4)
                for (i64 k = 0; k < c.c_in; k += 4) tile_adjoint<kVectors, 4, 4>(pairs.data() + p, iota, w, k, first);
            for (; p < by_tap[tap]; ++p)
                for (i64 k = 0; k < c.c_in; k += 16) tile_adjoint<kVectors, 1, 16>(pairs.data() + p, iota, w, k, first);
        }
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
