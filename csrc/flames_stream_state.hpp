// What a stream remembers as bytes, and back: a count before every array, and only positions that hold something.
#pragma once
#include "flames_stream.hpp"

namespace longspike::LONGSPIKE_ARCH {

class Writer {
public:
    std::vector<std::uint8_t> bytes;
    void put(const void* data, std::size_t count) {
        const auto* p = static_cast<const std::uint8_t*>(data);
        bytes.insert(bytes.end(), p, p + count);
    }
    template <class T> void put(T value) { put(&value, sizeof value); }
    template <class T> void put(const std::vector<T>& values) {
        put(static_cast<i64>(values.size()));
        put(values.data(), values.size() * sizeof(T));
    }
};

class Reader {
public:
    Reader(const std::uint8_t* data, std::size_t count) : data_(data), end_(data + count) {}
    const std::uint8_t* take(std::size_t count) {
        if (count > static_cast<std::size_t>(end_ - data_)) throw std::invalid_argument("it ends too early");
        const std::uint8_t* here = data_;
        data_ += count;
        return here;
    }
    template <class T> T get() {
        T value;
        std::memcpy(&value, take(sizeof value), sizeof value);
        return value;
    }
    template <class T> void get(std::vector<T>& values) {
        if (get<i64>() != static_cast<i64>(values.size())) throw std::invalid_argument("it is of another model");
        std::memcpy(values.data(), take(values.size() * sizeof(T)), values.size() * sizeof(T));
    }
    i64 size() {
        const i64 n = get<i64>();
        if (n < 0) throw std::invalid_argument("a count is negative");
        return n;
    }
    bool at_end() const { return data_ == end_; }

private:
    const std::uint8_t *data_, *end_;
};

constexpr i64 kStateVersion = 1;

inline std::vector<std::uint8_t> FlamesStream::state() const {
    Writer w;
    w.put(kStateVersion);
    w.put(step_), w.put(next_step_), w.put(last_tick_);
    w.put(counters.events), w.put(counters.late), w.put(counters.steps), w.put(counters.ticks);
    w.put(counters.spikes), w.put(counters.updates);
    w.put(window_), w.put(windows_), w.put(counts_);
    for (const auto& block : blocks_) w.put(block->state());
    for (const auto& front : fronts_) {
        w.put(static_cast<i64>(front->record_bytes()));
        i64 count = 0;
        front->each_record([&](i64, const std::uint8_t*, std::size_t) { ++count; });
        w.put(count);
        front->each_record([&](i64 position, const std::uint8_t* record, std::size_t bytes) {
            w.put(position);
            w.put(record, bytes);
        });
        w.put(static_cast<i64>(front->touched().size()));
        w.put(front->touched().data(), front->touched().size() * sizeof(i64));
    }
    return w.bytes;
}

// What a stream cannot have written must not come in: gaps, and with them places in tables, are differences of steps.
inline void check_clock(i64 step, i64 next_step, i64 last_tick) {
    const bool is_open = step >= 0;
    const bool is_sound = next_step >= 0 && next_step <= kLatestUs + 1 && last_tick >= -1 && last_tick < next_step;
    if (!is_sound || step < -1 || (is_open && step != next_step)) throw std::invalid_argument("its clock is impossible");
}

inline void check_counters(const StreamCounters& c) {
    i64 least = std::min({c.events, c.late, c.steps, c.ticks});
    for (const auto* counts : {&c.spikes, &c.updates}) least = std::min(least, *std::min_element(counts->begin(), counts->end()));
    if (least < 0) throw std::invalid_argument("its counters are negative");
}

// The positions of a front, as a state holds them: what each remembers, and those that the open step has touched.
struct HeldFront {
    std::vector<std::pair<i64, const std::uint8_t*>> records;
    std::vector<i64> touched;

    HeldFront(Reader& r, const Front& front, i64 step, i64 next_step) {
        const auto known = [&](i64 position) {
            if (position < 0 || position >= front.positions()) throw std::invalid_argument("it is of another sensor");
            return position;
        };
        if (r.get<i64>() != static_cast<i64>(front.record_bytes())) throw std::invalid_argument("it is of another model or processor");
        std::vector<i64> open;
        for (i64 n = r.size(); n > 0; --n) {
            const i64 position = known(r.get<i64>());
            if (!records.empty() && position <= records.back().first) throw std::invalid_argument("its positions are not in order");
            records.emplace_back(position, r.take(front.record_bytes()));
            if (!Front::is_sound(records.back().second, step, next_step)) throw std::invalid_argument("its clock is impossible");
            if (Front::is_open(records.back().second)) open.push_back(position);
        }
        for (i64 n = r.size(); n > 0; --n) touched.push_back(known(r.get<i64>()));
        std::vector<i64> sorted = touched;
        std::sort(sorted.begin(), sorted.end());
        if (sorted != open) throw std::invalid_argument("its open positions are impossible");
    }
};

// Reads into copies first, so that a refused state changes nothing.
inline void FlamesStream::set_state(const std::uint8_t* bytes, std::size_t count) {
    Reader r(bytes, count);
    if (r.get<i64>() != kStateVersion) throw std::invalid_argument("it is of another version");
    const i64 step = r.get<i64>(), next_step = r.get<i64>(), last_tick = r.get<i64>();
    check_clock(step, next_step, last_tick);
    StreamCounters c = counters;
    c.events = r.get<i64>(), c.late = r.get<i64>(), c.steps = r.get<i64>(), c.ticks = r.get<i64>();
    r.get(c.spikes), r.get(c.updates);
    check_counters(c);
    auto window = window_, windows = windows_, counts = counts_;
    r.get(window), r.get(windows), r.get(counts);
    if (!(counts[0] >= 0 && counts[1] >= 0 && counts[1] < static_cast<double>(p_.window) && counts[2] >= 0))
        throw std::invalid_argument("its counters are negative");
    std::vector<std::vector<float>> states;
    for (const auto& block : blocks_) {
        states.push_back(block->state());
        r.get(states.back());
    }
    std::vector<HeldFront> held;
    for (const auto& front : fronts_) held.emplace_back(r, *front, step, next_step);
    if (!r.at_end()) throw std::invalid_argument("it is too long");
    const auto before = latency_histogram;
    reset();
    latency_histogram = before, counters = c;
    step_ = step, next_step_ = next_step, last_tick_ = last_tick;
    window_ = window, windows_ = windows, counts_ = counts;
    for (std::size_t k = 0; k < blocks_.size(); ++k) blocks_[k]->set_state(states[k]);
    for (std::size_t k = 0; k < fronts_.size(); ++k) {
        for (const auto& [position, record] : held[k].records) std::memcpy(fronts_[k]->record(position), record, fronts_[k]->record_bytes());
        fronts_[k]->touched() = held[k].touched;
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
