// Spans of the refractory neuron run again from their checkpoints, for the adjoint: its steps' slopes, and where it asks for
// them the states before them.
#pragma once
#include <algorithm>

#include "refractory_lif/forward.hpp"
#include "spikes/surrogate.hpp"

namespace longspike::LONGSPIKE_ARCH {

// What the adjoint needs of one step of one vector: the slope at z = v - rho*r - theta, and where the reset or the
// gradients of the parameters ask for it the state before the step.
template <class T, bool kState> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment;
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment<T, false> { T slope[kLanes<T>]; };
template <class T> struct alignas(LONGSPIKE_VECTOR_BYTES) LifMoment<T, true> {
    T slope[kLanes<T>], v[kLanes<T>], r[kLanes<T>], s[kLanes<T>];
};

// Spans that are replayed together: `per_span` vectors of the first, then those of the next one. All have `steps` steps.
template <class T, bool kState> struct LifReplay {
    LifVector<T>* vectors;
    i64 count, per_span;
    LifMoment<T, kState>* path;  // (count / per_span, kLifSpan, per_span)
    SpanView<const T> in;
    Fetch<T> fetch;
    i64 steps;
    T surrogate_scale;
    bool any_spike;  // the first span starts with the sequence: its s may be neither 0 nor 1
};

// Runs `steps` steps of a vector again and keeps what the adjoint needs; in and moment: of the first step.
template <class T, Reset kReset, bool kRefractory, bool kState, int kKind, bool kFirst = false>
[[gnu::always_inline]] inline void replay_steps(LifVector<T>& q, LifMoment<T, kState>* moment, i64 per_span, SpanView<const T> in,
                                                Fetch<T>& fetch, i64 steps, int width, const Surrogate<T>& surrogate) {
    LifRegisters<T> neuron(q);
    const T* x = in.first;
    for (i64 k = 0; k < steps; ++k, x += in.stride, moment += per_span) {
        if constexpr (kState) {
            store<T>(moment->v, neuron.v), store<T>(moment->s, neuron.s);
            if constexpr (kRefractory) store<T>(moment->r, neuron.r);
        }
        fetch.template next<2>();
        const Vec<T> current = load_first<T>(x, width);
        if constexpr (kFirst)
            neuron.template first_step<kReset, kRefractory>(current);
        else
            neuron.template step<kReset, kRefractory>(current);
        store<T>(moment->slope, surrogate_slope<T, kKind>(surrogate, neuron.u - neuron.theta));
    }
    neuron.keep(q);
}

template <class T, Reset kReset, bool kRefractory, bool kState, int kKind> void lif_replay(const LifReplay<T, kState>& all) {
    LifVector<T>* const vectors = all.vectors;  // here: a store might change `all`
    const i64 count = all.count, per_span = all.per_span, steps = all.steps;
    const SpanView<const T> in = all.in;
    const Surrogate<T> surrogate(all.surrogate_scale);
    Fetch<T> fetch = all.fetch;
    const auto place = [path = all.path, per_span](i64 i, i64 t) { return path + (i / per_span * kLifSpan + t) * per_span + i % per_span; };
    const auto from = [=](i64 i, i64 t) { return SpanView<const T>{in.first + t * in.stride + vectors[i].from, in.stride}; };
    i64 start = 0;
    if (all.any_spike) {  // the first step of the sequence; the other spans at hand take theirs with it
        for (i64 i = 0; i < count; ++i)
            replay_steps<T, kReset, kRefractory, kState, kKind, true>(vectors[i], place(i, 0), per_span, from(i, 0), fetch, 1,
                                                                      vectors[i].lanes, surrogate);
        start = 1;
    }
    for (i64 t = start; t < steps; t += kLifSteps) {
        const i64 some = std::min(kLifSteps, steps - t);
        for (i64 i = 0; i < count; ++i) {
            if (vectors[i].lanes == kLanes<T> && some == kLifSteps)
                replay_steps<T, kReset, kRefractory, kState, kKind>(vectors[i], place(i, t), per_span, from(i, t), fetch, kLifSteps,
                                                                    kLanes<T>, surrogate);
            else
                replay_steps<T, kReset, kRefractory, kState, kKind>(vectors[i], place(i, t), per_span, from(i, t), fetch, some,
                                                                    vectors[i].lanes, surrogate);
        }
    }
}

template <class T, bool kState> using ReplayFunction = void (*)(const LifReplay<T, kState>&);
template <class T, Reset kReset, bool kRefractory, bool kState> ReplayFunction<T, kState> replay_function(int surrogate) {
    static constexpr ReplayFunction<T, kState> table[] = {
        lif_replay<T, kReset, kRefractory, kState, 0>, lif_replay<T, kReset, kRefractory, kState, 1>,
        lif_replay<T, kReset, kRefractory, kState, 2>, lif_replay<T, kReset, kRefractory, kState, 3>,
        lif_replay<T, kReset, kRefractory, kState, 4>};
    return table[surrogate];
}

}  // namespace longspike::LONGSPIKE_ARCH
