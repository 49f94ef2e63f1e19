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
//                      unfire   grad_s -> neuron' from L and current -> grad_current -> scan' from starts and z -> grad_z
//                      unnorm   grad_z -> norm' of x -> + grad_y -> grad_x; grad_norm
//
// From a span to the one before go the flow of the scan (`scans`) and grad_v, grad_r, grad_s; `grad` is one array of a span
// that is grad_s, then grad_current, then grad_z.
#pragma once
#include <algorithm>
#include <vector>

#include "mixing/dense.hpp"
#include "refractory_lif/backward.hpp"
#include "s4d_scan/span_adjoint.hpp"
#include "spiking_block/forward.hpp"

namespace longspike::LONGSPIKE_ARCH {

// One sample on its way back; `threads` are at work on it, its sums of weights go to `group`.
template <class T> struct BlockSampleAdjoint {
    const BlockBackward<T>& c;
    const BlockParameters<T>& p;
    const PackedMatrix<T>& weight;  // (2 channels, channels)
    i64 b, group, width, n_words, state_size, vectors;
    int threads;
    i64 stride, mixed_stride;                    // of the rows, as in BlockSample
    Aligned<T> z, current, starts, mixed, grad;  // z and current of an interval, states before its spans, rows of a span
    std::vector<std::uint64_t> columns;          // (channels): which of a span's rows have a spike
    std::vector<S4dTile<T>> tiles;
    std::vector<S4dAdjoint<T>> scans;
    std::vector<double> neuron_sums;  // (4, channels) of one span

    BlockSampleAdjoint(const BlockBackward<T>& call, const PackedMatrix<T>& weight_, i64 sample, i64 group_, int threads_)
        : c(call), p(call.p), weight(weight_), b(sample), group(group_), width(tile_width<T>(1, p.channels, threads_, 256)),
          n_words(words_of(p.channels)), state_size(2 * p.n_pairs * p.channels), vectors((p.channels + kLanes<T> - 1) / kLanes<T>),
          threads(threads_), stride(padded<T>(p.channels)), mixed_stride(padded<T>(2 * p.channels)), z(kBlockInterval * stride),
          current(kBlockInterval * stride), starts(kBlockInterval / kS4dSpan * state_size), mixed(kS4dSpan * mixed_stride),
          grad(kS4dSpan * stride), columns(p.channels), neuron_sums(4 * p.channels) {
        tiles = s4d_tiles<T>(p, 0, vectors, threads == 1);
        scans.reserve(vectors);
        for (i64 k = 0; k < vectors; ++k) {
            scans.emplace_back(p.n_pairs, threads == 1 && k ? &scans[0] : nullptr);
            tiles[k].gather(scans[k].flow, c.grad_state + b * state_size + k * kLanes<T>, 2 * p.n_pairs, p.channels);
        }
    }
    i64 row(i64 t) const { return b * p.seqlen + t; }
    const T* of_sample(const T* scale) const { return scale ? scale + b * p.channels : nullptr; }

    // z and the current of an interval, and the scan's states before its spans.
    void replay(i64 start, i64 n) {
        for_pieces(n, kRowsPerPiece, threads, [&](i64 from, i64 to) {
            for (i64 i = from; i < to; ++i) block_z(p, c.x + row(start + i) * p.channels, z.data() + i * stride);
        });
        const i64 intervals = (p.seqlen + kBlockInterval - 1) / kBlockInterval;
        const T* checkpoint = c.scan_checkpoints + (b * intervals + start / kBlockInterval) * state_size;
        parallel_for(vectors, threads, [&](i64 k) {
            const FlushDenormals flush;
            auto& q = tiles[k];
            const i64 first = k * kLanes<T>;
            q.gather(q.state, checkpoint + first, 2 * p.n_pairs, p.channels);
            for (i64 t = 0; t < n; t += kS4dSpan) {
                const int steps = static_cast<int>(std::min(kS4dSpan, n - t));
                q.scatter(starts.data() + t / kS4dSpan * state_size + first, q.state, 2 * p.n_pairs, p.channels);
                q.gather(q.u, z.data() + t * stride + first, steps, stride);
                s4d_span(q, steps);
                q.scatter(current.data() + t * stride + first, q.y, steps, stride);
            }
        });
    }
    // The gradient of (a, b) in `mixed`, and the span's spikes by column.
    void gate(i64 start, i64 n) {
        const LinearCall<T> linear = block_mixing(p);
        for_pieces(n, kRowsPerPiece, threads, [&](i64 from, i64 to) {
            SpikeList<T> spikes(p.channels, of_sample(p.spike_scale));
            for (i64 i = from; i < to; ++i) {
                T* at = mixed.data() + i * mixed_stride;
                spikes.read(c.bits + row(start + i) * n_words, n_words);
                linear_row<T>(linear, spikes.values.data(), spikes.index.data(), spikes.count, at);
                gate_row_backward<T>(at, c.grad_y + row(start + i) * p.channels, of_sample(p.output_scale), p.channels);
            }
        });
        std::fill(columns.begin(), columns.end(), 0);
        for (i64 i = 0; i < n; ++i)
            for (i64 w = 0; w < n_words; ++w)
                for (std::uint64_t bits = c.bits[row(start + i) * n_words + w]; bits; bits &= bits - 1)
                    columns[w * 64 + __builtin_ctzll(bits)] |= std::uint64_t(1) << i;
    }
    // Gradients of weight and bias: an input's weights see the rows in which it spiked.
    void weigh(i64 n) {
        const i64 outputs = 2 * p.channels;
        const T* scale = of_sample(p.spike_scale);
        T* bias = c.grad_bias + group * outputs;
        for (i64 i = 0; i < n; ++i) add_scaled<T>(bias, mixed.data() + i * mixed_stride, T(1), outputs);
        for_pieces(p.channels, 16, threads, [&](i64 from, i64 to) {
            for (i64 k = from; k < to; ++k) {
                if (!columns[k]) continue;
                T* sum = c.grad_weight + (group * p.channels + k) * outputs;
                const Vec<T> factor = splat<T>(scale ? scale[k] : T(1));
                i64 j = 0;
                for (; j + 4 * kLanes<T> <= outputs; j += 4 * kLanes<T>) weigh_columns<4>(columns[k], factor, j, kLanes<T>, sum);
                for (; j < outputs; j += kLanes<T>)
                    weigh_columns<1>(columns[k], factor, j, static_cast<int>(std::min<i64>(kLanes<T>, outputs - j)), sum);
            }
        });
    }
    template <int kVectors> void weigh_columns(std::uint64_t column, Vec<T> factor, i64 j, int tail, T* sum) {
        Vec<T> total[kVectors];
        for (int g = 0; g < kVectors; ++g) total[g] = load_first<T>(sum + j + g * kLanes<T>, tail);
        for (; column; column &= column - 1) {
            const T* at = mixed.data() + __builtin_ctzll(column) * mixed_stride + j;
            for (int g = 0; g < kVectors; ++g) total[g] = fma(factor, load_first<T>(at + g * kLanes<T>, tail), total[g]);
        }
        for (int g = 0; g < kVectors; ++g) store_first<T>(sum + j + g * kLanes<T>, total[g], tail);
    }
    // The gradient of the spikes in `grad`.
    void unmix(i64 start, i64 n) {
        parallel_for(weight.panels, threads, [&](i64 q) { dense_panel<T>(mixed.data(), mixed_stride, weight, q, grad.data(), stride, n); });
        const T *scale = of_sample(p.spike_scale), *counts = of_sample(c.grad_counts);
        const i64 valid = p.lengths ? p.lengths[b] - start : n;
        for (i64 i = 0; (scale || counts) && i < n; ++i)
            for (i64 j = 0; j < p.channels; ++j) {
                T& value = grad[i * stride + j];
                if (scale) value *= scale[j];
                if (counts && i < valid) value += counts[j];
            }
    }
    // grad: of the spikes -> of the current -> of z; `offset` is the span's first row within the interval.
    void unfire(i64 start, i64 n, i64 offset) {
        const i64 spans = (p.seqlen + kLifSpan - 1) / kLifSpan, at = b * p.channels;
        const LifBackward<T> lif{.current = {current.data() + offset * stride, 0, stride, 1},
                                 .grad_spikes = {grad.data(), 0, stride, 1},
                                 .checkpoints = c.lif_checkpoints + ((b * spans + start / kLifSpan) * 3) * p.channels,
                                 .grad_current = {grad.data(), 0, stride, 1},
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
        for_pieces(p.channels, width, threads, [&](i64 first, i64 last) { lif_backward_channels<T>(lif, 0, first, last - first); });
        for (i64 j = 0; c.wants_neuron && j < 4 * p.channels; ++j) c.grad_neuron[4 * at + j] += neuron_sums[j];
        parallel_for(vectors, threads, [&](i64 k) {
            const FlushDenormals flush;
            auto& q = tiles[k];
            const i64 first = k * kLanes<T>;
            q.gather(q.state, starts.data() + offset / kS4dSpan * state_size + first, 2 * p.n_pairs, p.channels);
            q.gather(q.u, z.data() + offset * stride + first, n, stride);
            q.gather(q.y, grad.data() + first, n, stride);
            s4d_span_adjoint(q, scans[k], static_cast<int>(n));
            q.scatter(grad.data() + first, scans[k].u, n, stride);
        });
    }
    // The gradient of x, and of the norm's weight and bias.
    void unnorm(i64 start, i64 n) {
        T *weights = c.grad_norm + group * 2 * p.channels, *biases = weights + p.channels;
        for (i64 i = 0; i < n; ++i) {
            const T *x = c.x + row(start + i) * p.channels, *grad_y = c.grad_y + row(start + i) * p.channels,
                    *grad_z = grad.data() + i * stride;
            T* grad_x = c.grad_x + row(start + i) * p.channels;
            if (!p.norm_weight) {
                for (i64 j = 0; j < p.channels; ++j) grad_x[j] = grad_y[j] + grad_z[j];
                continue;
            }
            const RowMoments<T> moment(x, p.eps, p.channels);
            norm_row_backward<T>(x, moment, p.norm_weight, grad_z, grad_y, grad_x, p.channels);
            for (i64 j = 0; j < p.channels; ++j) {
                weights[j] += grad_z[j] * ((x[j] - moment.mean) * moment.scale);
                biases[j] += grad_z[j];
            }
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
                gate(start, n), weigh(n), unmix(start, n), unfire(start, n, offset), unnorm(start, n);
            }
        }
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
    parallel_for(c.groups, has_groups ? c.p.threads : 1, [&](i64 group) {
        for (i64 b = group; b < c.p.batch; b += c.groups) BlockSampleAdjoint<T>(c, weight, b, group, has_groups ? 1 : c.p.threads).run();
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
