// What a stream remembers as bytes, and back: a count before every array, and only positions that hold something.
#pragma once
#include <type_traits>

#include "streams/flames_stream.hpp"

namespace longspike::LONGSPIKE_ARCH {

class Writer {
public:
    std::vector<std::uint8_t> bytes;
    void put(const void* data, std::size_t count) {
        const auto* p = static_cast<const std::uint8_t*>(data);
        bytes.insert(bytes.end(), p, p + count);
    }
    template <class T> void put(T value) { put(&value, sizeof value); }
    template <class T, class A> void put(const std::vector<T, A>& values) {
        put(static_cast<i64>(values.size()));
        put(values.data(), values.size() * sizeof(T));
    }
};

constexpr double kLargestNumber = 1e18;  // longspike.streaming.stream_state.LARGEST: squares of it fit float32

template <class T> void check_numbers(const T* x, std::size_t count) {
    const bool is_sound = std::all_of(x, x + count, [](T value) { return std::abs(value) <= static_cast<T>(kLargestNumber); });
    if (!is_sound) throw std::invalid_argument("it holds NaN or a number beyond 1e18");
}

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
    template <class T, class A> void get(std::vector<T, A>& values) {
        if (get<i64>() != static_cast<i64>(values.size())) throw std::invalid_argument("it is of another model");
        std::memcpy(values.data(), take(values.size() * sizeof(T)), values.size() * sizeof(T));
        if constexpr (std::is_floating_point_v<T>) check_numbers(values.data(), values.size());
    }
    const std::uint8_t* take_floats(std::size_t count) {
        Aligned<float> values(count / sizeof(float));
        const std::uint8_t* here = take(count);
        std::memcpy(values.data(), here, count);
        check_numbers(values.data(), values.size());
        return here;
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

constexpr i64 kStateVersion = 4;

inline std::vector<std::uint8_t> FlamesStream::state() const {
    Writer w;
    w.put(kStateVersion);
    w.put(step_), w.put(clock_.next()), w.put(last_tick_);
    w.put(counters.events), w.put(counters.late), w.put(counters.steps), w.put(counters.ticks);
    w.put(counters.spikes), w.put(counters.updates);
    w.put(counters.far), w.put(counters.jumps), w.put(clock_.shift());
    w.put(static_cast<i64>(clock_.held().size()));
    for (const EventRecord& e : clock_.held()) w.put(e.t), w.put(i64{e.x}), w.put(i64{e.y}), w.put(i64{e.p});
    w.put(window_), w.put(windows_), w.put(counts_);
    for (const auto& block : blocks_) w.put(block->state());
    for (const auto& front : fronts_) {
        w.put(static_cast<i64>(front->record_bytes()));
        i64 num_records = 0, num_inputs = 0;
        front->each_record([&](i64, i64, const std::uint8_t*, bool) { ++num_records; });
        front->each_input([&](i64, i64) { ++num_inputs; });
        w.put(num_records);
        front->each_record([&](i64 position, i64 last, const std::uint8_t* record, bool is_absorbed) {
            w.put(position), w.put(last), w.put(static_cast<i64>(is_absorbed));
            w.put(record, front->record_bytes());
        });
        w.put(num_inputs);
        front->each_input([&](i64 position, i64 input) { w.put(position), w.put(input); });
    }
    return w.bytes;
}

// What a stream cannot have written must not come in: gaps, and with them places in tables, are differences of steps.
inline void check_clock(i64 step, i64 next_step, i64 last_tick, i64 last_step) {
    const bool is_sound = next_step >= 0 && next_step <= last_step + 1 && last_tick >= -1 && last_tick < next_step;
    const bool is_open = step >= 0 && step == next_step && step <= last_step;
    if (!is_sound || !(step == -1 || is_open)) throw std::invalid_argument("its clock is impossible");
}

inline void check_counters(const StreamCounters& c) {
    i64 least = std::min({c.events, c.late, c.steps, c.ticks, c.far, c.jumps});
    for (const auto* counts : {&c.spikes, &c.updates}) least = std::min(least, *std::min_element(counts->begin(), counts->end()));
    if (least < 0) throw std::invalid_argument("its counters are negative");
}

// Far events that wait for others to agree with them.
inline std::vector<EventRecord> read_held(Reader& r, i64 width, i64 height) {
    const i64 count = r.size();
    if (count >= kConfirming) throw std::invalid_argument("its clock is impossible");
    std::vector<EventRecord> held(count);
    for (EventRecord& e : held) {
        const i64 t = r.get<i64>(), x = r.get<i64>(), y = r.get<i64>(), p = r.get<i64>();
        if (t < 0 || t > kLatestUs || x < 0 || x >= width || y < 0 || y >= height || p < 0 || p > 1)
            throw std::invalid_argument("it is of another sensor");
        e = {static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y), t, static_cast<std::uint8_t>(p)};
    }
    return held;
}

// What a state holds of a front: the records of its positions, and the inputs of the open step.
struct HeldFront {
    struct Record {
        i64 position, last;
        const std::uint8_t* bytes;
        bool is_absorbed;
    };
    std::vector<Record> records;
    std::vector<std::pair<i64, i64>> inputs;
    bool is_open = false;  // whether anything in it is of the open step

    HeldFront(Reader& r, const Front& front, i64 next_step) {
        const auto below = [](i64 x, i64 limit) {
            if (x < 0 || x >= limit) throw std::invalid_argument("it is of another sensor");
            return x;
        };
        if (r.get<i64>() != static_cast<i64>(front.record_bytes())) throw std::invalid_argument("it is of another model or processor");
        for (i64 n = r.size(); n > 0; --n) {
            const i64 position = below(r.get<i64>(), front.positions()), last = r.get<i64>(), absorbed = r.get<i64>();
            if (!records.empty() && position <= records.back().position) throw std::invalid_argument("its positions are not in order");
            if (absorbed < 0 || absorbed > 1) throw std::invalid_argument("its open inputs are impossible");
            if (last < (absorbed ? 0 : 1) || last > next_step) throw std::invalid_argument("its clock is impossible");
            records.push_back({position, last, r.take_floats(front.record_bytes()), absorbed == 1});
            is_open = is_open || absorbed;
        }
        for (i64 n = r.size(); n > 0; --n) {
            const i64 position = below(r.get<i64>(), front.positions());
            inputs.emplace_back(position, below(r.get<i64>(), front.inputs()));
            is_open = true;
        }
    }
};

// Reads into copies first, so that a refused state changes nothing.
inline void FlamesStream::set_state(const std::uint8_t* bytes, std::size_t count) {
    Reader r(bytes, count);
    if (r.get<i64>() != kStateVersion) throw std::invalid_argument("it is of another version");
    const i64 step = r.get<i64>(), next_step = r.get<i64>(), last_tick = r.get<i64>();
    check_clock(step, next_step, last_tick, clock_.last_step());
    StreamCounters c = counters;
    c.events = r.get<i64>(), c.late = r.get<i64>(), c.steps = r.get<i64>(), c.ticks = r.get<i64>();
    r.get(c.spikes), r.get(c.updates);
    c.far = r.get<i64>(), c.jumps = r.get<i64>();
    check_counters(c);
    const i64 shift = r.get<i64>();
    if (shift < 0 || shift > next_step) throw std::invalid_argument("its clock is impossible");
    auto far = read_held(r, p_.sensor_width, p_.sensor_height);
    auto window = window_, windows = windows_, counts = counts_;
    r.get(window), r.get(windows), r.get(counts);
    if (!(counts[0] >= 0 && counts[1] >= 0 && counts[1] < static_cast<double>(p_.window) && counts[2] >= 0))
        throw std::invalid_argument("its counters are negative");
    std::vector<Aligned<float>> states;
    for (const auto& block : blocks_) {
        states.push_back(block->state());
        r.get(states.back());
    }
    std::vector<HeldFront> held;
    for (const auto& front : fronts_) {
        held.emplace_back(r, *front, next_step);
        if (held.back().is_open && (step < 0 || held.size() > 1)) throw std::invalid_argument("its open inputs are impossible");
    }
    if (!r.at_end()) throw std::invalid_argument("it is too long");
    const auto before = latency_histogram;
    reset();
    latency_histogram = before, counters = c;
    clock_.set(next_step, step >= 0, shift, c.far, c.jumps, std::move(far));
    if (step >= 0) open(step);
    last_tick_ = last_tick;
    window_ = window, windows_ = windows, counts_ = counts;
    for (std::size_t k = 0; k < blocks_.size(); ++k) blocks_[k]->set_state(states[k]);
    for (std::size_t k = 0; k < fronts_.size(); ++k) {
        for (const auto& [position, last, record, is_absorbed] : held[k].records)
            fronts_[k]->set_record(position, last, record, is_absorbed);
        for (const auto& [position, input] : held[k].inputs) fronts_[k]->set_input(position, input);
    }
}

inline std::unique_ptr<AbstractFlamesStream> FlamesStream::copy() const {
    auto twin = std::make_unique<FlamesStream>(p_);
    const auto bytes = state();
    twin->set_state(bytes.data(), bytes.size());
    twin->latency_histogram = latency_histogram, twin->records = records;
    twin->is_recording = is_recording, twin->refuses_late = refuses_late, twin->max_gap_us = max_gap_us, twin->threads = threads;
    return twin;
}

}  // namespace longspike::LONGSPIKE_ARCH
