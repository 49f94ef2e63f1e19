// How a long call ends before its end: because the program wants that (Ctrl-C), or because a part of its work has failed.
//
// Who throws out of a kernel leaves its results half written, so they are worth nothing. A kernel's operator throws new
// memory away; a state that lives on, as a stream's, is asked between pieces of work and never within one.
#pragma once
#include <atomic>
#include <cstdint>

namespace longspike {

using Ask = void (*)();  // throws if the program wants the call to end

constexpr std::int64_t kAskEveryMs = 200;

// While it lives, `poll` on this thread asks now and then. No ask: it does not.
class Interruptible {
public:
    explicit Interruptible(Ask ask);
    ~Interruptible();
    Interruptible(const Interruptible&) = delete;

private:
    Ask before_;
};

// While it lives, `poll` on this thread throws once `is_over` is set.
class EndsWith {
public:
    explicit EndsWith(const std::atomic<bool>* is_over);
    ~EndsWith();
    EndsWith(const EndsWith&) = delete;

private:
    const std::atomic<bool>* before_;
};

// Between two spans of a loop, or two items of work. Costs a look at a coarse clock.
void poll();

// The same for span k, every 16th time: a span of a single vector takes a third of a microsecond. Short calls never poll.
inline void poll(std::int64_t k) {
    if (k % 16 == 15) [[unlikely]]
        poll();
}

}  // namespace longspike
