// The decays of branches and soma over a gap between two steps of a position, kept because short gaps come again and again.
#pragma once
#include <algorithm>
#include <deque>
#include <vector>

#include "core/aligned.hpp"
#include "dendrite/dendrite.hpp"

namespace longspike::LONGSPIKE_ARCH {

// What is handed out, (branches + 1) numbers with the soma's last, stays until `clear`: where another gap of the same step has
// the place, it lies aside.
class GapDecays {
public:
    GapDecays(const Aligned<float>& rate, float rate_soma)
        : branches_(static_cast<i64>(rate.size())), width_(dendrite_width<float>(branches_ + 1)), rate_(width_), kept_(kKept * width_),
          gap_(kKept, -1), asked_(kKept, -1) {
        std::copy_n(rate.data(), branches_, rate_.data());
        rate_[branches_] = rate_soma;
    }

    const float* of(i64 gap, i64 step) {
        const i64 slot = gap % kKept;
        float* kept = kept_.data() + slot * width_;
        if (gap_[slot] != gap) {
            const bool is_taken = gap_[slot] >= 0 && asked_[slot] == step;
            if (is_taken)
                kept = aside_.emplace_back(width_).data();
            else
                gap_[slot] = gap;
            dendrite_alphas<float>(rate_.data(), gap, branches_ + 1, kept);
            if (is_taken) return kept;
        }
        asked_[slot] = step;
        return kept;
    }

    // Where the branches have decayed already.
    const float* soma_alone(i64 gap, i64 step) {
        const float soma = of(gap, step)[branches_];
        float* alone = aside_.emplace_back(width_, 1.0f).data();
        alone[branches_] = soma;
        return alone;
    }

    void clear() { aside_.clear(); }

private:
    static constexpr i64 kKept = 64;  // by gap modulo this
    i64 branches_, width_;
    Aligned<float> rate_, kept_;
    std::vector<i64> gap_, asked_;  // of what is kept: its gap, and the last step that asked for it
    std::deque<Aligned<float>> aside_;
};

}  // namespace longspike::LONGSPIKE_ARCH
