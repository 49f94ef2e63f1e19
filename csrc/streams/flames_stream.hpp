// FLAMES event by event: the batch kernels' own inline functions over one recording, with bounded memory.
//
// Events of a step are noted at the positions they touch; the step closes when an event of a later one arrives, or on
// flush. Closing costs what was touched, then one tick of the memory if a spike came through the front.
#pragma once
#include <array>
#include <chrono>
#include <cmath>

#include "streams/flames_clock.hpp"
#include "streams/flames_front.hpp"
#include "streams/flames_memory.hpp"

namespace longspike::LONGSPIKE_ARCH {

// The bin floor(16 log2 n) of n nanoseconds: the octave by its highest bit, the part of it by comparing.
inline void count_latency(std::vector<i64>& histogram, i64 nanoseconds) {
    static const auto edges = [] {
        std::array<double, kBinsPerOctave> found;
        for (int k = 0; k < kBinsPerOctave; ++k) found[k] = std::exp2(static_cast<double>(k) / kBinsPerOctave);
        return found;
    }();
    const i64 n = std::max<i64>(nanoseconds, 1);
    const int octave = 63 - __builtin_clzll(static_cast<unsigned long long>(n));
    const double within = static_cast<double>(n) / static_cast<double>(i64{1} << octave);
    int part = 0;
    for (int k = 1; k < kBinsPerOctave; ++k) part += within >= edges[k];
    ++histogram[std::min(octave * kBinsPerOctave + part, kBinsPerOctave * kOctaves - 1)];
}

constexpr i64 kEventsPerPoll = 4096;

class FlamesStream final : public AbstractFlamesStream {
public:
    explicit FlamesStream(FlamesParameters p) : p_(std::move(p)), clock_(p_.step_us) {
        for (const auto& front : p_.fronts) fronts_.push_back(std::make_unique<Front>(front));
        for (const auto& block : p_.blocks) blocks_.push_back(std::make_unique<MemoryStage>(block));
        d_model_ = p_.blocks.front().d_model;
        window_.resize(d_model_), windows_.resize(d_model_), counts_.resize(3);
        u_.resize(d_model_), next_.resize(d_model_);
        for (i64 x = 0; x < p_.sensor_width; ++x) column_.push_back(static_cast<std::uint16_t>(x / p_.downsample));
        for (i64 y = 0; y < p_.sensor_height; ++y) line_.push_back(static_cast<std::uint16_t>(y / p_.downsample));
        latency_histogram.resize(kBinsPerOctave * kOctaves);
        reset();
    }

    void push(const std::uint8_t* events, i64 count, const Poll& poll) override {
        check(events, count);
        const auto arrived = std::chrono::steady_clock::now();
        Front& front = *fronts_.front();
        for (i64 start = 0; start < count; start += kEventsPerPoll) {
            if (start > 0) poll();
            const i64 end = std::min(count, start + kEventsPerPoll);
            counters.events += end - start;
            for (i64 k = start; k < end; ++k) {
                const EventRecord e = EventRecord::at(events + k * kEventBytes);
                if (clock_.is_plain(e.t))
                    front.add(column_[e.x], line_[e.y], e.p);
                else
                    place(e, arrived);
            }
        }
    }

    void flush() override {
        clock_.close();
        counters.far = clock_.num_far();
        if (step_ < 0) return;
        const auto arrived = std::chrono::steady_clock::now();
        if (close()) count_latency(latency_histogram, since(arrived));
    }

    i64 time_us() const override { return clock_.time_us(); }

    void restart_mean() override {
        for (auto* part : {&window_, &windows_, &counts_}) std::fill(part->begin(), part->end(), 0.0);
    }

    void reset() override {
        for (auto& front : fronts_) front->reset();
        for (auto& block : blocks_) block->reset();
        restart_mean();
        step_ = last_tick_ = -1, clock_ = EventClock(p_.step_us);
        counters = StreamCounters{};
        counters.spikes.assign(fronts_.size() + blocks_.size(), 0), counters.updates = counters.spikes;
        std::fill(latency_histogram.begin(), latency_histogram.end(), 0);
        records.clear();
    }

    void logits(float* out) const override {
        std::vector<float> mean(d_model_);
        pool_mean<float>(pool(), mean.data(), d_model_);
        read_out(mean.data(), out);
    }

    std::size_t memory_bytes() const override {
        std::size_t bytes = (p_.embedding.size() + p_.decoder_weight.size()) * sizeof(float);
        for (const auto& front : fronts_) bytes += front->memory_bytes();
        for (const auto& block : blocks_) bytes += block->memory_bytes();
        return bytes;
    }

    std::vector<std::uint8_t> state() const override;
    void set_state(const std::uint8_t* bytes, std::size_t count) override;
    std::unique_ptr<AbstractFlamesStream> copy() const override;

private:
    static i64 since(std::chrono::steady_clock::time_point start) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
    }

    void check(const std::uint8_t* events, i64 count) const {
        for (i64 k = 0; k < count; ++k) {
            const EventRecord e = EventRecord::at(events + k * kEventBytes);
            if (e.x < p_.sensor_width && e.y < p_.sensor_height && e.p < 2 && e.t >= 0 && e.t <= kLatestUs) continue;
            throw std::invalid_argument("event " + std::to_string(k) + " of the packet, x=" + std::to_string(e.x) +
                                        " y=" + std::to_string(e.y) + " t=" + std::to_string(e.t) + " p=" + std::to_string(e.p) +
                                        ", does not fit a sensor of " + std::to_string(p_.sensor_width) + "x" +
                                        std::to_string(p_.sensor_height) + " with 0 <= t <= 2^62 and p in {0, 1}");
        }
        if (refuses_late) check_late(events, count);
    }

    // A copy of the clock runs ahead.
    void check_late(const std::uint8_t* events, i64 count) const {
        EventClock clock = clock_;
        for (i64 k = 0; k < count; ++k) {
            const EventRecord e = EventRecord::at(events + k * kEventBytes);
            if (clock.is_plain(e.t)) continue;
            const Arrival arrival = clock.see(e, max_gap_us);
            if (arrival == Arrival::late)
                throw std::invalid_argument("event " + std::to_string(k) + " of the packet, t=" + std::to_string(e.t) +
                                            " us, belongs to step " + std::to_string(e.t / p_.step_us + clock.shift()) +
                                            ", which is over; step " + std::to_string(clock.next()) +
                                            " is next. Sort the events by time, or use late='drop'");
            if (arrival == Arrival::jumped)
                for (const EventRecord& held : clock.release()) clock.see(held, max_gap_us);
        }
    }

    // An event that may end a step, be late, or come with a time that is not believed.
    void place(const EventRecord& e, std::chrono::steady_clock::time_point arrived) {
        const Arrival arrival = clock_.see(e, max_gap_us);
        if (arrival == Arrival::taken) {
            if (clock_.next() != step_) {
                if (step_ >= 0 && close()) count_latency(latency_histogram, since(arrived));
                open(clock_.next());
            }
            fronts_.front()->add(column_[e.x], line_[e.y], e.p);
        }
        counters.late += arrival == Arrival::late;
        if (arrival == Arrival::jumped)
            for (const EventRecord& held : clock_.release()) place(held, arrived);
        counters.far = clock_.num_far(), counters.jumps = clock_.num_jumps();
    }

    TickPool pool() const {
        auto* self = const_cast<FlamesStream*>(this);
        return {self->window_.data(), self->windows_.data(), self->counts_.data()};
    }

    void read_out(const float* mean, float* out) const {
        std::copy(p_.decoder_bias.begin(), p_.decoder_bias.end(), out);
        for (i64 j = 0; j < d_model_; ++j)
            if (mean[j] != 0.0f) add_scaled<float>(out, p_.decoder_weight.data() + j * p_.num_outputs, mean[j], p_.num_outputs);
    }

    void open(i64 step) {
        step_ = step;
        fronts_.front()->begin(step);
    }

    // Ends the step at hand; whether the memory ticked.
    bool close() {
        const i64 step = step_;
        step_ = -1;
        ++counters.steps;
        const Cells* cells = nullptr;
        for (std::size_t k = 0; k < fronts_.size(); ++k) {
            fronts_[k]->begin(step);
            if (k > 0) pass_on(*cells, fronts_[k - 1]->pooled_width(), *fronts_[k]);
            cells = &fronts_[k]->close(counters.spikes[k], counters.updates[k], threads);
        }
        active_.clear();
        for (std::size_t q = 0; q < cells->cell.size(); ++q)
            append_nonzero(cells->row(q), cells->width, cells->cell[q] * cells->channels * d_model_, d_model_, active_);
        if (active_.empty()) return false;
        tick(*cells, step);
        return true;
    }

    // The spikes of pooled cells, channels ascending, into the next front.
    void pass_on(const Cells& cells, i64 width, Front& front) {
        for (std::size_t q = 0; q < cells.cell.size(); ++q) {
            active_.clear();
            append_nonzero(cells.row(q), cells.width, 0, 1, active_);
            for (const i64 channel : active_) front.add(cells.cell[q] % width, cells.cell[q] / width, channel);
        }
    }

    void tick(const Cells& cells, i64 step) {
        const float delta = last_tick_ < 0 ? 1.0f : static_cast<float>(step - last_tick_);
        last_tick_ = step;
        ++counters.ticks;
        std::fill(u_.begin(), u_.end(), 0.0f);
        add_rows(p_.embedding.data(), active_, d_model_, u_.data());
        TickRecord record;
        for (std::size_t k = 0; k < blocks_.size(); ++k) {
            const i64 layer = static_cast<i64>(fronts_.size() + k);
            blocks_[k]->tick(u_.data(), delta, next_.data());
            counters.spikes[layer] += blocks_[k]->num_spikes(), counters.updates[layer] += d_model_;
            if (is_recording) record.spikes.insert(record.spikes.end(), blocks_[k]->spikes().begin(), blocks_[k]->spikes().end());
            std::swap(u_, next_);
        }
        pool_tick<float>(pool(), u_.data(), p_.is_time_weighted ? delta : 1.0, p_.window, d_model_);
        if (!is_recording) return;
        record.step = step, record.cells = cells.cell;
        for (std::size_t q = 0; q < cells.cell.size(); ++q)
            record.front.insert(record.front.end(), cells.row(q), cells.row(q) + cells.channels);
        record.logits.resize(p_.num_outputs), logits(record.logits.data());
        records.push_back(std::move(record));
    }

    FlamesParameters p_;
    std::vector<std::unique_ptr<Front>> fronts_;
    std::vector<std::unique_ptr<MemoryStage>> blocks_;
    EventClock clock_;
    i64 d_model_, step_ = -1, last_tick_ = -1;  // step_: the open one
    std::vector<std::uint16_t> column_, line_;  // of a pixel, after downsampling
    std::vector<i64> active_;                   // where the embeddings of the step's spikes start
    std::vector<double> window_, windows_, counts_;
    Aligned<float> u_, next_;
};

}  // namespace longspike::LONGSPIKE_ARCH
