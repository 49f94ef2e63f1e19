// A FLAMES network as a stream sees it: sizes and copies of its parameters, and what it does with events.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/aligned.hpp"
#include "streams/poll.hpp"

namespace longspike {

using i64 = std::int64_t;

// One dendritic convolution and the pool behind it. weight: (taps, in_channels, branches, channels).
struct FrontParameters {
    i64 in_width, in_height, in_channels, width, height, channels, branches, kernel, stride, padding, pool;
    float rate_soma, threshold;
    Aligned<float> weight, rate, coupling;  // rate and coupling: (branches)
};

// One memory block: the parameters of csrc/sa_hippo/forward.hpp, of the mixing (in, out) and of the layer norm.
struct MemoryParameters {
    i64 d_model, heads, pairs, rank;
    bool is_diagonal, is_held;
    float threshold, eps;
    Aligned<float> log_dt, log_a_real, a_imag, log_decay, r, b, c, d;
    Aligned<float> mix_weight, mix_bias, norm_weight, norm_bias;
};

struct FlamesParameters {
    i64 sensor_width, sensor_height, step_us, downsample, window, num_outputs;
    bool is_time_weighted;
    std::vector<FrontParameters> fronts;
    std::vector<MemoryParameters> blocks;
    Aligned<float> embedding, decoder_weight, decoder_bias;  // (cells, channels, d_model), (d_model, outputs), (outputs)
};

struct StreamCounters {
    i64 events = 0, late = 0, steps = 0, ticks = 0, far = 0, jumps = 0;
    std::vector<i64> spikes, updates;  // of every front, then of every block
};

// What happened at a tick, kept only when asked for.
struct TickRecord {
    i64 step;
    std::vector<i64> cells;             // pooled cells of the last front that were touched
    std::vector<float> front;           // (cells, channels)
    std::vector<float> spikes, logits;  // (blocks, d_model), (outputs)
};

// One packed event record as csrc/events/decoding.hpp and longspike.events.EVENT_DTYPE have it: x, y, t, p in 13 bytes.
constexpr std::size_t kEventBytes = 13;
constexpr i64 kLatestUs = i64{1} << 62;  // longspike.events.record.LATEST_TIME_US: steps + 1 and gaps stay in range

constexpr i64 kConfirming = 32;  // far events that agree, until the clock is said to have jumped

class AbstractFlamesStream {
public:
    virtual ~AbstractFlamesStream() = default;
    // Throws std::invalid_argument and changes nothing; what `poll` throws leaves the events before it counted and taken.
    virtual void push(const std::uint8_t* events, i64 count, const Poll& poll) = 0;
    virtual void flush() = 0;
    virtual void reset() = 0;
    virtual void restart_mean() = 0;  // of the read-out alone
    virtual void logits(float* out) const = 0;
    virtual i64 time_us() const = 0;
    virtual std::vector<std::uint8_t> state() const = 0;
    virtual void set_state(const std::uint8_t* bytes, std::size_t count) = 0;  // throws std::invalid_argument
    virtual std::unique_ptr<AbstractFlamesStream> copy() const = 0;
    virtual std::size_t memory_bytes() const = 0;
    StreamCounters counters;
    std::vector<i64> latency_histogram;  // of decisions, see LatencyHistogram
    std::vector<TickRecord> records;
    bool is_recording = false, refuses_late = false;  // refuses_late: a packet with a late event is not taken
    i64 max_gap_us = kLatestUs;                       // further away, an event's time is not believed
    int threads = 1;                                  // that share the positions of a large step
    mutable std::recursive_mutex turn;                // held by whoever calls from a thread; a signal handler comes within a call
};

// Sixteen bins an octave of nanoseconds, from 1 ns to 2^40 ns.
constexpr int kBinsPerOctave = 16, kOctaves = 40;

}  // namespace longspike
