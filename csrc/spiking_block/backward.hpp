// The adjoint of forward.hpp, one pass backwards. Of the forward pass it needs the input, the spikes as bits and the
// checkpoints; z, the current and what was mixed are computed again, in the caches.
//
//     (grad_a, grad_b) = gate'(output_scale grad_y)      grad_W += spike_scale s (grad_a, grad_b)', set bits only
//     grad_s = spike_scale W' (grad_a, grad_b) + grad_counts
//     grad_current = neuron'(grad_s)    grad_z = scan'(grad_current)    grad_x = grad_y + norm'(grad_z)
//
// A sample goes interval by interval (kBlockInterval steps), an interval span by span (64 steps), both last first.
//
//     checkpoints   S0 L0   L1   L2   L3   S1 L4   L5   L6     S: of the scan, before an interval; L: v, r, s of the neuron,
//     spans            |----|----|----|----|   |----|----|--|      before a span
//     intervals        |------ second -----|   |-- first ---|
//
//     an interval      replay   x -> norm -> z -> scan from S -> current; the scan's state before each span (`starts`)
//     its spans,       gate     bits -> mixing again; grad_y -> gate' -> the gradient of (a, b), in `mixed`
//     last first       weigh    bits, mixed -> grad_W, grad_bias
//                      unmix    mixed -> W' -> + grad_counts -> grad_s
//                      unfire   grad_s -> neuron' from L and current -> grad_current
//                      unscan   grad_current -> scan' from starts and z -> grad_z
//                      unnorm   grad_z -> norm' of x -> + grad_y -> grad_x; grad_norm
//
// From a span to the one before go the flow of the scan (`scans`) and grad_v, grad_r, grad_s; `grad` is one array of a span
// that is grad_s, then grad_current, then grad_z.
//
// A bidirectional block has a second scan, whose adjoint goes forward in time (back_adjoint.hpp). Then `grad` is an array of the
// whole sequence that keeps grad_current, grad_z of the first scan waits in grad_x, and a second pass ends the work:
//
//     its spans,       join     x -> norm -> z; grad_current -> scan' from the second starts and z -> + grad_z
//     first first      unnorm   as above
#pragma once
#include <algorithm>
#include <vector>

#include "mixing/dense.hpp"
#include "refractory_lif/backward.hpp"
#include "s4d_scan/span_adjoint.hpp"
#include "spiking_block/back_adjoint.hpp"
#include "spiking_block/forward.hpp"
#include "spiking_block/norm_adjoint.hpp"
#include "spiking_block/weight_adjoint.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kBlockAdjointWidest = 64;  // channels of the neuron's tile: what its replay leaves stays near the first cache

// One sample after the other on its way back; `threads` are at work on it, its sums of weights go to `group`.
template <class T> struct BlockSampleAdjoint {
    const BlockBackward<T>& c;
    const BlockParameters<T>& p;
    const PackedMatrix<T>& weight;  // (2 channels, channels)
    i64 b = 0, group = 0, width, n_words, state_size, vectors;
    int threads;
    i64 stride, mixed_stride;  // of the rows, as in BlockSample
    BackAdjoint<T> back;
    Aligned<T> z, current, starts, mixed, grad;  // z and current of an interval, states before its spans, rows of a span
    std::vector<T> mean, scale;                  // of an interval's rows
    WeightAdjoint<T> weights;
    std::vector<S4dTile<T>> tiles;
    std::vector<S4dAdjoint<T>> scans;
    std::vector<LifWork<T>> neurons;
    std::vector<double> neuron_sums;  // (4, channels) of one span

    BlockSampleAdjoint(const BlockBackward<T>& call, const PackedMatrix<T>& weight_, int threads_)
        : c(call), p(call.p), weight(weight_), width(tile_width<T>(1, p.channels, threads_, kBlockAdjointWidest)),
          n_words(words_of(p.channels)), state_size(2 * p.n_pairs * p.channels), vectors((p.channels + kLanes<T> - 1) / kLanes<T>),
          threads(threads_), stride(padded<T>(p.channels)), mixed_stride(padded<T>(2 * p.channels)), back(p, threads_),
          z(kBlockInterval * stride), current(kBlockInterval * stride), starts(kBlockInterval / kS4dSpan * state_size),
          mixed(kS4dSpan * mixed_stride), grad((back.is_there() ? (p.seqlen + kS4dSpan - 1) / kS4dSpan : 1) * kS4dSpan * stride),
          mean(kBlockInterval), scale(kBlockInterval), weights(p.channels), neurons((p.channels + width - 1) / width),
          neuron_sums(4 * p.channels) {
        tiles = s4d_tiles<T>(p, 0, vectors, threads == 1);
        scans.reserve(vectors);
        for (i64 k = 0; k < vectors; ++k) scans.emplace_back(p.n_pairs, threads == 1 && k ? &scans[0] : nullptr);
    }
    void take(i64 sample, i64 its_group) {
        b = sample, group = its_group;
        back.begin();
        for (i64 k = 0; k < vectors; ++k) {
            scans[k].clear_sums(p.n_pairs);
            tiles[k].gather(scans[k].flow, c.grad_state + b * state_size + k * kLanes<T>, 2 * p.n_pairs, p.channels);
        }
    }
    i64 row(i64 t) const { return b * p.seqlen + t; }
    T* grad_of(i64 start) { return grad.data() + (back.is_there() ? start * stride : 0); }
    const T* of_sample(const T* scale) const { return scale ? scale + b * p.channels : nullptr; }

    // What is written of this span and read of those before it: backwards in time, which the hardware does not foresee.
    FetchedLines rows_to_come(i64 start, i64 n) const {
        FetchedLines fetch;
        fetch.add(c.grad_x + row(start) * p.channels, n * p.channels);
        if (start >= kS4dSpan) fetch.add(c.grad_y + row(start - kS4dSpan) * p.channels, kS4dSpan * p.channels);
        if (start >= kBlockInterval) fetch.add(c.x + row(start - kBlockInterval) * p.channels, kS4dSpan * p.channels);
        return fetch;
    }
    void normalise(i64 start, i64 n) {
        for_pieces(n, kRowsPerPiece, threads, [&](i64 from, i64 to) {
            block_z(p, c.x + row(start + from) * p.channels, to - from, mean.data() + from, scale.data() + from, z.data() + from * stride,
                    stride);
        });
    }
    // z and the current of an interval, and the scan's states before its spans.
    void replay(i64 start, i64 n) {
        normalise(start, n);
        const i64 intervals = (p.seqlen + kBlockInterval - 1) / kBlockInterval, at = (b * intervals + start / kBlockInterval) * state_size;
        const i64 valid = back.is_there() ? valid_steps(p, b, start, n) : 0;
        parallel_for(vectors, threads, [&](i64 k) {
            const FlushDenormals flush;
            auto& q = tiles[k];
            const i64 first = k * kLanes<T>;
            if (valid) back.replay(k, start, c.back_checkpoints + at, z.data(), current.data(), stride, valid);
            q.gather(q.state, c.scan_checkpoints + at + first, 2 * p.n_pairs, p.channels);
            for (i64 t = 0; t < n; t += kS4dSpan) {
                const SpanView<T> to{current.data() + t * stride + first, stride};
                const i64 steps = std::min(kS4dSpan, n - t), met = std::clamp<i64>(valid - t, 0, steps);
                q.scatter(starts.data() + t / kS4dSpan * state_size + first, q.state, 2 * p.n_pairs, p.channels);
                s4d_span(q, {z.data() + t * stride + first, stride}, met ? q.outputs() : to, static_cast<int>(steps));
                for (i64 i = 0; i < (met ? steps : 0); ++i) {
                    const Vec<T> own = load<T>(q.y + i * kLanes<T>);
                    T* into = to.first + i * stride;
                    store<T>(into, i < met ? own + load<T>(into) : own);
                }
            }
        });
    }
    // The gradient of (a, b) in `mixed`. First the sums of some rows, which branch on the spikes, then the gates, which do not.
    void gate(i64 start, i64 n) {
        for_pieces(n, kRowsPerPiece, threads, [&](i64 from, i64 to) {
            BlockMixing<T> mixing(p, of_sample(p.spike_scale));
            for (i64 i = from; i < to; ++i) mixing.row(c.bits + row(start + i) * n_words, n_words, mixed.data() + i * mixed_stride);
            for (i64 i = from; i < to; ++i)
                gate_row_backward<T>(mixed.data() + i * mixed_stride, c.grad_y + row(start + i) * p.channels, of_sample(p.output_scale),
                                     p.channels);
        });
    }
    // Gradients of weight and bias.
    void weigh(i64 start, i64 n) {
        const i64 outputs = 2 * p.channels;
        weights.read(c.bits + row(start) * n_words, n);
        weights.add_bias(mixed.data(), mixed_stride, n, c.grad_bias + group * outputs);
        for_pieces(p.channels, 16, threads, [&](i64 from, i64 to) {
            weights.add(mixed.data(), mixed_stride, of_sample(p.spike_scale), from, to, c.grad_weight + group * p.channels * outputs);
        });
    }
    // The gradient of the spikes in `grad`.
    void unmix(i64 start, i64 n) {
        parallel_for(weight.panels, threads, [&](i64 q) {
            const FetchedLines fetch = q == 0 ? rows_to_come(start, n) : FetchedLines();
            dense_panel<T>(mixed.data(), mixed_stride, weight, q, grad_of(start), stride, n, fetch);
        });
        const T *scale = of_sample(p.spike_scale), *counts = of_sample(c.grad_counts);
        const i64 valid = p.lengths ? p.lengths[b] - start : n;
        for (i64 i = 0; (scale || counts) && i < n; ++i)
            for_vectors<T>(p.channels, [&](i64 j, auto lanes) {
                T* at = grad_of(start) + i * stride + j;
                Vec<T> value = load_first<T>(at, lanes);
                if (scale) value = value * load_first<T>(scale + j, lanes);
                if (counts && i < valid) value = value + load_first<T>(counts + j, lanes);
                store_first<T>(at, value, lanes);
            });
    }
    // grad: of the spikes -> of the current; `offset` is the span's first row within the interval.
    void unfire(i64 start, i64 n, i64 offset) {
        const i64 spans = (p.seqlen + kLifSpan - 1) / kLifSpan, at = b * p.channels;
        const LifBackward<T> lif{.current = {current.data() + offset * stride, 0, stride, 1},
                                 .grad_spikes = {grad_of(start), 0, stride, 1},
                                 .checkpoints = c.lif_checkpoints + ((b * spans + start / kLifSpan) * 3) * p.channels,
                                 .grad_current = {grad_of(start), 0, stride, 1},
                                 .grad_v = c.grad_v + at,
                                 .grad_r = c.grad_r + at,
                                 .grad_s = c.grad_s + at,
                                 .grad_parameters = neuron_sums.data(),
                                 .parameters = p.neuron,
                                 .batch = 1,
                                 .seqlen = n,
                                 .channels = p.channels,
                                 .surrogate_scale = c.surrogate_scale,
                                 .reset = p.reset,
                                 .surrogate = c.surrogate,
                                 .gradient = c.gradient,
                                 .threads = 1,
                                 .has_refractory = c.has_refractory,
                                 .wants_parameters = c.wants_neuron};
        for_pieces(p.channels, width, threads,
                   [&](i64 first, i64 last) { lif_backward_channels<T>(lif, 0, first, last - first, neurons[first / width]); });
        for (i64 j = 0; c.wants_neuron && j < 4 * p.channels; ++j) c.grad_neuron[4 * at + j] += neuron_sums[j];
    }
    // grad: of the current -> of z; in a bidirectional block that goes to grad_x.
    void unscan(i64 start, i64 n, i64 offset) {
        T* const from = grad_of(start);
        const SpanView<T> to = back.is_there() ? SpanView<T>{c.grad_x + row(start) * p.channels, p.channels} : SpanView<T>{from, stride};
        parallel_for(vectors, threads, [&](i64 k) {
            const FlushDenormals flush;
            auto& q = tiles[k];
            const i64 first = k * kLanes<T>;
            q.gather(q.state, starts.data() + offset / kS4dSpan * state_size + first, 2 * p.n_pairs, p.channels);
            s4d_span_adjoint(q, scans[k], {z.data() + offset * stride + first, stride}, {from + first, stride}, static_cast<int>(n));
            q.scatter(to.first + first, scans[k].u, n, to.stride);
        });
    }
    // grad: of the current -> of z, of both scans. z, mean and scale are made once more.
    void join(i64 start, i64 n) {
        const i64 valid = valid_steps(p, b, start, n);
        T* const rows = grad_of(start);
        normalise(start, n);
        parallel_for(vectors, threads, [&](i64 k) {
            const FlushDenormals flush;
            back.span(k, start, z.data(), rows, stride, valid);
        });
        for (i64 i = 0; i < n; ++i)
            for_vectors<T>(p.channels, [&](i64 j, auto lanes) {
                const Vec<T> first = load_first<T>(c.grad_x + row(start + i) * p.channels + j, lanes);
                T* at = rows + i * stride + j;
                store_first<T>(at, i < valid ? first + load_first<T>(at, lanes) : first, lanes);
            });
    }
    // The gradient of x, and of the norm's weight and bias.
    void unnorm(i64 start, i64 n, i64 offset) {
        T* sums = c.grad_norm + group * 2 * p.channels;
        for (i64 i = 0; i < n; i += kLanes<T>) {
            const i64 at = row(start + i) * p.channels;
            const NormAdjoint<T> norm{.weight = p.norm_weight,
                                      .is_affine = p.is_affine,
                                      .grad_weight = sums,
                                      .grad_bias = sums + p.channels,
                                      .channels = p.channels,
                                      .x = c.x + at,
                                      .grad_y = c.grad_y + at,
                                      .grad_z = grad_of(start) + i * stride,
                                      .mean = mean.data() + offset + i,
                                      .scale = scale.data() + offset + i,
                                      .grad_x = c.grad_x + at,
                                      .stride = stride};
            norm.rows(std::min<i64>(kLanes<T>, n - i));
        }
    }
    void run() {
        const i64 intervals = (p.seqlen + kBlockInterval - 1) / kBlockInterval;
        for (i64 k = intervals - 1; k >= 0; --k) {
            const i64 begin = k * kBlockInterval, length = std::min(kBlockInterval, p.seqlen - begin);
            poll();
            replay(begin, length);
            for (i64 offset = (length - 1) / kS4dSpan * kS4dSpan; offset >= 0; offset -= kS4dSpan) {
                const i64 start = begin + offset, n = std::min(kS4dSpan, length - offset);
                gate(start, n), weigh(start, n), unmix(start, n), unfire(start, n, offset), unscan(start, n, offset);
                if (!back.is_there()) unnorm(start, n, offset);
            }
        }
        for (i64 start = 0; back.is_there() && start < p.seqlen; start += kS4dSpan) {
            const i64 n = std::min(kS4dSpan, p.seqlen - start);
            poll();
            join(start, n), unnorm(start, n, 0);
        }
        if (back.is_there())
            back.write(c.grad_back_lambda + b * state_size, c.grad_back_c + b * state_size, c.grad_back_d + b * p.channels);
        for (i64 k = 0; k < vectors; ++k) {
            const auto& q = tiles[k];
            const i64 at = b * state_size + k * kLanes<T>;
            q.scatter(c.grad_state + at, scans[k].flow, 2 * p.n_pairs, p.channels);
            q.scatter(c.grad_lambda + at, scans[k].lambda, 2 * p.n_pairs, p.channels);
            q.scatter(c.grad_c + at, scans[k].c, 2 * p.n_pairs, p.channels);
            q.scatter(c.grad_d + b * p.channels + k * kLanes<T>, scans[k].d, 1, p.channels);
        }
    }
};

// Sums over samples go to `groups` fixed groups, so that they do not depend on the number of threads.
template <class T> void block_backward(const BlockBackward<T>& c) {
    const PackedMatrix<T> weight(c.weight_by_output, 2 * c.p.channels, c.p.channels);
    const bool has_groups = c.groups >= c.p.threads;
    const int threads = has_groups ? 1 : c.p.threads;
    Workers<BlockSampleAdjoint<T>> samples;
    parallel_for(c.groups, has_groups ? c.p.threads : 1, [&](i64 group) {
        samples.with([&] { return std::make_unique<BlockSampleAdjoint<T>>(c, weight, threads); },
                     [&](BlockSampleAdjoint<T>& sample) {
                         for (i64 b = group; b < c.p.batch; b += c.groups) sample.take(b, group), sample.run();
                     });
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
