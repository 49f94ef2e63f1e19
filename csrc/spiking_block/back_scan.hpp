// The scan of a bidirectional block that reads backwards, from the last valid step to the first. A sequence that is read so is
// one with a negative stride: nothing is turned round in memory. What comes after the last valid step is silence.
//
//     x[t] = lambda x[t+1] + z[t]        current[t] = sum Re(c x[t]) + d z[t]        t = valid - 1 .. 0
#pragma once
#include <algorithm>
#include <vector>

#include "s4d_scan/span.hpp"

namespace longspike::LONGSPIKE_ARCH {

// How many of sample b's steps [start, start + n) are valid.
template <class T> i64 valid_steps(const BlockParameters<T>& p, i64 b, i64 start, i64 n) {
    return p.lengths ? std::clamp<i64>(p.lengths[b] - start, 0, n) : n;
}

// `rows` rows, last first.
template <class T> SpanView<T> last_first(T* first, i64 stride, i64 rows) { return {first + (rows - 1) * stride, -stride}; }

// Calls run(t, steps) for the spans of n steps, which begin at multiples of kS4dSpan.
template <class F> void for_spans_last_first(i64 n, const F& run) {
    for (i64 end = n, t; end > 0; end = t) {
        t = (end - 1) / kS4dSpan * kS4dSpan;
        run(t, end - t);
    }
}

template <class T> struct BackScan {
    struct Coefficients {
        const T *lambda, *c, *d;
        i64 n_pairs, channels;
    };
    i64 n_pairs, channels;
    std::vector<S4dTile<T>> tiles;  // none: the block has one direction

    BackScan(const BlockParameters<T>& p, int threads) : n_pairs(p.n_pairs), channels(p.channels) {
        const Coefficients own{p.back_lambda, p.back_c, p.back_d, n_pairs, channels};
        if (own.lambda) tiles = s4d_tiles<T>(own, 0, (channels + kLanes<T> - 1) / kLanes<T>, threads == 1);
    }
    bool is_there() const { return !tiles.empty(); }
    void begin() {
        for (auto& q : tiles) std::fill_n(q.state, 2 * n_pairs * kLanes<T>, T(0));
    }
    // The state of all tiles, or of one, as (n_pairs, 2, channels).
    void keep(T* state) const {
        for (std::size_t k = 0; k < tiles.size(); ++k) tiles[k].scatter(state + k * kLanes<T>, tiles[k].state, 2 * n_pairs, channels);
    }
    void keep(i64 k, T* state) const { tiles[k].scatter(state + k * kLanes<T>, tiles[k].state, 2 * n_pairs, channels); }
    void resume(i64 k, const T* state) { tiles[k].gather(tiles[k].state, state + k * kLanes<T>, 2 * n_pairs, channels); }
    // Rows of z, all channels, become the current of tile k.
    void run_in_place(i64 k, T* rows, i64 stride, i64 n) {
        const FlushDenormals flush;
        for_spans_last_first(n, [&](i64 t, i64 steps) {
            s4d_span_in_place(tiles[k], last_first(rows + t * stride + k * kLanes<T>, stride, steps), static_cast<int>(steps));
        });
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
