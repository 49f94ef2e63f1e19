// How a stream is called: by one thread at a time, with the interpreter running on, and a look at signals now and then.
#pragma once
#include "bindings/bindings.hpp"

#include <chrono>
#include <mutex>

namespace longspike {

// Threads take turns on a stream; the interpreter runs on while one waits or works.
template <class Stream, class F> auto in_turn(const Stream& stream, F&& work) {
    nb::gil_scoped_release release;
    const std::lock_guard lock(stream.turn);
    return work();
}

// Asks the program between two pieces of a push, at most twenty times a second; within one, nothing may end it.
class SignalPoll {
public:
    void operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (now < next_) return;
        next_ = now + kInterval;
        ask_program();
    }

private:
    static constexpr std::chrono::milliseconds kInterval{50};
    std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + kInterval;
};

}  // namespace longspike
