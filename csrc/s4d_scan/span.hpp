// One tile and one span of the diagonal state-space scan: outputs and the state after it.
//
//     x_n[t] = lambda_n x_n[t-1] + u[t]        y[t] = sum_n Re(c_n x_n[t]) + d u[t]        n = 0 .. n_pairs-1, complex
//
// A tile is one vector of channels of one sample. Within a span a group of pairs keeps its state and coefficients in
// registers, and adds its share to the span's output rows. The order of the operations on one channel is the same for
// every span length, batch size and tile, so whole, chunks and steps agree bit for bit.
#pragma once
#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/aligned.hpp"
#include "core/kernels.hpp"
#include "core/simd.hpp"
#include "core/span_views.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr int kPairGroup = 4;  // pairs at a time: enough independent chains to keep the multipliers busy

// What one tile works on; rows of one vector each. `host` is a tile whose rows u and y are shared, for tiles that take
// turns: they then stay in the first cache.
template <class T> struct S4dTile {
    int n_pairs, lanes;
    Aligned<T> data;
    T *lambda, *c, *d, *state, *u, *y;
    // The channels of `call` from `first` on.
    template <class Call>
    S4dTile(const Call& call, i64 first, S4dTile* host)
        : n_pairs(static_cast<int>(call.n_pairs)), lanes(static_cast<int>(std::min<i64>(kLanes<T>, call.channels - first))),
          data((6 * call.n_pairs + 2 + (host ? 0 : 2 * kS4dSpan)) * kLanes<T>) {
        T* p = data.data();
        const auto take = [&](i64 rows) {
            T* at = p;
            p += rows * kLanes<T>;
            return at;
        };
        lambda = take(2 * n_pairs), c = take(2 * n_pairs), state = take(2 * n_pairs), d = take(1);
        u = host ? host->u : take(kS4dSpan), y = host ? host->y : take(kS4dSpan);
        gather(lambda, call.lambda + first, 2 * n_pairs, call.channels);
        gather(c, call.c + first, 2 * n_pairs, call.channels);
        gather(d, call.d + first, 1, call.channels);
    }
    void gather(T* to, const T* from, i64 rows, i64 stride) const {
        for (i64 k = 0; k < rows; ++k) store<T>(to + k * kLanes<T>, load_first<T>(from + k * stride, lanes));
    }
    void scatter(T* to, const T* from, i64 rows, i64 stride) const {
        for (i64 k = 0; k < rows; ++k) store_first<T>(to + k * stride, load<T>(from + k * kLanes<T>), lanes);
    }
    // The rows of the tile's own, one vector after the other.
    SpanView<const T> inputs() const { return {u, kLanes<T>}; }
    SpanView<T> outputs() const { return {y, kLanes<T>}; }
};

// x = lambda x + u for one pair.
template <class V> inline void s4d_step(V lr, V li, V& xr, V& xi, V u) {
    const V real = fma(lr, xr, fnma(li, xi, u));
    xi = fma(lr, xi, li * xr);
    xr = real;
}

// kGroup pairs over `rows` steps: advances their state, adds Re(c x) to the output rows; the first group begins them with d u.
template <class T, int kGroup, bool kFirst>
void s4d_group(S4dTile<T>& q, int pair, SpanView<const T> u_rows, SpanView<T> y_rows, int rows) {
    Vec<T> lr[kGroup], li[kGroup], cr[kGroup], ci[kGroup], xr[kGroup], xi[kGroup];
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        lr[g] = load<T>(q.lambda + at), li[g] = load<T>(q.lambda + at + kLanes<T>);
        cr[g] = load<T>(q.c + at), ci[g] = load<T>(q.c + at + kLanes<T>);
        xr[g] = load<T>(q.state + at), xi[g] = load<T>(q.state + at + kLanes<T>);
    }
    const Vec<T> d = load<T>(q.d);
    for (int t = 0; t < rows; ++t) {
        const Vec<T> u = load<T>(u_rows.first + t * u_rows.stride);
        T* const to = y_rows.first + t * y_rows.stride;
        Vec<T> y = kFirst ? d * u : load<T>(to);
        for (int g = 0; g < kGroup; ++g) {
            s4d_step(lr[g], li[g], xr[g], xi[g], u);
            y = fma(cr[g], xr[g], fnma(ci[g], xi[g], y));
        }
        store<T>(to, y);
    }
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        store<T>(q.state + at, xr[g]), store<T>(q.state + at + kLanes<T>, xi[g]);
    }
}

// The same steps without the output, four at a time: x[t+4] = lambda^4 x[t] + lambda^3 u[t] + lambda^2 u[t+1] + lambda u[t+2]
// + u[t+3]. Its rounding differs from that of single steps, which only a backward pass may use.
template <class T, int kGroup> void s4d_advance_group(S4dTile<T>& q, int pair, int rows) {
    Vec<T> pr[kGroup][4], pi[kGroup][4], xr[kGroup], xi[kGroup];
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        pr[g][0] = load<T>(q.lambda + at), pi[g][0] = load<T>(q.lambda + at + kLanes<T>);
        for (int k = 1; k < 4; ++k) {
            pr[g][k] = fma(pr[g][0], pr[g][k - 1], -(pi[g][0] * pi[g][k - 1]));
            pi[g][k] = fma(pr[g][0], pi[g][k - 1], pi[g][0] * pr[g][k - 1]);
        }
        xr[g] = load<T>(q.state + at), xi[g] = load<T>(q.state + at + kLanes<T>);
    }
    for (int t = 0; t < rows; t += 4) {
        const T* const u = q.u + t * kLanes<T>;
        const Vec<T> u0 = load<T>(u), u1 = load<T>(u + kLanes<T>), u2 = load<T>(u + 2 * kLanes<T>), u3 = load<T>(u + 3 * kLanes<T>);
        for (int g = 0; g < kGroup; ++g) {
            const Vec<T> ar = fma(pr[g][2], u0, fma(pr[g][1], u1, fma(pr[g][0], u2, u3)));
            const Vec<T> ai = fma(pi[g][2], u0, fma(pi[g][1], u1, pi[g][0] * u2));
            const Vec<T> real = fma(pr[g][3], xr[g], fnma(pi[g][3], xi[g], ar));
            xi[g] = fma(pr[g][3], xi[g], fma(pi[g][3], xr[g], ai));
            xr[g] = real;
        }
    }
    for (int g = 0; g < kGroup; ++g) {
        const i64 at = i64(2) * (pair + g) * kLanes<T>;
        store<T>(q.state + at, xr[g]), store<T>(q.state + at + kLanes<T>, xi[g]);
    }
}

// Calls run(pair, size, is_first) for kGroup pairs at a time, then for what is left over, with size and is_first as constants.
// Without pairs there is one group of none.
template <int kGroup, bool kFirst = true, class F> void for_groups(int n_pairs, const F& run) {
    constexpr std::integral_constant<int, kGroup> size;
    if (n_pairs < kGroup) {
        if constexpr (kGroup > 0)
            if (kFirst || n_pairs > 0) for_groups<kGroup / 2, kFirst>(n_pairs, run);
        return;
    }
    run(0, size, std::bool_constant<kFirst>());
    if constexpr (kGroup > 0) {
        int pair = kGroup;
        for (; pair + kGroup <= n_pairs; pair += kGroup) run(pair, size, std::false_type());
        if (pair < n_pairs)
            for_groups<kGroup / 2, false>(n_pairs - pair, [&](int rest, auto left, auto is_first) { run(pair + rest, left, is_first); });
    }
}

// `count` neighbouring tiles of `call` from tile `first` on, which share the rows they work on if they
// take turns.
template <class T, class Call> std::vector<S4dTile<T>> s4d_tiles(const Call& call, i64 first, i64 count, bool take_turns) {
    std::vector<S4dTile<T>> tiles;
    tiles.reserve(count);
    for (i64 k = first; k < first + count; ++k) tiles.emplace_back(call, k * kLanes<T>, take_turns && k > first ? &tiles[0] : nullptr);
    return tiles;
}

inline bool is_one_group(i64 n_pairs) { return n_pairs <= kPairGroup && (n_pairs & (n_pairs - 1)) == 0; }

// `rows` steps of all pairs: reads whole vectors of u, writes such of y, moves q.state on. Of one group, y may be u.
template <class T> void s4d_span(S4dTile<T>& q, SpanView<const T> u, SpanView<T> y, int rows) {
    for_groups<kPairGroup>(q.n_pairs, [&](int pair, auto size, auto is_first) { s4d_group<T, size(), is_first()>(q, pair, u, y, rows); });
}

// `rows` steps of u, which become those of y, in place; a negative stride takes them last first.
template <class T> void s4d_span_in_place(S4dTile<T>& q, SpanView<T> u, int rows) {
    const bool is_direct = is_one_group(q.n_pairs);
    if (!is_direct) q.gather(q.u, u.first, rows, u.stride);
    s4d_span(q, is_direct ? SpanView<const T>{u.first, u.stride} : q.inputs(), u, rows);
}

// `rows` steps of all pairs, a multiple of four, without outputs: reads q.u, moves q.state on, rounded as a backward pass may.
template <class T> void s4d_span_advance(S4dTile<T>& q, int rows) {
    for_groups<2>(q.n_pairs, [&](int pair, auto size, auto) { s4d_advance_group<T, size()>(q, pair, rows); });
}

}  // namespace longspike::LONGSPIKE_ARCH
