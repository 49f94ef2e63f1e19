// Which step an event belongs to, and whether its time is to be believed.
//
// A time more than `max_gap_us` after the end or before the beginning of the latest step is far: it does not count, unless
// kConfirming events in a row agree that it is now (each within `max_gap_us` of the one before). Then the clock has jumped, and
// they are all taken: forwards as a silence of that length, backwards as if it were the step that follows.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "streams/flames_stream_call.hpp"

namespace longspike::LONGSPIKE_ARCH {

struct EventRecord {
    std::uint16_t x, y;
    i64 t;
    std::uint8_t p;
    static EventRecord at(const std::uint8_t* bytes) {
        EventRecord e;
        std::memcpy(&e.x, bytes, 2), std::memcpy(&e.y, bytes + 2, 2), std::memcpy(&e.t, bytes + 4, 8);
        e.p = bytes[12];
        return e;
    }
};

enum class Arrival { taken, late, far, jumped };

class EventClock {
public:
    explicit EventClock(i64 step_us) : step_us_(step_us), last_step_(kLatestUs / step_us) {}

    i64 step_us() const { return step_us_; }
    i64 last_step() const { return last_step_; }
    i64 next() const { return next_; }    // the open step, or the one after the latest; 0: nothing has come
    i64 shift() const { return shift_; }  // the stream's steps are those of the camera's clock plus this, after jumps backwards
    i64 num_far() const { return num_far_; }
    i64 num_jumps() const { return num_jumps_; }
    const std::vector<EventRecord>& held() const { return held_; }  // far ones that may yet be believed
    // When the latest step began, on the stream's own clock, which never runs backwards.
    i64 time_us() const { return latest() < 0 ? 0 : latest() * step_us_; }

    // Whether nothing needs to be asked: an event of the open step, with no far one before it.
    bool is_plain(i64 t) const { return static_cast<std::uint64_t>(t) - begin_us_ < plain_us_; }

    // Where an event belongs; `jumped`: it is among the events that `release` gives, and so were all the others.
    Arrival see(const EventRecord& e, i64 max_gap_us) {
        const i64 step = e.t / step_us_ + shift_;
        if (is_far(e.t, max_gap_us) || step > last_step_) return hold(e, max_gap_us);
        forget_held();
        if (step < next_) return Arrival::late;
        next_ = step, is_open_ = true;
        watch();
        return Arrival::taken;
    }
    void close() {
        if (is_open_) ++next_;
        is_open_ = false;
        forget_held();
        watch();
    }
    // The events that agree about the time, to be seen again.
    std::vector<EventRecord> release() { return std::exchange(held_, {}); }

    void set(i64 next, bool is_open, i64 shift, i64 num_far, i64 num_jumps, std::vector<EventRecord> held) {
        next_ = next, is_open_ = is_open, shift_ = shift, num_far_ = num_far, num_jumps_ = num_jumps, held_ = std::move(held);
        watch();
    }

private:
    i64 latest() const { return next_ - (is_open_ ? 0 : 1); }
    i64 latest_us() const { return (latest() - shift_) * step_us_; }

    bool is_far(i64 t, i64 max_gap_us) const {
        if (next_ == 0 && !is_open_) return false;  // the first event sets the clock
        const i64 since = t - latest_us();
        return since - step_us_ > max_gap_us || -since > max_gap_us;
    }

    Arrival hold(const EventRecord& e, i64 max_gap_us) {
        const i64 apart = held_.empty() ? 0 : e.t - held_.back().t;
        if (apart > max_gap_us || -apart > max_gap_us) forget_held();
        held_.push_back(e);
        watch();
        if (static_cast<i64>(held_.size()) < kConfirming) return Arrival::far;
        const i64 first = held_.front().t / step_us_;
        const i64 shift = held_.front().t < latest_us() ? latest() + 1 - first : shift_;
        if (first + shift > last_step_) return forget_held(), Arrival::far;  // 146,000 years
        next_ = first + shift, shift_ = shift, is_open_ = true;
        ++num_jumps_;
        watch();
        return Arrival::jumped;
    }

    void forget_held() {
        if (held_.empty()) return;
        num_far_ += static_cast<i64>(held_.size());
        held_.clear();
        watch();
    }

    void watch() {
        begin_us_ = static_cast<std::uint64_t>(latest_us());
        plain_us_ = is_open_ && held_.empty() ? static_cast<std::uint64_t>(step_us_) : 0;
    }

    i64 step_us_, last_step_, next_ = 0, shift_ = 0, num_far_ = 0, num_jumps_ = 0;
    bool is_open_ = false;
    std::uint64_t begin_us_ = 0, plain_us_ = 0;  // of the open step; plain_us_ 0: ask for every event
    std::vector<EventRecord> held_;
};

}  // namespace longspike::LONGSPIKE_ARCH
