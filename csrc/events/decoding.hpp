// Decoders of event cameras' binary formats: records in, events out, state in and out.
//
// Every decoder reads up to `count` records, writes up to `capacity` events, and stops early when the events are full or,
// unless faults are skipped, at a fault. What it needs to go on stays in `state`, so a stream that is decoded piece by
// piece gives the events of the whole. src/longspike/events/reference.py is the same in Python, slot for slot,
// and screening.py for `screen`.
#pragma once
#include <cstdint>

namespace longspike::events {

using i64 = std::int64_t;

#pragma pack(push, 1)
struct Event {  // numpy's dtype [("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")]
    std::uint16_t x, y;
    i64 t;  // microseconds
    std::uint8_t p;
};
#pragma pack(pop)
static_assert(sizeof(Event) == 13);

enum Fault : i64 {
    kNone,
    kUndefinedType,   // a word type that the format does not have
    kBeforeTime,      // an event before the first time word
    kBeforeRow,       // an event before the first row address
    kBeforeColumn,    // a vector before its first column
    kPastLastColumn,  // a vector that runs past the format's last column
    kPastLastRow,     // a row that the sensor does not have
    kOutside,         // a pixel that the sensor does not have
    kBackwards,       // an event earlier than one before it
    kTimeRange,       // a time below zero or above 2^62 microseconds
    kFar,             // a time far ahead, with which what follows does not agree; only where faults are skipped
};

// The slots of every state: faults skipped so far, and the fault that stopped the last call. Formats add theirs from 2 on.
constexpr int kFaults = 0, kFault = 1, kFirstSlot = 2, kSlots = 8;

struct Call {
    const std::uint8_t* records;
    i64 count;
    i64* state;  // kSlots
    Event* events;
    i64 capacity;
    bool skip;
};
struct Done {
    i64 consumed, produced;  // records read, events written
};

constexpr int kVector21 = 32, kVector3 = 12;  // the most events of one word: room that `capacity` must have

Done decode_evt2(const Call&);    // 4 bytes; slots: time known?, time above bit 6 with wraps
Done decode_evt21(const Call&);   // 8 bytes; slots: as EVT2, halves swapped?
Done decode_evt3(const Call&);    // 2 bytes; slots: time known?, time above bit 12 with wraps, time below, y, x, p
Done decode_dat(const Call&);     // 8 bytes; slots: latest 32 bits of time, wraps, version
Done decode_es(const Call&);      // 1 byte, an event takes 5; slots: time, height
Done decode_nmnist(const Call&);  // 5 bytes; slots: time of the overflows, rows of overflow markers?

// Keeps the events that lie on the sensor and in order, moved together, with the recording's start subtracted. Where faults are
// skipped it stops before a far time on which only what follows can decide.
// slots: latest time, start, start known?, width, height, does nothing follow?
Done screen(const Call&);

}  // namespace longspike::events
