// A dendritic convolution with its pool as a stream runs it: a record per position, touched only where events fall.
//
// The inputs of a step are noted as they come, a few bytes each. When the step ends, the touched positions are swept with all
// their inputs, while the records of later ones are fetched. Positions know nothing of each other, so threads may share them.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/parallel.hpp"
#include "core/zeroed_memory.hpp"
#include "streams/flames_cells.hpp"
#include "streams/flames_decays.hpp"
#include "streams/flames_position.hpp"
#include "streams/flames_stream_call.hpp"
#include "streams/flames_sums.hpp"

namespace longspike::LONGSPIKE_ARCH {

class Front {
public:
    explicit Front(const FrontParameters& p)
        : p_(p), width_(dendrite_width<float>(p.channels)), numbers_((p.branches + 1) * width_),
          records_(static_cast<std::size_t>(p.width * p.height * numbers_) * sizeof(float)),
          places_(static_cast<std::size_t>(p.width * p.height) * sizeof(Place)), decays_(p.rate, p.rate_soma),
          weight_(p.kernel * p.kernel * p.in_channels * p.branches * width_), columns_(reaches(p, p.in_width, p.width)),
          lines_(reaches(p, p.in_height, p.height)), pooled_width_((p.width + p.pool - 1) / p.pool),
          pooled_height_((p.height + p.pool - 1) / p.pool), touched_(pooled_width_ * pooled_height_) {
        Aligned<float> padded(weight_.size());
        for (i64 r = 0; r < inputs() * p.branches; ++r)
            std::copy_n(p.weight.data() + r * p.channels, p.channels, padded.data() + r * width_);
        pack_weights(padded.data(), inputs(), p.branches, width_, weight_.data());
        out_.channels = p.channels, out_.width = width_;
    }
    Front(const Front&) = delete;

    i64 pooled_width() const { return pooled_width_; }
    i64 pooled_height() const { return pooled_height_; }
    i64 positions() const { return p_.width * p_.height; }
    i64 inputs() const { return p_.kernel * p_.kernel * p_.in_channels; }
    std::size_t record_bytes() const { return numbers_ * sizeof(float); }
    std::size_t memory_bytes() const { return records_.size() + places_.size() + weight_.size() * sizeof(float); }

    void begin(i64 step) { step_ = step; }

    // An event of this step, or a spike.
    void add(i64 x, i64 y, i64 channel) {
        const Reach column = columns_[x], line = lines_[y];
        for (std::int32_t j = 0; j < line.count; ++j)
            for (std::int32_t k = 0; k < column.count; ++k) {
                const i64 tap = (line.tap - j * p_.stride) * p_.kernel + column.tap - k * p_.stride;
                note(column.first + k, line.first + j, tap * p_.in_channels + channel);
            }
    }

    // Ends the step: membranes, spikes, resets, and the pooled cells. The result lives until the next call.
    const Cells& close(i64& spikes, i64& updates, int threads) {
        arrange_inputs();
        arrange_cells();
        arrange_steps();
        const i64 count = static_cast<i64>(steps_.size()), parts = count * numbers_ < kSharedNumbers ? 1 : threads;
        parts_.resize(parts);
        parallel_for(parts, threads, [&](i64 part) { sweep(part, parts); });
        for (const Part& part : parts_) spikes += part.num_spikes;
        for (i64 part = 1; part < parts; ++part) merge(parts_[part].fired);
        updates += count * p_.channels;
        rows_.clear(), noted_.clear(), decays_.clear();
        return out_;
    }

    void reset() {
        records_.clear(), places_.clear();
        rows_.clear(), noted_.clear();
    }

    // What is to be remembered: (position, step of the last row + 1, record, whether it has absorbed inputs of the open step)
    // of touched positions; the other inputs of the open step.
    template <class F> void each_record(F&& visit) const {
        for (i64 position = 0; position < positions(); ++position) {
            const Place& place = places()[position];
            const bool is_absorbed = place.row && rows_[place.row - 1].is_absorbed;
            if (place.last || is_absorbed)
                visit(position, place.last, reinterpret_cast<const std::uint8_t*>(record(position)), is_absorbed);
        }
    }
    template <class F> void each_input(F&& visit) const {
        for (const Noted& n : noted_) visit(rows_[n.row].position, static_cast<i64>(n.input));
    }
    void set_input(i64 position, i64 input) { note(position % p_.width, position / p_.width, input); }
    void set_record(i64 position, i64 last, const std::uint8_t* bytes, bool is_absorbed) {
        places()[position].last = last;
        if (is_absorbed) row_of(position % p_.width, position / p_.width).is_absorbed = true;
        std::memcpy(record(position), bytes, record_bytes());
    }

private:
    struct Place {
        i64 last;  // step of the last row + 1; 0: never
        i64 row;   // number of the row of the open step + 1; 0: none
    };
    struct Row {
        i64 position, cell, end;  // end: of its inputs in `inputs_`; their number while they come
        bool is_absorbed;         // whether the record has decayed to this step and holds earlier inputs of it
    };
    struct Noted { std::int32_t row, input; };
    // The positions that see a coordinate, and the tap that the first one sees it through; the next ones' are `stride` less.
    struct Reach { std::int32_t first, count, tap; };
    // What a thread brings home: spikes, and where they fell, unless it is the first, who writes where they belong.
    struct alignas(64) Part {
        i64 num_spikes = 0;
        Aligned<float> fired;
    };
    static constexpr i64 kSharedNumbers = 1 << 17;  // of a step's records, from which on threads pay
    static constexpr std::size_t kMostNoted = std::size_t{1} << 18;

    static std::vector<Reach> reaches(const FrontParameters& p, i64 inputs, i64 positions) {
        std::vector<Reach> found(inputs);
        for (i64 x = 0; x < inputs; ++x) {
            const i64 at = x + p.padding, first = at < p.kernel ? 0 : (at - p.kernel) / p.stride + 1;
            const i64 count = std::max<i64>(0, std::min(at / p.stride, positions - 1) - first + 1);
            found[x] = {static_cast<std::int32_t>(first), static_cast<std::int32_t>(count),
                        static_cast<std::int32_t>(at - first * p.stride)};
        }
        return found;
    }

    Place* places() const { return reinterpret_cast<Place*>(places_.data()); }
    float* record(i64 position) const { return reinterpret_cast<float*>(records_.data()) + position * numbers_; }

    // One input of this step at a position: input = tap * in_channels + channel.
    void note(i64 column, i64 line, i64 input) {
        Row& row = row_of(column, line);
        ++row.end;
        noted_.push_back({static_cast<std::int32_t>(&row - rows_.data()), static_cast<std::int32_t>(input)});
        if (noted_.size() == kMostNoted) absorb();
    }

    // The row of a position in the open step, which it opens if need be.
    Row& row_of(i64 column, i64 line) {
        const i64 position = line * p_.width + column;
        Place& place = places()[position];
        if (!place.row) {
            rows_.push_back({position, line / p_.pool * pooled_width_ + column / p_.pool, 0, false});
            place.row = static_cast<i64>(rows_.size());
        }
        return rows_[place.row - 1];
    }

    i64 gap_of(const Place& place) const { return place.last ? step_ + 1 - place.last : 0; }

    PositionModel model() const { return {weight_.data(), p_.coupling.data(), p_.threshold, p_.branches, width_, inputs()}; }

    // Takes the noted inputs into the records, so that a step of any length needs no more memory than kMostNoted of them.
    void absorb() {
        arrange_inputs();
        const FlushDenormals flush;
        i64 begin = 0;
        for (Row& row : rows_) {
            const i64 gap = gap_of(places()[row.position]), count = row.end - begin;
            const float* decays = row.is_absorbed ? decays_.soma_alone(gap, step_) : decays_.of(gap, step_);
            if (count > 0)
                position_absorb(model(), {record(row.position), inputs_.data() + begin, count, decays, nullptr}), row.is_absorbed = true;
            begin += count, row.end = 0;
        }
        noted_.clear(), decays_.clear();
    }

    // The inputs by position, in the order in which they came.
    void arrange_inputs() {
        i64 total = 0;
        for (Row& row : rows_) {
            const i64 count = row.end;
            row.end = total, total += count;
        }
        inputs_.resize(total);
        for (const Noted& n : noted_) inputs_[rows_[n.row].end++] = n.input;
    }

    // What the sweep needs of every row.
    void arrange_steps() {
        const FlushDenormals flush;  // as the batch does
        steps_.resize(rows_.size());
        i64 begin = 0;
        for (std::size_t k = 0; k < rows_.size(); ++k) {
            const Row row = rows_[k];
            Place& place = places()[row.position];
            const i64 gap = gap_of(place);
            const float* decays = row.is_absorbed ? decays_.soma_alone(gap, step_) : decays_.of(gap, step_);
            place = {step_ + 1, 0};
            steps_[k] = {record(row.position), inputs_.data() + begin, row.end - begin, decays,
                         out_.values.data() + touched_.slot(row.cell) * width_};
            begin = row.end;
        }
    }

    // One thread's share of the positions.
    void sweep(i64 number, i64 parts) {
        const FlushDenormals flush;
        Part& part = parts_[number];
        const i64 count = static_cast<i64>(steps_.size()), begin = count * number / parts, end = count * (number + 1) / parts;
        if (number > 0) {
            part.fired.assign(out_.values.size(), 0.0f);
            for (i64 k = begin; k < end; ++k) steps_[k].spikes = part.fired.data() + (steps_[k].spikes - out_.values.data());
        }
        typename Lanes<float>::I num_spikes{};
        position_steps(model(), steps_.data() + begin, end - begin, num_spikes);
        part.num_spikes = 0;
        for (int lane = 0; lane < kLanes<float>; ++lane) part.num_spikes += num_spikes[lane];
    }

    void merge(const Aligned<float>& fired) {
        for (std::size_t k = 0; k < fired.size(); ++k) out_.values[k] = std::max(out_.values[k], fired[k]);
    }

    // The cells that the rows pool into, in rising order, silent.
    void arrange_cells() {
        touched_.list(rows_, out_.cell);
        out_.values.assign(out_.cell.size() * width_, 0.0f);
    }

    FrontParameters p_;
    i64 width_, numbers_, step_ = 0;
    ZeroedMemory records_, places_;
    GapDecays decays_;
    Aligned<float> weight_;
    std::vector<Reach> columns_, lines_;
    i64 pooled_width_, pooled_height_;
    TouchedCells touched_;
    std::vector<Row> rows_;
    std::vector<Noted> noted_;
    std::vector<std::int32_t> inputs_;
    std::vector<PositionStep> steps_;
    std::vector<Part> parts_;
    Cells out_;
};

}  // namespace longspike::LONGSPIKE_ARCH
