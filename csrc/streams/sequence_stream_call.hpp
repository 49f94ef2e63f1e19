// A stack of blocks as a stream sees it: where its parameters and its state lie, and what it does with steps.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

namespace longspike {

// Addresses of float or double arrays. parameters: norm weight and bias (or null), lambda, c, d, beta, theta, rho, gamma,
// weight (by input), bias: copied when the stream is made. last_norm: weight and bias of a norm behind the sum, or null.
// state: of the scan, then v, r, s: read by `load`, written by `store`.
struct StreamedBlock {
    int reset;
    std::array<const void*, 11> parameters;
    std::array<const void*, 2> last_norm;
    std::array<void*, 4> state;
};

struct SequenceStreamCall {
    bool is_embedding;
    std::int64_t d_input, channels, n_pairs, batch;  // d_input: features, or the size of the vocabulary
    double eps;
    const void *encoder_weight, *encoder_bias;  // (d_input, channels), (channels) or null
    std::vector<StreamedBlock> blocks;
    void *total, *last;  // (batch, channels): the sum over steps, the last step; written by `store`
};

class AbstractSequenceStream {
public:
    virtual ~AbstractSequenceStream() = default;
    // Features (batch, steps, d_input), or tokens (batch, steps) as int64, and room for the spikes (blocks, batch, steps,
    // channels). False, and nothing has changed, if a feature is not finite or a token outside of the vocabulary.
    virtual bool push(const void* x, std::int64_t steps, void* spikes, int threads) = 0;
    virtual void load() = 0;
    virtual void store() const = 0;
    mutable std::mutex turn;
};

}  // namespace longspike
