#include "core/interrupts.hpp"

#include <chrono>
#include <ctime>

namespace longspike {
namespace {

struct Watch {
    Ask ask = nullptr;
    std::int64_t due_ms = 0;  // when it is asked next
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
    if (ask) watch.due_ms = now_ms() + kAskEveryMs;
}
Interruptible::~Interruptible() { watch.ask = before_; }

EndsWith::EndsWith(const std::atomic<bool>* is_over) : before_(watch.is_over) { watch.is_over = is_over; }
EndsWith::~EndsWith() { watch.is_over = before_; }

void poll() {
    Watch& here = watch;
    if (here.is_over && here.is_over->load(std::memory_order_relaxed)) throw Over{};
    if (!here.ask || now_ms() < here.due_ms) return;
    here.due_ms = now_ms() + kAskEveryMs;
    const Ask ask = here.ask;
    const Interruptible no_more(nullptr);  // a handler of the program may itself call into this library
    const EndsWith nothing(nullptr);
    ask();
}

}  // namespace longspike
