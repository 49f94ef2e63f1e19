// A stack of blocks as a stream sees it: where its parameters and its state lie, and what it does with steps.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

#include "streams/poll.hpp"

namespace longspike {

// Addresses of float or double arrays. parameters: norm weight and bias (or null), lambda, c, d, beta, theta, rho, gamma,
// weight (by input), bias: copied when the stream is made. last_norm: weight and bias of a norm behind the sum, or null.
// state: of the scan, then v, r, s.
struct StreamedBlock {
    int reset;
    std::array<const void*, 11> parameters;
    std::array<const void*, 2> last_norm;
    std::array<void*, 4> state;
};

struct SequenceStreamCall {
    bool is_embedding;
    bool is_affine;                                  // every norm is x weight + bias: its statistics are in them
    std::int64_t d_input, channels, n_pairs, batch;  // d_input: features, or the size of the vocabulary
    double eps;
    const void *encoder_weight, *encoder_bias;  // (d_input, channels), (channels) or null
    std::vector<StreamedBlock> blocks;
    void* last;           // (batch, channels): the last step
    double* total;        // (batch, channels): the sum over steps; a stream has no end, so in float64
    std::int64_t* steps;  // (batch + 1): how many are in the sums, then how many there were
};

// Where a state is read from or written to. blocks: the state of the scan, then v, r, s; to be written, there may be none.
struct SequenceStatePlaces {
    std::vector<std::array<void*, 4>> blocks;
    void* last;           // (batch, channels)
    double* total;        // (batch, channels)
    std::int64_t* steps;  // (batch + 1)
};

class AbstractSequenceStream {
public:
    virtual ~AbstractSequenceStream() = default;
    // Features (batch, steps, d_input), or tokens (batch, steps) as int64, and room for the spikes (blocks, batch, steps,
    // channels). False, and nothing has changed, if a feature is not finite or a token outside of the vocabulary. What `poll`
    // throws leaves the steps before it taken and counted.
    virtual bool push(const void* x, std::int64_t steps, void* spikes, int threads, const Poll& poll) = 0;
    virtual std::int64_t num_steps() const = 0;
    virtual void load_from(const SequenceStatePlaces& places) = 0;
    virtual void store_to(const SequenceStatePlaces& places) = 0;
    virtual void restart_mean() = 0;    // of the sums, and of the steps in them
    mutable std::recursive_mutex turn;  // a signal handler comes within a call
};

}  // namespace longspike
