// FLAMES event by event: the batch kernels' own inline functions over one recording, with bounded memory.
//
// Events of a step are noted at the positions they touch; the step closes when an event of a later one arrives, or on
// flush. Closing costs what was touched, then one tick of the memory if a spike came through the front.
#pragma once
#include <array>
#include <chrono>
#include <cmath>

#include "streams/flames_front.hpp"
#include "streams/flames_memory.hpp"

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

class FlamesStream final : public AbstractFlamesStream {
public:
    explicit FlamesStream(FlamesParameters p) : p_(std::move(p)) {
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

    void push(const std::uint8_t* events, i64 count) override {
        check(events, count);
        const auto arrived = std::chrono::steady_clock::now();
        Front& front = *fronts_.front();
        counters.events += count;
        for (i64 k = 0; k < count; ++k) {
            const EventRecord e = EventRecord::at(events + k * kEventBytes);
            if (static_cast<std::uint64_t>(e.t) - begin_us_ >= open_us_) {  // not of the open step
                const i64 step = e.t / p_.step_us;
                if (step < next_step_) {
                    ++counters.late;
                    continue;
                }
                if (step_ >= 0 && close()) count_latency(latency_histogram, since(arrived));
                open(step);
            }
            front.add(column_[e.x], line_[e.y], e.p);
        }
    }

    void flush() override {
        if (step_ < 0) return;
        const auto arrived = std::chrono::steady_clock::now();
        if (close()) count_latency(latency_histogram, since(arrived));
    }

    void restart_mean() override {
        for (auto* part : {&window_, &windows_, &counts_}) std::fill(part->begin(), part->end(), 0.0);
    }

    void reset() override {
        for (auto& front : fronts_) front->reset();
        for (auto& block : blocks_) block->reset();
        restart_mean();
        step_ = last_tick_ = -1, next_step_ = 0, open_us_ = 0;
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

private:
    static i64 since(std::chrono::steady_clock::time_point start) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
    }

    void check(const std::uint8_t* events, i64 count) const {
        i64 next = next_step_;  // the step that is open or comes
        std::uint64_t begin_us = static_cast<std::uint64_t>(next) * p_.step_us;
        for (i64 k = 0; k < count; ++k) {
            const EventRecord e = EventRecord::at(events + k * kEventBytes);
            if (e.x < p_.sensor_width && e.y < p_.sensor_height && e.p < 2 && e.t >= 0 && e.t <= kLatestUs) {
                const auto t = static_cast<std::uint64_t>(e.t);
                if (!refuses_late || t - begin_us < static_cast<std::uint64_t>(p_.step_us)) continue;
                if (t < begin_us) throw std::invalid_argument(late_message(k, e.t, next));
                next = e.t / p_.step_us, begin_us = static_cast<std::uint64_t>(next) * p_.step_us;
                continue;
            }
            throw std::invalid_argument("event " + std::to_string(k) + " of the packet, x=" + std::to_string(e.x) +
                                        " y=" + std::to_string(e.y) + " t=" + std::to_string(e.t) + " p=" + std::to_string(e.p) +
                                        ", does not fit a sensor of " + std::to_string(p_.sensor_width) + "x" +
                                        std::to_string(p_.sensor_height) + " with 0 <= t <= 2^62 and p in {0, 1}");
        }
    }

    std::string late_message(i64 k, i64 t, i64 next) const {
        return "event " + std::to_string(k) + " of the packet, t=" + std::to_string(t) + " us, belongs to step " +
               std::to_string(t / p_.step_us) + ", which is over; step " + std::to_string(next) +
               " is next. Sort the events by time, or use late='drop'";
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
        step_ = next_step_ = step;
        fronts_.front()->begin(step);
        begin_us_ = static_cast<std::uint64_t>(step) * p_.step_us, open_us_ = p_.step_us;
    }

    // Ends the step at hand; whether the memory ticked.
    bool close() {
        const i64 step = step_;
        step_ = -1, next_step_ = step + 1, open_us_ = 0;
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
    i64 d_model_, step_ = -1, next_step_ = 0, last_tick_ = -1;  // step_: the open one; events before next_step_ are late
    std::uint64_t begin_us_ = 0, open_us_ = 0;                  // the open step's first microsecond and length; 0: no step is open
    std::vector<std::uint16_t> column_, line_;                  // of a pixel, after downsampling
    std::vector<i64> active_;                                   // where the embeddings of the step's spikes start
    std::vector<double> window_, windows_, counts_;
    Aligned<float> u_, next_;
};

}  // namespace longspike::LONGSPIKE_ARCH
