// The stream through a stack of blocks: encoder, blocks, running sum, a few hundred steps at a time. Every part is the one
// that whole sequences run through, so the spikes are theirs bit for bit.
#pragma once
#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <vector>

#include "spiking_block/forward.hpp"

namespace longspike::LONGSPIKE_ARCH {

// One block: copies of its parameters and, for every sample, its tiles with the state in them.
template <class T> struct StreamingBlock {
    Aligned<T> parameters[11], last_norm[2];
    BlockCall<T> call{};
    std::deque<BlockSample<T>> samples;

    StreamingBlock(const SequenceStreamCall& c, const StreamedBlock& from) {
        const i64 h = c.channels, pairs = 2 * c.n_pairs * h;
        const i64 sizes[11] = {h, h, pairs, pairs, h, h, h, h, h, 2 * h * h, 2 * h};
        const auto copy = [](const void* data, i64 size) {
            const T* first = static_cast<const T*>(data);
            return first ? Aligned<T>(first, first + size) : Aligned<T>();
        };
        for (int k = 0; k < 11; ++k) parameters[k] = copy(from.parameters[k], sizes[k]);
        for (int k = 0; k < 2; ++k) last_norm[k] = copy(from.last_norm[k], h);
        const auto at = [&](int k) { return parameters[k].empty() ? nullptr : parameters[k].data(); };
        call.p = {.norm_weight = at(0),
                  .norm_bias = at(1),
                  .lambda = at(2),
                  .c = at(3),
                  .d = at(4),
                  .neuron = {.beta = at(5), .theta = at(6), .rho = at(7), .gamma = at(8)},
                  .weight = at(9),
                  .bias = at(10),
                  .back_lambda = nullptr,
                  .back_c = nullptr,
                  .back_d = nullptr,
                  .spike_scale = nullptr,
                  .output_scale = nullptr,
                  .lengths = nullptr,
                  .batch = c.batch,
                  .seqlen = 0,
                  .channels = h,
                  .n_pairs = c.n_pairs,
                  .eps = static_cast<T>(c.eps),
                  .is_affine = c.is_affine,
                  .reset = from.reset,
                  .threads = 1};
        point(from.state);
        for (i64 b = 0; b < c.batch; ++b) samples.emplace_back(call, 1).take(b);
    }
    // Where the samples' `load` and `store` find the state.
    void point(const std::array<void*, 4>& at) {
        T** state[4] = {&call.state, &call.v, &call.r, &call.s};
        for (int k = 0; k < 4; ++k) *state[k] = static_cast<T*>(at[k]);
    }
    // (batch, n, channels) in place; the spikes likewise.
    void run(T* h, T* spikes, i64 n, int threads) {
        call.x = call.y = h, call.spikes = spikes, call.p.seqlen = n;
        parallel_for(call.p.batch, threads, [&](i64 b) { samples[b].run(); });
        for (i64 i = 0; !last_norm[0].empty() && i < call.p.batch * n; ++i) {
            T* row = h + i * call.p.channels;
            if (call.p.is_affine)
                affine_row<T>(row, last_norm[0].data(), last_norm[1].data(), call.p.channels, row);
            else
                normalise_row<T>(row, last_norm[0].data(), last_norm[1].data(), call.p.eps, call.p.channels, row);
        }
    }
};

template <class T> class SequenceStream final : public AbstractSequenceStream {
public:
    explicit SequenceStream(const SequenceStreamCall& call)
        : c_(call), total_(call.batch * call.channels), steps_(call.batch + 1), last_(call.batch * call.channels) {
        const T* weight = static_cast<const T*>(c_.encoder_weight);
        const T* bias = static_cast<const T*>(c_.encoder_bias);
        weight_.assign(weight, weight + c_.d_input * c_.channels);
        if (bias) bias_.assign(bias, bias + c_.channels);
        for (const auto& block : c_.blocks) blocks_.push_back(std::make_unique<StreamingBlock<T>>(c_, block));
        load();
    }
    bool push(const void* x, i64 steps, void* spikes, int threads, const Poll& poll) override {
        if (!is_valid(x, steps)) return false;
        for (i64 start = 0; start < steps; start += kBlockInterval) {
            if (start > 0) poll();
            run(x, start, std::min(kBlockInterval, steps - start), steps, static_cast<T*>(spikes), threads);
        }
        return true;
    }
    i64 num_steps() const override { return steps_.back(); }
    void load_from(const SequenceStatePlaces& places) override { point(places), load(); }
    void store_to(const SequenceStatePlaces& places) override {
        point(places);
        store_pool();
        for (std::size_t k = 0; k < places.blocks.size(); ++k)
            for (const auto& sample : blocks_[k]->samples) sample.store();
    }
    void restart_mean() override {
        std::fill(total_.begin(), total_.end(), 0.0);
        std::fill(steps_.begin(), steps_.end() - 1, 0);
    }

private:
    void point(const SequenceStatePlaces& places) {
        c_.last = places.last, c_.total = places.total, c_.steps = places.steps;
        for (std::size_t k = 0; k < places.blocks.size(); ++k) blocks_[k]->point(places.blocks[k]);
    }
    void load() {
        std::copy_n(c_.total, total_.size(), total_.data());
        std::copy_n(c_.steps, steps_.size(), steps_.data());
        std::copy_n(static_cast<const T*>(c_.last), last_.size(), last_.data());
        for (auto& block : blocks_)
            for (auto& sample : block->samples) sample.load();
    }
    void store_pool() const {
        std::copy(total_.begin(), total_.end(), c_.total);
        std::copy(steps_.begin(), steps_.end(), c_.steps);
        std::copy(last_.begin(), last_.end(), static_cast<T*>(c_.last));
    }
    bool is_valid(const void* x, i64 steps) const {
        if (c_.is_embedding) {
            const i64* tokens = static_cast<const i64*>(x);
            return std::all_of(tokens, tokens + c_.batch * steps, [&](i64 token) { return token >= 0 && token < c_.d_input; });
        }
        const T* features = static_cast<const T*>(x);
        return std::all_of(features, features + c_.batch * steps * c_.d_input, [](T value) { return std::isfinite(value); });
    }
    // One row of the encoder.
    void encode(const void* x, i64 row, T* h) {
        if (c_.is_embedding) {
            std::copy_n(weight_.data() + static_cast<const i64*>(x)[row] * c_.channels, c_.channels, h);
            return;
        }
        const T* features = static_cast<const T*>(x) + row * c_.d_input;
        const T* bias = bias_.empty() ? nullptr : bias_.data();
        linear_row<T>({.weight = weight_.data(), .bias = bias, .inputs = c_.d_input, .outputs = c_.channels}, features,
                      active_.find(features, c_.d_input), h);
    }
    // The steps [start, start + n) of every sample through the whole stack.
    void run(const void* x, i64 start, i64 n, i64 steps, T* spikes, int threads) {
        const i64 size = n * c_.channels;
        h_.resize(c_.batch * size), fired_.resize(c_.batch * size);
        for (i64 b = 0; b < c_.batch; ++b)
            for (i64 i = 0; i < n; ++i) encode(x, b * steps + start + i, h_.data() + b * size + i * c_.channels);
        for (std::size_t k = 0; k < blocks_.size(); ++k) {
            blocks_[k]->run(h_.data(), fired_.data(), n, threads);
            for (i64 b = 0; b < c_.batch; ++b)
                std::copy_n(fired_.data() + b * size, size, spikes + ((static_cast<i64>(k) * c_.batch + b) * steps + start) * c_.channels);
        }
        for (i64 b = 0; b < c_.batch; ++b) {
            for (i64 i = 0; i < n; ++i)
                for (i64 j = 0; j < c_.channels; ++j) total_[b * c_.channels + j] += h_[b * size + i * c_.channels + j];
            std::copy_n(h_.data() + b * size + (n - 1) * c_.channels, c_.channels, last_.data() + b * c_.channels);
        }
        for (i64& count : steps_) count += n;
    }

    SequenceStreamCall c_;
    Aligned<T> weight_, bias_;
    std::vector<double> total_;
    std::vector<i64> steps_;
    Aligned<T> last_, h_, fired_;
    ActiveInputs active_{c_.is_embedding ? 0 : c_.d_input};
    std::vector<std::unique_ptr<StreamingBlock<T>>> blocks_;
};

template <class T> std::unique_ptr<AbstractSequenceStream> make_sequence_stream(const SequenceStreamCall& call) {
    return std::make_unique<SequenceStream<T>>(call);
}

}  // namespace longspike::LONGSPIKE_ARCH
