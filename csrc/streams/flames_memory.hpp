// One memory block as a stream runs it: SA-HiPPO, threshold, mixing of the spikes, residual, layer norm.
#pragma once
#include <algorithm>
#include <vector>

#include "sa_hippo/forward.hpp"
#include "streams/flames_stream_call.hpp"
#include "tick/tick.hpp"

namespace longspike::LONGSPIKE_ARCH {

class MemoryStage {
public:
    explicit MemoryStage(const MemoryParameters& p)
        : p_(p), d_head_(p.d_model / p.heads), size_(sa_hippo_transition_size(p.pairs, p.rank)), state_(p.pairs * 2 * p.d_model),
          tables_(kKept * p.heads * size_), gaps_(kKept, -1.0f), y_(p.d_model), mixed_(p.d_model), spikes_(p.d_model) {
        const SaHippoTables<float> t{.log_dt = p_.log_dt.data(),
                                     .log_a_real = p_.log_a_real.data(),
                                     .a_imag = p_.a_imag.data(),
                                     .log_decay = p_.log_decay.empty() ? nullptr : p_.log_decay.data(),
                                     .r = p_.r.data(),
                                     .b = p_.b.data(),
                                     .heads = p_.heads,
                                     .n_pairs = p_.pairs,
                                     .rank = p_.rank,
                                     .is_diagonal = p_.is_diagonal,
                                     .is_held = p_.is_held};
        const SaHippoShape<float> shape{.r = p_.r.data(),
                                        .c = p_.c.data(),
                                        .d = p_.d.data(),
                                        .d_model = p_.d_model,
                                        .heads = p_.heads,
                                        .n_pairs = p_.pairs,
                                        .rank = p_.rank};
        dynamics_.reserve(p_.heads);
        for (i64 head = 0; head < p_.heads; ++head) {
            dynamics_.emplace_back(t, head);
            work_.emplace_back(dynamics_.back());
            heads_.push_back(sa_hippo_head(shape, head));
        }
    }
    MemoryStage(const MemoryStage&) = delete;

    // u (d_model) in, next (d_model) out; the gap in steps since the last tick.
    void tick(const float* u, float gap, float* next) {
        remember(u, gap);
        count_ = 0;
        for (i64 j = 0; j < p_.d_model; ++j) {
            spikes_[j] = y_[j] - p_.threshold > 0.0f ? 1.0f : 0.0f;
            count_ += spikes_[j] != 0.0f;
        }
        std::copy(p_.mix_bias.begin(), p_.mix_bias.end(), mixed_.begin());
        for (i64 j = 0; j < p_.d_model; ++j)
            if (spikes_[j] != 0.0f) add_scaled<float>(mixed_.data(), p_.mix_weight.data() + j * p_.d_model, spikes_[j], p_.d_model);
        for (i64 j = 0; j < p_.d_model; ++j) mixed_[j] = u[j] + mixed_[j];
        normalise_row<float>(mixed_.data(), p_.norm_weight.data(), p_.norm_bias.data(), p_.eps, p_.d_model, next);
    }

    i64 num_spikes() const { return count_; }
    const Aligned<float>& spikes() const { return spikes_; }
    const Aligned<float>& state() const { return state_; }
    void set_state(const Aligned<float>& state) { state_ = state; }
    void reset() { std::fill(state_.begin(), state_.end(), 0.0f); }
    std::size_t memory_bytes() const {
        return sizeof(float) * (state_.size() + tables_.size() + p_.c.size() + p_.r.size() + p_.mix_weight.size());
    }

private:
    static constexpr i64 kKept = 64;  // transitions kept, by gap modulo this: short gaps come again and again

    void remember(const float* u, float gap) {
        const FlushDenormals flush;
        const i64 slot = static_cast<i64>(gap) % kKept;
        float* transitions = tables_.data() + slot * p_.heads * size_;
        if (gaps_[slot] != gap) {
            for (i64 head = 0; head < p_.heads; ++head)
                sa_hippo_transition<float>(dynamics_[head], gap, transitions + head * size_, work_[head]);
            gaps_[slot] = gap;
        }
        for (i64 head = 0; head < p_.heads; ++head)
            sa_hippo_tick<float>(heads_[head], transitions + head * size_, u + head * d_head_,
                                 state_.data() + head * p_.pairs * 2 * d_head_, y_.data() + head * d_head_);
    }

    MemoryParameters p_;
    i64 d_head_, size_, count_ = 0;  // size_: of a transition
    Aligned<float> state_, tables_, gaps_, y_, mixed_, spikes_;
    std::vector<SaHippoDynamics> dynamics_;
    std::vector<SaHippoWork> work_;
    std::vector<SaHippoHead<float>> heads_;
};

}  // namespace longspike::LONGSPIKE_ARCH
