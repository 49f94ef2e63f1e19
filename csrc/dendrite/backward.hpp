// The adjoint of the dendritic neuron: chain by chain, backwards over spans of rows whose i is computed again.
//
//     a        = beta[t+1] * lam[t+1]                                       = dLoss/dv after the reset of row t
//     lam[t]   = G[t] + (1 - s[t])*a - slope(m[t] - threshold)*m[t]*a       = dLoss/dmembrane
//     iota_d[t] = g_d*lam[t] + alpha_d[t+1]*iota_d[t+1]                     = dLoss/di_d
//     dw += value*iota,  dvalue += w.iota,  dg_d += lam.i_d,  drate_d -= gap*alpha_d*i_d[t-1].iota_d,  drate_soma likewise
//
// kVectors vectors of channels of a chain at a time (a chain: the rows of one position, in time). The forward pass left m,
// the membrane of every row before its reset; i it did not keep.
//
//     rows of a chain    |------ span ------|------ span ------|-- span --|        kDendriteSpan rows
//     1 starts           i0 -> replay -----> i -> replay -----> i                  i before each span, into `starts`
//     2 spans            third               second             first              each from its start:
//
//       replay             i -> row -> row -> ... -> row                 into `path`; the rows' decays into `alphas`
//       row by row, last first:
//       membrane_adjoint   a <- row <- row <- ... <- row <- a            G, m -> lam; drate_soma
//       branch_adjoint     flow <- row <- row <- ... <- row <- flow      lam, path -> iota; dg, drate
//       weight_adjoint     of each row                                   iota, its taps -> dw
//       values             of the whole span, tap by tap                 iota of its rows -> dvalue, if it is wanted
//
// `a` and `flow` (alpha*iota of the row after) come in as the gradients of the final v and i, and leave as those of v0 and i0.
//
// Sums are taken over ranges of chains and added in the order of the ranges, which do not depend on the number of threads:
// neither do the bits.
#pragma once
#include <algorithm>
#include <vector>

#include "dendrite/value_adjoint.hpp"
#include "spikes/surrogate.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kBackwardParts = 8;  // ranges of chains: at most so many threads

template <class T, bool kDense> struct DendriteAdjoint {
    const DendriteBackward<T>& b;
    const DendriteModel<T, kDense>& model;
    DendriteSums<T>& sums;
    T* dense_grad;  // dense only: (rows, branches, width), shared by all threads
    DendriteScratch<T> path, alphas, iota, starts, flow;
    DendriteScratch<T> v_before;  // after the reset of the row before
    std::vector<DendriteTap<T>> taps;
    DendriteValueAdjoint<T, kDense> values;
    i64 starts_size = 0;

    DendriteAdjoint(const DendriteBackward<T>& call, const DendriteModel<T, kDense>& m, DendriteSums<T>& s, T* dense)
        : b(call), model(m), sums(s), dense_grad(dense), path((kDendriteSpan + 1) * m.c.branches * 4 * kLanes<T>),
          alphas(kDendriteSpan * m.num_alphas), iota((call.grad_values ? kDendriteSpan : 1) * m.c.branches * 4 * kLanes<T>),
          flow(m.c.branches * 4 * kLanes<T>), v_before(4 * kLanes<T>), values{m, s, {}, {}} {}

    // The number of real channels in the vector that starts at channel `first`, at least 0.
    int lanes(i64 first) const { return static_cast<int>(std::clamp<i64>(model.c.channels - first, 0, kLanes<T>)); }
    Vec<T> load_channels(const T* row, i64 first) const {
        const int n = lanes(first);
        return n > 0 ? load_first<T>(row + first, n) : Vec<T>{};
    }

    // i after one row from i before it; both (branches, kVectors vectors).
    template <int kVectors> void replay(const T* before, T* after, const T* alpha, i64 first) {
        const i64 tile = kVectors * kLanes<T>, branches = model.c.branches, width = model.width;  // here: a store might change members
        const DendriteTap<T>* tap = taps.data();
        const i64 num_taps = static_cast<i64>(taps.size());
        const T* weight = model.weight.data + first;
        for (i64 d = 0; d < branches; ++d, weight += width) {
            Vec<T> x[kVectors];
            for (int j = 0; j < kVectors; ++j) x[j] = splat<T>(alpha[d]) * load<T>(before + d * tile + j * kLanes<T>);
            for (i64 k = 0; k < num_taps; ++k)
                for (int j = 0; j < kVectors; ++j) x[j] = fma(splat<T>(tap[k].value), load<T>(weight + tap[k].at + j * kLanes<T>), x[j]);
            for (int j = 0; j < kVectors; ++j) store<T>(after + d * tile + j * kLanes<T>, x[j]);
        }
    }

    // lam of one row; `a` in: dLoss/dv after its reset, out: after the reset of the row before.
    template <int kVectors> void membrane_adjoint(i64 row, bool is_first, const T* alpha, i64 first, Vec<T>* a, Vec<T>* lam) {
        const auto& c = model.c;
        const Vec<T> threshold = splat<T>(c.threshold), beta = splat<T>(alpha[c.branches]);
        const Vec<T> gap = splat<T>(static_cast<T>(c.gap ? c.gap[row] : 1));
        const Surrogate<T> surrogate(b.surrogate_scale);
        Vec<T> d_rate = load<T>(sums.recent_rate(c.branches));
        for (int j = 0; j < kVectors; ++j) {
            const i64 at = first + j * kLanes<T>;
            const Vec<T> m = load_channels(c.membrane + row * c.channels, at);
            const Vec<T> slope = surrogate_slope_of<T>(b.surrogate, surrogate, m - threshold);
            const Vec<T> kept_a = m > threshold ? Vec<T>{} : a[j];
            lam[j] = load_channels(b.grad_membrane + row * c.channels, at) + kept_a - slope * m * a[j];
            Vec<T> before = load<T>(v_before.data() + j * kLanes<T>);
            if (!is_first) {
                const Vec<T> m0 = load_channels(c.membrane + (row - 1) * c.channels, at);
                before = m0 > threshold ? Vec<T>{} : m0;
            }
            a[j] = beta * lam[j];
            d_rate = fma(gap * before, a[j], d_rate);
        }
        store<T>(sums.recent_rate(c.branches), d_rate);
    }

    // iota of one row; sums of g and rate. `flow` in: alpha*iota of the row after, out: of this row.
    template <int kVectors> void branch_adjoint(i64 row, const T* before, const T* now, const T* alpha, const Vec<T>* lam, T* iota) {
        const auto& c = model.c;
        const i64 tile = kVectors * kLanes<T>, branches = c.branches;
        const Vec<T> gap = splat<T>(static_cast<T>(c.gap ? c.gap[row] : 1));
        const T* g = c.g;
        T *later = flow.data(), *sum_g = sums.recent_g(0), *sum_rate = sums.recent_rate(0);
        Vec<T> grad[kVectors];
        for (int j = 0; j < kVectors; ++j) grad[j] = lam[j];
        for (i64 d = 0; d < branches; ++d, sum_g += kLanes<T>, sum_rate += kLanes<T>) {
            Vec<T> d_g = load<T>(sum_g), d_rate{};
            for (int j = 0; j < kVectors; ++j) {
                const i64 at = d * tile + j * kLanes<T>;
                const Vec<T> x = fma(splat<T>(g[d]), grad[j], load<T>(later + at)), decayed = splat<T>(alpha[d]) * x;
                d_g = fma(grad[j], load<T>(now + at), d_g);
                d_rate = fma(decayed, load<T>(before + at), d_rate);
                store<T>(iota + at, x);
                store<T>(later + at, decayed);
            }
            store<T>(sum_g, d_g);
            store<T>(sum_rate, fma(gap, d_rate, load<T>(sum_rate)));
        }
    }

    template <int kVectors> void weight_adjoint(const T* iota, i64 first) {
        const i64 tile = kVectors * kLanes<T>, branches = model.c.branches, width = model.width;
        const DendriteTap<T>* tap = taps.data();
        T* grad = (kDense ? dense_grad : sums.weight.data()) + first;
        for (const DendriteTap<T>* end = tap + taps.size(); tap < end; ++tap) {
            T* out = grad + tap->at;
            const Vec<T> value = splat<T>(tap->value);
            for (i64 d = 0; d < branches; ++d, out += width)
                for (int j = 0; j < kVectors; ++j) {
                    const Vec<T> x = load<T>(iota + d * tile + j * kLanes<T>);
                    store<T>(out + j * kLanes<T>, kDense ? x : fma(value, x, load<T>(out + j * kLanes<T>)));
                }
        }
    }

    // A row of (branches, kVectors vectors) from or to (branches, channels) at the channels from `first` on.
    template <int kVectors> void from_channels(const T* source, T* x, i64 first) {
        for (i64 d = 0; d < model.c.branches; ++d)
            for (int j = 0; j < kVectors; ++j, x += kLanes<T>)
                store<T>(x, source ? load_channels(source + d * model.c.channels, first + j * kLanes<T>) : Vec<T>{});
    }
    template <int kVectors> void to_channels(const T* x, T* out, i64 first) {
        for (i64 d = 0; d < model.c.branches; ++d)
            for (int j = 0; j < kVectors; ++j, x += kLanes<T>)
                if (const int n = lanes(first + j * kLanes<T>))
                    store_first<T>(out + d * model.c.channels + first + j * kLanes<T>, load<T>(x), n);
    }

    // kVectors vectors of channels of one chain.
    template <int kVectors> void run(i64 chain, i64 first) {
        const auto& c = model.c;
        const i64 begin = c.chain_offsets[chain], end = c.chain_offsets[chain + 1], size = c.branches * kVectors * kLanes<T>;
        const i64 spans = std::max<i64>(1, (end - begin + kDendriteSpan - 1) / kDendriteSpan), state = chain * c.branches * c.channels;
        if (starts_size < spans * size) starts = DendriteScratch<T>(starts_size = spans * size);
        from_channels<kVectors>(c.i0 ? c.i0 + state : nullptr, starts.data(), first);
        for (i64 row = begin; row < begin + (spans - 1) * kDendriteSpan; ++row) {  // all spans but the last, to find their ends
            poll(row);
            T* at = starts.data() + (row - begin) / kDendriteSpan * size;
            const bool is_first = (row - begin) % kDendriteSpan == 0, is_last = (row - begin + 1) % kDendriteSpan == 0;
            model.collect(row, taps);
            model.alphas(row, alphas.data());
            replay<kVectors>(is_first ? at : path.data(), is_last ? at + size : path.data(), alphas.data(), first);
        }
        for (int j = 0; j < kVectors; ++j)
            store<T>(v_before.data() + j * kLanes<T>, c.v0 ? load_channels(c.v0 + chain * c.channels, first + j * kLanes<T>) : Vec<T>{});
        Vec<T> a[kVectors];
        for (int j = 0; j < kVectors; ++j)
            a[j] = b.grad_v_end ? load_channels(b.grad_v_end + chain * c.channels, first + j * kLanes<T>) : Vec<T>{};
        from_channels<kVectors>(b.grad_i_end ? b.grad_i_end + state : nullptr, flow.data(), first);
        for (i64 k = spans - 1; k >= 0; --k) {
            const i64 start = begin + k * kDendriteSpan;
            poll(k);
            run_span<kVectors>(start, std::min(end, start + kDendriteSpan), begin, starts.data() + k * size, first, a);
        }
        if (b.grad_i0) to_channels<kVectors>(flow.data(), b.grad_i0 + state, first);
        for (int j = 0; b.grad_v0 && j < kVectors; ++j)
            if (const int n = lanes(first + j * kLanes<T>)) store_first<T>(b.grad_v0 + chain * c.channels + first + j * kLanes<T>, a[j], n);
    }

    template <int kVectors> void run_span(i64 start, i64 end, i64 begin, const T* i0, i64 first, Vec<T>* a) {
        const auto& c = model.c;
        const i64 size = c.branches * kVectors * kLanes<T>;
        std::copy_n(i0, size, path.data());
        for (i64 row = start; row < end; ++row) {
            model.collect(row, taps);
            T* alpha = alphas.data() + (row - start) * model.num_alphas;
            model.alphas(row, alpha);
            replay<kVectors>(path.data() + (row - start) * size, path.data() + (row - start + 1) * size, alpha, first);
        }
        for (i64 row = end - 1; row >= start; --row) {
            const T *alpha = alphas.data() + (row - start) * model.num_alphas, *before = path.data() + (row - start) * size;
            Vec<T> lam[kVectors];
            model.collect(row, taps);
            membrane_adjoint<kVectors>(row, row == begin, alpha, first, a, lam);
            T* iota_of_row = iota.data() + (b.grad_values ? row - start : 0) * size;
            branch_adjoint<kVectors>(row, before, before + size, alpha, lam, iota_of_row);
            weight_adjoint<kVectors>(iota_of_row, first);
            if (++sums.rows == 256) sums.collect();
        }
        if constexpr (!kDense)
            if (b.grad_values) values.template span_adjoint<kVectors>(start, end, iota.data(), first);
    }

    void chain(i64 chain) {
        i64 first = 0;
        for (; first + 4 * kLanes<T> <= model.width; first += 4 * kLanes<T>) run<4>(chain, first);
        for (; first + 2 * kLanes<T> <= model.width; first += 2 * kLanes<T>) run<2>(chain, first);
        for (; first < model.width; first += kLanes<T>) run<1>(chain, first);
    }
};

template <class T, bool kDense>
void dendrite_range(const DendriteBackward<T>& b, const DendriteModel<T, kDense>& model, i64 begin, i64 end, T* dense_grad,
                    DendriteSums<T>& sums) {
    const auto& c = model.c;
    const FlushDenormals flush;
    sums.recent = DendriteScratch<T>(2 * (c.branches + 1) * kLanes<T>);
    sums.branch.assign(2 * (c.branches + 1), 0.0);
    if constexpr (!kDense) {
        sums.weight = DendriteScratch<T>(c.taps * c.c_in * model.unit);
        const i64 first = c.pair_offsets[c.chain_offsets[begin]], last = c.pair_offsets[c.chain_offsets[end]];
        if (b.grad_values && first < last) {
            const auto [low, high] = std::minmax_element(c.pair_input + first, c.pair_input + last);
            sums.first_input = *low, sums.last_input = *high;
            sums.values = DendriteScratch<T>((*high - *low + 1) * c.c_in);
        }
    }
    DendriteAdjoint<T, kDense> adjoint(b, model, sums, dense_grad);
    for (i64 chain = begin; chain < end; ++chain) poll(chain), adjoint.chain(chain);
    sums.collect();
}

template <class T, bool kDense> void dendrite_backward(const DendriteBackward<T>& b) {
    const auto& c = b.forward;
    const DendriteModel<T, kDense> model(c);
    const bool is_padded = model.width != c.channels;
    const i64 parts = c.rows < 512 ? 1 : std::min<i64>(kBackwardParts, c.rows / 256);
    const auto starts = dendrite_parts(c, parts);
    DendriteScratch<T> padded(kDense && is_padded ? c.rows * model.unit : 0);
    T* dense_grad = is_padded ? padded.data() : b.grad_weight;
    std::vector<DendriteSums<T>> sums(parts);
    parallel_for(parts, c.threads,
                 [&](i64 part) { dendrite_range<T, kDense>(b, model, starts[part], starts[part + 1], dense_grad, sums[part]); });
    std::vector<double> branch(2 * (c.branches + 1), 0.0);
    for (auto& s : sums) {
        for (std::size_t k = 0; k < branch.size(); ++k) branch[k] += s.branch[k];
        for (i64 q = s.first_input; q <= s.last_input; ++q)
            for (i64 k = 0; k < c.c_in; ++k) b.grad_values[q * c.c_in + k] += s.values.data()[(q - s.first_input) * c.c_in + k];
    }
    for (i64 d = 0; d <= c.branches; ++d) {
        if (d < c.branches) b.grad_g[d] = static_cast<T>(branch[d]);
        b.grad_rate[d] = static_cast<T>(-branch[c.branches + 1 + d]);
    }
    const i64 rows = (kDense ? c.rows : c.taps * c.c_in) * c.branches;
    if (kDense && !is_padded) return;
    for (i64 r = 0; r < rows; ++r) {
        T* out = b.grad_weight + r * c.channels;
        std::fill_n(out, c.channels, T(0));
        if constexpr (kDense) {
            std::copy_n(padded.data() + r * model.width, c.channels, out);
        } else {
            for (const auto& s : sums)
                for (i64 k = 0; k < c.channels; ++k) out[k] += s.weight.data()[r * model.width + k];
        }
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
