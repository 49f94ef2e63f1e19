// The pooled cells that a step touches, as a dendritic convolution hands them to what comes behind it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/aligned.hpp"
#include "core/kernels.hpp"

namespace longspike::LONGSPIKE_ARCH {

// Touched cells of a grid in one step, in rising order, with their channels' spikes.
struct Cells {
    i64 channels = 0, width = 0;
    std::vector<i64> cell;
    Aligned<float> values;  // (cells, width), whole vectors a cell
    const float* row(std::size_t k) const { return values.data() + k * width; }
};

// Which cells of a grid a step touches, and each one's place in their list.
class TouchedCells {
public:
    explicit TouchedCells(i64 cells) : slot_(cells), marked_((cells + 63) / 64) {}

    i64 slot(i64 cell) const { return slot_[cell]; }

    // Lists row.cell of all `rows` in rising order, each cell once.
    template <class Rows> void list(const Rows& rows, std::vector<i64>& found) {
        std::size_t lowest = marked_.size(), highest = 0;
        for (const auto& row : rows) {
            const std::size_t word = static_cast<std::size_t>(row.cell) / 64;
            marked_[word] |= std::uint64_t{1} << (row.cell % 64);
            lowest = std::min(lowest, word), highest = std::max(highest, word);
        }
        found.clear();
        for (std::size_t word = lowest; word <= highest && word < marked_.size(); ++word) {
            for (std::uint64_t bits = marked_[word]; bits; bits &= bits - 1) {
                const i64 cell = static_cast<i64>(word) * 64 + __builtin_ctzll(bits);
                slot_[cell] = static_cast<i64>(found.size());
                found.push_back(cell);
            }
            marked_[word] = 0;
        }
    }

private:
    std::vector<i64> slot_;
    std::vector<std::uint64_t> marked_;
};

}  // namespace longspike::LONGSPIKE_ARCH
