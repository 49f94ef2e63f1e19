#include "events/decoding.hpp"

#include <algorithm>
#include <cstring>

namespace longspike::events {
namespace {

// A number in a file, little-endian as every machine we build for.
template <class T> T load(const std::uint8_t* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// Counts a fault, or remembers it and says that the call ends here.
inline bool stops(const Call& c, Fault fault) {
    if (c.skip) {
        ++c.state[kFaults];
        return false;
    }
    c.state[kFault] = fault;
    return true;
}

// The high part of a time, of which `bits` bits are sent, carried on over its wraps: back by more than half the range.
inline i64 carry_on(i64 high, i64 sent, int bits) {
    const i64 range = i64(1) << bits, before = high & (range - 1);
    return high - before + sent + (before - sent > range / 2 ? range : 0);
}

constexpr i64 kLatestTime = i64(1) << 62, kFarUs = 100'000, kConfirmingUs = 10'000, kConfirming = 32, kLookahead = 8192;
enum class Belief { no, yes, open };

// Whether what follows event `i` agrees with its far time; open: what follows is still to come. events/screening.py has the rule.
Belief believe(const Call& c, i64 i, i64 latest, i64 width, i64 height, bool is_end) {
    const i64 t = c.events[i].t, end = i + 1 + kLookahead;
    i64 votes = 1;
    for (i64 j = i + 1; j < std::min(c.count, end); ++j) {
        const Event e = c.events[j];
        if (e.x >= width || e.y >= height || e.t > kLatestTime || e.t < latest) continue;
        if (e.t >= t) {
            if (++votes >= kConfirming && e.t - t >= kConfirmingUs) return Belief::yes;
        } else if (--votes == 0) {
            return Belief::no;
        }
    }
    return is_end || c.count >= end ? Belief::yes : Belief::open;
}

}  // namespace

Done decode_evt2(const Call& c) {
    i64 known = c.state[kFirstSlot], high = c.state[kFirstSlot + 1], i = 0, n = 0;
    for (; i < c.count && n < c.capacity; ++i) {
        const auto w = load<std::uint32_t>(c.records + 4 * i);
        const auto type = w >> 28;
        Fault fault = kNone;
        if (type <= 1) {
            if (known)
                c.events[n++] = {std::uint16_t(w >> 11 & 0x7ff), std::uint16_t(w & 0x7ff), high << 6 | (w >> 22 & 0x3f),
                                 std::uint8_t(type)};
            else
                fault = kBeforeTime;
        } else if (type == 8) {
            high = known ? carry_on(high, w & 0x0fffffff, 28) : w & 0x0fffffff;
            known = 1;
        } else if (type != 0xa && type != 0xe && type != 0xf) {  // triggers, extensions and what continues them: no events
            fault = kUndefinedType;
        }
        if (fault && stops(c, fault)) break;
    }
    c.state[kFirstSlot] = known, c.state[kFirstSlot + 1] = high;
    return {i, n};
}

Done decode_evt21(const Call& c) {
    i64 known = c.state[kFirstSlot], high = c.state[kFirstSlot + 1], i = 0, n = 0;
    const bool swapped = c.state[kFirstSlot + 2];
    for (; i < c.count && n + kVector21 <= c.capacity; ++i) {
        auto w = load<std::uint64_t>(c.records + 8 * i);
        if (swapped) w = w << 32 | w >> 32;
        const auto type = w >> 60;
        Fault fault = kNone;
        if (type <= 1) {
            const i64 x = w >> 43 & 0x7ff, t = high << 6 | (w >> 54 & 0x3f);
            const auto y = std::uint16_t(w >> 32 & 0x7ff);
            auto valid = std::uint32_t(w);
            if (!known)
                fault = kBeforeTime;
            else
                for (; valid; valid &= valid - 1) c.events[n++] = {std::uint16_t(x + __builtin_ctz(valid)), y, t, std::uint8_t(type)};
        } else if (type == 8) {
            const i64 sent = w >> 32 & 0x0fffffff;
            high = known ? carry_on(high, sent, 28) : sent;
            known = 1;
        } else if (type != 0xa && type != 0xe && type != 0xf) {
            fault = kUndefinedType;
        }
        if (fault && stops(c, fault)) break;
    }
    c.state[kFirstSlot] = known, c.state[kFirstSlot + 1] = high;
    return {i, n};
}

Done decode_evt3(const Call& c) {
    i64* const s = c.state + kFirstSlot;
    i64 known = s[0], high = s[1], low = s[2], y = s[3], x = s[4], p = s[5], i = 0, n = 0;
    for (; i < c.count && n + kVector3 <= c.capacity; ++i) {
        const auto w = load<std::uint16_t>(c.records + 2 * i);
        const int payload = w & 0xfff;
        Fault fault = kNone;
        switch (w >> 12) {
            case 0x0: y = w & 0x7ff; break;
            case 0x2:
                if (!known)
                    fault = kBeforeTime;
                else if (y < 0)
                    fault = kBeforeRow;
                else
                    c.events[n++] = {std::uint16_t(w & 0x7ff), std::uint16_t(y), high << 12 | low, std::uint8_t(w >> 11 & 1)};
                break;
            case 0x3: x = w & 0x7ff, p = w >> 11 & 1; break;
            case 0x4:
            case 0x5: {
                const bool is_wide = w >> 12 == 4;
                const int width = is_wide ? kVector3 : 8;
                unsigned valid = is_wide ? payload : w & 0xff;
                if (!known)
                    fault = kBeforeTime;
                else if (y < 0)
                    fault = kBeforeRow;
                else if (x < 0)
                    fault = kBeforeColumn;
                else if (valid && x + 31 - __builtin_clz(valid) > 2047)
                    fault = kPastLastColumn;
                else
                    for (; valid; valid &= valid - 1)
                        c.events[n++] = {std::uint16_t(x + __builtin_ctz(valid)), std::uint16_t(y), high << 12 | low, std::uint8_t(p)};
                if (x >= 0 && x <= 2047) x += width;
                break;
            }
            case 0x6: low = payload; break;
            case 0x7:
            case 0xa:
            case 0xe:
            case 0xf: break;  // triggers, extensions and what continues them: no events
            case 0x8: {
                const i64 next = known ? carry_on(high, payload, 12) : payload;
                if (!known || next != high) low = 0;  // the low part that belongs to it is still to come
                high = next, known = 1;
                break;
            }
            default: fault = kUndefinedType;
        }
        if (fault && stops(c, fault)) break;
    }
    s[0] = known, s[1] = high, s[2] = low, s[3] = y, s[4] = x, s[5] = p;
    return {i, n};
}

Done decode_dat(const Call& c) {
    i64* const s = c.state + kFirstSlot;
    i64 latest = s[0], wraps = s[1], i = 0;
    const bool is_first_version = s[2] == 1;
    for (; i < c.count && i < c.capacity; ++i) {
        const i64 t = load<std::uint32_t>(c.records + 8 * i);
        const auto w = load<std::uint32_t>(c.records + 8 * i + 4);
        if (latest - t > i64(1) << 31) wraps += i64(1) << 32;
        latest = t;
        if (is_first_version)
            c.events[i] = {std::uint16_t(w & 0x1ff), std::uint16_t(w >> 9 & 0xff), wraps + t, std::uint8_t(w >> 17 & 1)};
        else
            c.events[i] = {std::uint16_t(w & 0x3fff), std::uint16_t(w >> 14 & 0x3fff), wraps + t, std::uint8_t(w >> 28 & 1)};
    }
    s[0] = latest, s[1] = wraps;
    return {i, i};
}

Done decode_es(const Call& c) {
    constexpr int kOverflow = 0xff, kReset = 0xfe, kOverflowStep = 127;
    i64 t = c.state[kFirstSlot], i = 0, n = 0;
    const i64 height = c.state[kFirstSlot + 1];
    while (i < c.count && n < c.capacity) {
        const auto* r = c.records + i;
        if (*r == kOverflow) {
            t += kOverflowStep, ++i;
        } else if (*r == kReset) {
            ++i;
        } else if (c.count - i < 5) {
            break;  // the rest of this event comes with the next call
        } else {
            const i64 y = load<std::uint16_t>(r + 3);
            if (y >= height) {
                if (stops(c, kPastLastRow)) break;
            } else {
                c.events[n++] = {load<std::uint16_t>(r + 1), std::uint16_t(height - 1 - y), t + (*r >> 1), std::uint8_t(*r & 1)};
            }
            t += *r >> 1, i += 5;
        }
    }
    c.state[kFirstSlot] = t;
    return {i, n};
}

Done decode_nmnist(const Call& c) {
    constexpr int kMarker = 240;
    constexpr i64 kOverflowStep = i64(1) << 13;
    i64 overflows = c.state[kFirstSlot], i = 0, n = 0;
    const bool has_markers = c.state[kFirstSlot + 1];
    for (; i < c.count && n < c.capacity; ++i) {
        const auto* r = c.records + 5 * i;
        if (has_markers && r[1] == kMarker)
            overflows += kOverflowStep;
        else
            c.events[n++] = {r[0], r[1], overflows + (i64(r[2] & 0x7f) << 16 | r[3] << 8 | r[4]), std::uint8_t(r[2] >> 7)};
    }
    c.state[kFirstSlot] = overflows;
    return {i, n};
}

Done screen(const Call& c) {
    i64* const s = c.state + kFirstSlot;
    i64 latest = s[0], start = s[1], known = s[2], i = 0, n = 0;
    const i64 width = s[3], height = s[4];
    const bool is_end = s[5];
    for (; i < c.count; ++i) {
        Event e = c.events[i];
        Fault fault = kNone;
        if (e.x >= width || e.y >= height)
            fault = kOutside;
        else if (e.t < 0 || e.t > kLatestTime)
            fault = kTimeRange;
        else if (e.t < latest)
            fault = kBackwards;
        else if (c.skip && e.t - latest > kFarUs) {
            const Belief belief = believe(c, i, latest, width, height, is_end);
            if (belief == Belief::open) break;
            if (belief == Belief::no) fault = kFar;
        }
        if (fault) {
            if (stops(c, fault)) break;
            continue;
        }
        if (!known) start = e.t, known = 1;
        latest = e.t;
        e.t -= start;
        c.events[n++] = e;
    }
    s[0] = latest, s[1] = start, s[2] = known;
    return {i, n};
}

}  // namespace longspike::events
