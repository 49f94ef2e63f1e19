// The adjoint of the dendritic neuron: chain by chain, backwards over blocks of rows whose i is computed again.
//
//     a        = beta[t+1] * lam[t+1]                                       = dLoss/dv after the reset of row t
//     lam[t]   = G[t] + (1 - s[t])*a - slope(m[t] - threshold)*m[t]*a       = dLoss/dmembrane
//     iota_d[t] = g_d*lam[t] + alpha_d[t+1]*iota_d[t+1]                     = dLoss/di_d
//     dw += value*iota,  dvalue += w.iota,  dg_d += lam.i_d,  drate_d -= gap*alpha_d*i_d[t-1].iota_d,  drate_soma likewise
//
// Sums are taken over ranges of chains and added in the order of the ranges, which do not depend on the number of threads:
// neither do the bits.
#pragma once
#include "core/lane_sums.hpp"
#include "dendrite/forward.hpp"
#include "refractory_lif/backward.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kBackwardParts = 8;  // ranges of chains: at most so many threads

template <class T> inline Vec<T> slope_of(int surrogate, Vec<T> scale, Vec<T> inverse, Vec<T> z) {
    switch (surrogate) {
        case 0: return surrogate_slope<T, 0>(scale, inverse, z);
        case 1: return surrogate_slope<T, 1>(scale, inverse, z);
        case 2: return surrogate_slope<T, 2>(scale, inverse, z);
        case 3: return surrogate_slope<T, 3>(scale, inverse, z);
        default: return surrogate_slope<T, 4>(scale, inverse, z);
    }
}

template <class T> inline double lane_sum(const T* x) {
    double sum = 0;
    for (int k = 0; k < kLanes<T>; ++k) sum += x[k];
    return sum;
}

// What is summed over a range of chains. Branch sums are taken in T over some hundred rows and then added in double.
template <class T> struct DendriteSums {
    DendriteScratch<T> weight, values,
        recent;  // (taps, c_in, branches, width); (inputs from first_input on, c_in); (2, branches + 1, lanes)
    std::vector<double> branch;                 // (2, branches + 1): g (the last is idle), rate
    i64 first_input = 0, last_input = -1, rows = 0;

    T* recent_g(i64 d) { return recent.data() + d * kLanes<T>; }
    T* recent_rate(i64 d) { return recent.data() + (branch.size() / 2 + d) * kLanes<T>; }
    void collect() {
        for (i64 k = 0; k < static_cast<i64>(branch.size()); ++k) {
            T* lanes = recent.data() + k * kLanes<T>;
            branch[k] += lane_sum(lanes);
            std::fill_n(lanes, kLanes<T>, T(0));
        }
        rows = 0;
    }
};

template <class T, bool kDense> struct DendriteAdjoint {
    const DendriteBackward<T>& b;
    const DendriteModel<T, kDense>& model;
    DendriteSums<T>& sums;
    T* dense_grad;  // dense only: (rows, branches, width), shared by all threads
    DendriteScratch<T> path, alphas, iota, kept;
    DendriteScratch<T> v_before;  // after the reset of the row before
    std::vector<DendriteTap<T>> taps;
    struct Pair { i64 row, input; };  // row: within the block
    std::vector<Pair> pairs;
    std::vector<i64> by_tap;

    DendriteAdjoint(const DendriteBackward<T>& call, const DendriteModel<T, kDense>& m, DendriteSums<T>& s, T* dense)
        : b(call), model(m), sums(s), dense_grad(dense), path((kDendriteBlock + 1) * m.c.branches * 4 * kLanes<T>),
          alphas(kDendriteBlock * m.num_alphas), iota((call.grad_values ? kDendriteBlock : 1) * m.c.branches * 4 * kLanes<T>),
          v_before(4 * kLanes<T>) {}

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
        const Vec<T> scale = splat<T>(b.surrogate_scale), inverse = splat<T>(T(1) / b.surrogate_scale);
        Vec<T> d_rate = load<T>(sums.recent_rate(c.branches));
        for (int j = 0; j < kVectors; ++j) {
            const i64 at = first + j * kLanes<T>;
            const Vec<T> m = load_channels(c.membrane + row * c.channels, at);
            const Vec<T> slope = slope_of<T>(b.surrogate, scale, inverse, m - threshold);
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

    // iota of one row; sums of g and rate. `carry` in: alpha*iota of the row after, out: of this row.
    template <int kVectors> void branch_adjoint(i64 row, const T* before, const T* now, const T* alpha, const Vec<T>* lam, T* iota) {
        const auto& c = model.c;
        const i64 tile = kVectors * kLanes<T>, branches = c.branches;
        const Vec<T> gap = splat<T>(static_cast<T>(c.gap ? c.gap[row] : 1));
        const T* g = c.g;
        T *flow = carry.data(), *sum_g = sums.recent_g(0), *sum_rate = sums.recent_rate(0);
        Vec<T> grad[kVectors];
        for (int j = 0; j < kVectors; ++j) grad[j] = lam[j];
        for (i64 d = 0; d < branches; ++d, sum_g += kLanes<T>, sum_rate += kLanes<T>) {
            Vec<T> d_g = load<T>(sum_g), d_rate{};
            for (int j = 0; j < kVectors; ++j) {
                const i64 at = d * tile + j * kLanes<T>;
                const Vec<T> x = fma(splat<T>(g[d]), grad[j], load<T>(flow + at)), decayed = splat<T>(alpha[d]) * x;
                d_g = fma(grad[j], load<T>(now + at), d_g);
                d_rate = fma(decayed, load<T>(before + at), d_rate);
                store<T>(iota + at, x);
                store<T>(flow + at, decayed);
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

    // dvalue of kPairs pairs under one tap and kInputs input channels from `k` on, the last ones repeated where there are
    // fewer: each load of a weight or of iota serves several sums.
    template <int kVectors, int kPairs, int kInputs> void value_tile(const Pair* pairs, const T* weight, i64 k, i64 first) {
        const i64 tile = kVectors * kLanes<T>, inputs = std::min<i64>(kInputs, model.c.c_in - k);
        const T *x[kPairs], *w[kInputs];
        for (int p = 0; p < kPairs; ++p) x[p] = iota.data() + pairs[p].row * model.c.branches * tile;
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
        for (int n = 0; n < kPairs * kInputs; n += kLanes<T>) store<T>(total + n, lane_sums<T, kLanes<T>>(sum + n));
        for (int p = 0; p < kPairs; ++p) {
            T* out = sums.values.data() + (pairs[p].input - sums.first_input) * model.c.c_in + k;
            for (i64 n = 0; n < inputs; ++n) out[n] += total[p * kInputs + n];
        }
    }

    // dvalue of every pair of a block of rows, silent inputs included, tap by tap.
    template <int kVectors> void values_adjoint(i64 start, i64 end, i64 first) {
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
                for (i64 k = 0; k < c.c_in; k += 4) value_tile<kVectors, 4, 4>(pairs.data() + p, w, k, first);
            for (; p < by_tap[tap]; ++p)
                for (i64 k = 0; k < c.c_in; k += 16) value_tile<kVectors, 1, 16>(pairs.data() + p, w, k, first);
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
        const i64 blocks = std::max<i64>(1, (end - begin + kDendriteBlock - 1) / kDendriteBlock), state = chain * c.branches * c.channels;
        if (static_cast<i64>(kept_size) < blocks * size) kept = DendriteScratch<T>(kept_size = blocks * size);
        from_channels<kVectors>(c.i0 ? c.i0 + state : nullptr, kept.data(), first);
        for (i64 row = begin; row < begin + (blocks - 1) * kDendriteBlock; ++row) {  // all blocks but the last, to find their ends
            T* at = kept.data() + (row - begin) / kDendriteBlock * size;
            const bool is_last = (row - begin + 1) % kDendriteBlock == 0, starts = (row - begin) % kDendriteBlock == 0;
            model.collect(row, taps);
            model.alphas(row, alphas.data());
            replay<kVectors>(starts ? at : path.data(), is_last ? at + size : path.data(), alphas.data(), first);
        }
        for (int j = 0; j < kVectors; ++j)
            store<T>(v_before.data() + j * kLanes<T>, c.v0 ? load_channels(c.v0 + chain * c.channels, first + j * kLanes<T>) : Vec<T>{});
        Vec<T> a[kVectors];
        for (int j = 0; j < kVectors; ++j)
            a[j] = b.grad_v_end ? load_channels(b.grad_v_end + chain * c.channels, first + j * kLanes<T>) : Vec<T>{};
        from_channels<kVectors>(b.grad_i_end ? b.grad_i_end + state : nullptr, carry.data(), first);
        for (i64 k = blocks - 1; k >= 0; --k) {
            const i64 start = begin + k * kDendriteBlock;
            run_block<kVectors>(start, std::min(end, start + kDendriteBlock), begin, kept.data() + k * size, first, a);
        }
        if (b.grad_i0) to_channels<kVectors>(carry.data(), b.grad_i0 + state, first);
        for (int j = 0; b.grad_v0 && j < kVectors; ++j)
            if (const int n = lanes(first + j * kLanes<T>)) store_first<T>(b.grad_v0 + chain * c.channels + first + j * kLanes<T>, a[j], n);
    }

    template <int kVectors> void run_block(i64 start, i64 end, i64 begin, const T* i0, i64 first, Vec<T>* a) {
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
            if (b.grad_values) values_adjoint<kVectors>(start, end, first);
    }

    void chain(i64 chain) {
        i64 first = 0;
        for (; first + 4 * kLanes<T> <= model.width; first += 4 * kLanes<T>) run<4>(chain, first);
        for (; first + 2 * kLanes<T> <= model.width; first += 2 * kLanes<T>) run<2>(chain, first);
        for (; first < model.width; first += kLanes<T>) run<1>(chain, first);
    }

    DendriteScratch<T> carry{model.c.branches * 4 * kLanes<T>};
    i64 kept_size = 0;
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
    for (i64 chain = begin; chain < end; ++chain) adjoint.chain(chain);
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
