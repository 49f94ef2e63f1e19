#include "core/interrupts.hpp"

#include <chrono>
#include <ctime>

namespace longspike {
namespace {

struct Watch {
    Ask ask = nullptr;
    std::int64_t due_ms = 0;  // when it is asked next; 0: nobody has looked at the clock yet
    const std::atomic<bool>* is_over = nullptr;
};
thread_local Watch watch;

struct Over {};  // the failure that set `is_over` is the one that is told

std::int64_t now_ms() {
#if defined(CLOCK_MONOTONIC_COARSE)
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return std::int64_t(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
#else
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
#endif
}

}  // namespace

Interruptible::Interruptible(Ask ask) : before_(watch.ask) {
    watch.ask = ask;
    watch.due_ms = 0;
}
Interruptible::~Interruptible() { watch.ask = before_; }

EndsWith::EndsWith(const std::atomic<bool>* is_over) : before_(watch.is_over) { watch.is_over = is_over; }
EndsWith::~EndsWith() { watch.is_over = before_; }

void poll() {
    Watch& here = watch;
    if (here.is_over && here.is_over->load(std::memory_order_relaxed)) throw Over{};
    if (!here.ask) return;
    const std::int64_t now = now_ms();
    const bool is_due = here.due_ms > 0 && now >= here.due_ms;
    if (is_due || here.due_ms == 0) here.due_ms = now + kAskEveryMs;
    if (!is_due) return;
    const Ask ask = here.ask;
    const Interruptible no_more(nullptr);  // a handler of the program may itself call into this library
    const EndsWith nothing(nullptr);
    ask();
}

}  // namespace longspike
