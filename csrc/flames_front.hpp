// A dendritic convolution with its pool as a stream runs it: a record per position, touched only where events fall.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include "dendrite.hpp"
#include "flames_stream_call.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace longspike::LONGSPIKE_ARCH {

// Zeroed memory whose untouched pages cost nothing.
class ZeroedMemory {
public:
    explicit ZeroedMemory(std::size_t bytes) : bytes_(std::max<std::size_t>(bytes, 64)) { map(); }
    ~ZeroedMemory() { unmap(); }
    ZeroedMemory(const ZeroedMemory&) = delete;
    ZeroedMemory& operator=(const ZeroedMemory&) = delete;
    std::uint8_t* data() const { return data_; }
    std::size_t size() const { return bytes_; }
    void clear() { unmap(), map(); }

private:
    std::uint8_t* data_ = nullptr;
    std::size_t bytes_;
#if defined(__linux__)
    void map() {
        void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        data_ = static_cast<std::uint8_t*>(p);
        madvise(data_, bytes_, MADV_HUGEPAGE);
    }
    void unmap() { munmap(data_, bytes_); }
#else
    void* block_ = nullptr;
    void map() {
        block_ = std::calloc(bytes_ + 64, 1);
        if (!block_) throw std::bad_alloc();
        data_ = reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uintptr_t>(block_) + 63) / 64 * 64);
    }
    void unmap() { std::free(block_); }
#endif
};

// Touched cells of a grid in one step, in rising order, with their channels' values.
struct Cells {
    i64 channels = 0;
    std::vector<i64> cell;
    std::vector<float> values;  // (cells, channels)
    std::vector<char> fired;    // whether any channel of the cell spikes
    bool any() const { return std::find(fired.begin(), fired.end(), 1) != fired.end(); }
};

class Front {
public:
    explicit Front(const FrontParameters& p)
        : p_(p), width_(dendrite_width<float>(p.channels)), alphas_(dendrite_width<float>(p.branches + 1)),
          record_(kHeader + (p.branches + 1) * width_ * sizeof(float)),
          memory_(static_cast<std::size_t>(p.width * p.height) * record_), rate_(alphas_), alpha_(alphas_),
          taps_(p.kernel * p.kernel), pooled_width_((p.width + p.pool - 1) / p.pool),
          pooled_height_((p.height + p.pool - 1) / p.pool), slot_(pooled_width_ * pooled_height_, -1) {
        const i64 rows = taps_ * p.in_channels * p.branches;
        weight_.resize(rows * width_);
        for (i64 r = 0; r < rows; ++r) std::copy_n(p.weight.data() + r * p.channels, p.channels, weight_.data() + r * width_);
        std::copy_n(p.rate.data(), p.branches, rate_.data());
        rate_[p.branches] = p.rate_soma;
        out_.channels = p.channels;
    }

    i64 pooled_width() const { return pooled_width_; }
    i64 pooled_height() const { return pooled_height_; }
    const FrontParameters& parameters() const { return p_; }
    std::size_t memory_bytes() const { return memory_.size() + weight_.size() * sizeof(float); }
    std::vector<i64>& touched() { return touched_; }

    // An input of this step at (x, y): one value a channel, or the polarity of an event alone.
    void add_event(i64 x, i64 y, i64 channel, i64 step) {
        each_position(x, y, [&](i64 position, i64 tap) { add(open(position, step), tap, channel, 1.0f); });
    }
    void add_cell(i64 x, i64 y, const float* values, i64 step) {
        each_position(x, y, [&](i64 position, i64 tap) {
            float* i = open(position, step);
            for (i64 c = 0; c < p_.in_channels; ++c)
                if (values[c] != 0.0f) add(i, tap, c, values[c]);
        });
    }

    // Ends the step: membranes, spikes, resets, and the pooled cells. The result lives until the next call.
    const Cells& close(i64 step, i64& spikes, i64& updates) {
        std::sort(touched_.begin(), touched_.end());
        pooled_.clear();
        for (const i64 position : touched_) {
            const i64 cell = position / p_.width / p_.pool * pooled_width_ + position % p_.width / p_.pool;
            if (slot_[cell] < 0) slot_[cell] = 0, pooled_.push_back(cell);
        }
        std::sort(pooled_.begin(), pooled_.end());
        out_.cell = pooled_;
        out_.values.assign(pooled_.size() * p_.channels, 0.0f);
        out_.fired.assign(pooled_.size(), 0);
        for (std::size_t k = 0; k < pooled_.size(); ++k) slot_[pooled_[k]] = static_cast<i64>(k);
        for (const i64 position : touched_) spikes += fire(position, step);
        updates += static_cast<i64>(touched_.size()) * p_.channels;
        for (const i64 cell : pooled_) slot_[cell] = -1;
        touched_.clear();
        return out_;
    }

    void reset() {
        memory_.clear();
        touched_.clear();
    }

    void prefetch(i64 x, i64 y) const {
        const i64 column = (x + p_.padding) / p_.stride, row = (y + p_.padding) / p_.stride;
        if (column < p_.width && row < p_.height) {
            const std::uint8_t* r = memory_.data() + (row * p_.width + column) * record_;
            __builtin_prefetch(r, 1);
            __builtin_prefetch(r + 64, 1);
            __builtin_prefetch(r + 128, 1);
        }
    }

    // Positions that hold something: (position, step of the last row + 1, gap of an open row), then i and v.
    template <class F> void each_record(F&& visit) const {
        for (i64 position = 0; position < p_.width * p_.height; ++position) {
            const Header* h = header(position);
            if (h->last || h->open) visit(position, reinterpret_cast<const std::uint8_t*>(h), record_);
        }
    }
    std::uint8_t* record(i64 position) { return memory_.data() + position * record_; }
    std::size_t record_bytes() const { return record_; }
    i64 positions() const { return p_.width * p_.height; }

    // Of a record from elsewhere: whether a row is under way, and whether its steps can be those of a stream at this moment.
    static bool is_open(const std::uint8_t* record) { return header_of(record).open != 0; }
    static bool is_sound(const std::uint8_t* record, i64 step, i64 next_step) {
        const Header h = header_of(record);
        if (h.last < 0 || h.last > next_step) return false;
        return h.open == 0 || (step >= 0 && h.open == step + 1 && h.gap == (h.last ? h.open - h.last : 0));
    }

private:
    struct Header {
        i64 last;  // step of the last row + 1; 0: never
        i64 open;  // step of the row that is under way + 1; 0: none
        i64 gap;   // of the row that is under way
    };
    static constexpr std::size_t kHeader = 64;
    static Header header_of(const std::uint8_t* record) {
        Header h;
        std::memcpy(&h, record, sizeof h);
        return h;
    }

    Header* header(i64 position) const { return reinterpret_cast<Header*>(memory_.data() + position * record_); }

    template <class F> void each_position(i64 x, i64 y, F&& visit) {
        const i64 px = x + p_.padding, py = y + p_.padding;
        const i64 first_x = px < p_.kernel ? 0 : (px - p_.kernel) / p_.stride + 1, last_x = std::min(px / p_.stride, p_.width - 1);
        const i64 first_y = py < p_.kernel ? 0 : (py - p_.kernel) / p_.stride + 1, last_y = std::min(py / p_.stride, p_.height - 1);
        for (i64 oy = first_y; oy <= last_y; ++oy)
            for (i64 ox = first_x; ox <= last_x; ++ox)
                visit(oy * p_.width + ox, (py - oy * p_.stride) * p_.kernel + px - ox * p_.stride);
    }

    // The branches of a position, decayed to this step.
    float* open(i64 position, i64 step) {
        Header* h = header(position);
        float* i = reinterpret_cast<float*>(reinterpret_cast<std::uint8_t*>(h) + kHeader);
        if (h->open == step + 1) return i;
        h->gap = h->last ? step + 1 - h->last : 0;
        h->open = step + 1;
        if (h->last) {
            dendrite_alphas<float>(rate_.data(), h->gap, p_.branches + 1, alpha_.data());
            dendrite_decay<float>(i, alpha_.data(), p_.branches, width_);
        }
        touched_.push_back(position);
        return i;
    }

    void add(float* i, i64 tap, i64 channel, float value) {
        dendrite_add<float>(i, weight_.data() + (tap * p_.in_channels + channel) * p_.branches * width_, value, p_.branches, width_);
    }

    // Membrane, spikes into the pooled cell, reset; the number of spikes.
    i64 fire(i64 position, i64 step) {
        Header* h = header(position);
        float* i = reinterpret_cast<float*>(reinterpret_cast<std::uint8_t*>(h) + kHeader);
        float* v = i + p_.branches * width_;
        dendrite_alphas<float>(rate_.data() + p_.branches / kLanes<float> * kLanes<float>, h->gap, 1, alpha_.data());
        const float beta = alpha_[p_.branches % kLanes<float>];
        dendrite_membrane<float>(i, p_.coupling.data(), beta, v, p_.branches, width_);
        const i64 cell = position / p_.width / p_.pool * pooled_width_ + position % p_.width / p_.pool;
        float* out = out_.values.data() + slot_[cell] * p_.channels;
        i64 count = 0;
        for (i64 c = 0; c < p_.channels; ++c)
            if (v[c] > p_.threshold) out[c] = 1.0f, ++count;
        if (count) out_.fired[slot_[cell]] = 1;
        dendrite_reset<float>(v, p_.threshold, width_);
        h->last = step + 1;
        h->open = 0;
        return count;
    }

    FrontParameters p_;
    i64 width_, alphas_;
    std::size_t record_;
    ZeroedMemory memory_;
    std::vector<float> rate_, alpha_, weight_;
    i64 taps_, pooled_width_, pooled_height_;
    std::vector<i64> slot_, touched_, pooled_;
    Cells out_;
};

}  // namespace longspike::LONGSPIKE_ARCH
