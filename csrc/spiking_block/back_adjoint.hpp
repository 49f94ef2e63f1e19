// The way back of the scan that reads backwards. Its adjoint goes forward in time, so it begins when the neuron's, which goes the
// other way, has been through the whole sequence: from then on the gradients of all currents are there.
//
//     steps     0 ------------------> valid - 1
//     scan      x <- x <- x <- ... <- x           its replay, last interval first, keeps the states before all spans (`starts`)
//     adjoint   g -> g -> g -> ... -> g           first span first
#pragma once
#include <algorithm>
#include <vector>

#include "s4d_scan/span_adjoint.hpp"
#include "spiking_block/back_scan.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T> struct BackAdjoint {
    BackScan<T> scan;
    i64 state_size;
    std::vector<S4dAdjoint<T>> sums;  // of the tiles
    Aligned<T> starts;                // (spans of the sequence, n_pairs, 2, channels)

    BackAdjoint(const BlockParameters<T>& p, int threads) : scan(p, threads), state_size(2 * p.n_pairs * p.channels) {
        sums.reserve(scan.tiles.size());
        for (std::size_t k = 0; k < scan.tiles.size(); ++k) sums.emplace_back(p.n_pairs, threads == 1 && k ? &sums[0] : nullptr);
        if (is_there()) starts.resize((p.seqlen + kS4dSpan - 1) / kS4dSpan * state_size);
    }
    bool is_there() const { return scan.is_there(); }
    void begin() {
        for (auto& a : sums) {
            std::fill_n(a.flow, 2 * scan.n_pairs * kLanes<T>, T(0));
            a.clear_sums(scan.n_pairs);
        }
    }
    T* start_of(i64 t) { return starts.data() + t / kS4dSpan * state_size; }

    // Tile k of an interval that begins at step `start`: n valid rows of z -> the current, from the state behind them.
    void replay(i64 k, i64 start, const T* state, const T* z, T* current, i64 stride, i64 n) {
        scan.resume(k, state);
        for_spans_last_first(n, [&](i64 t, i64 steps) {
            const i64 at = t * stride + k * kLanes<T>;
            scan.keep(k, start_of(start + t));
            s4d_span(scan.tiles[k], last_first(z + at, stride, steps), last_first(current + at, stride, steps), static_cast<int>(steps));
        });
    }
    // Tile k of the span that begins at step `start`: n valid rows of grad, of the current -> of z.
    void span(i64 k, i64 start, const T* z, T* grad, i64 stride, i64 n) {
        if (n == 0) return;
        const i64 first = k * kLanes<T>;
        auto& q = scan.tiles[k];
        scan.resume(k, start_of(start));
        const auto rows = last_first(grad + first, stride, n);
        s4d_span_adjoint(q, sums[k], last_first(z + first, stride, n), {rows.first, rows.stride}, static_cast<int>(n));
        q.scatter(rows.first, sums[k].u, n, rows.stride);
    }
    void write(T* lambda, T* c, T* d) const {
        for (std::size_t k = 0; k < sums.size(); ++k) {
            const auto& q = scan.tiles[k];
            q.scatter(lambda + k * kLanes<T>, sums[k].lambda, 2 * scan.n_pairs, scan.channels);
            q.scatter(c + k * kLanes<T>, sums[k].c, 2 * scan.n_pairs, scan.channels);
            q.scatter(d + k * kLanes<T>, sums[k].d, 1, scan.channels);
        }
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
