#include <algorithm>

#include "core/parallel.hpp"
#include "dendrite/plan.hpp"

namespace longspike {
namespace {

using i64 = std::int64_t;
using i32 = std::int32_t;
using u64 = std::uint64_t;

// Stable least-significant-digit sort of `order` by its keys, `bits` of them.
void radix_sort(std::vector<u64>& keys, std::vector<i64>& order, int bits) {
    constexpr int kDigit = 11;
    std::vector<u64> keys2(keys.size());
    std::vector<i64> order2(order.size());
    for (int shift = 0; shift < bits; shift += kDigit) {
        i64 starts[(1 << kDigit) + 1] = {};
        for (const auto key : keys) ++starts[((key >> shift) & ((1 << kDigit) - 1)) + 1];
        for (int d = 0; d < 1 << kDigit; ++d) starts[d + 1] += starts[d];
        for (std::size_t k = 0; k < keys.size(); ++k) {
            const i64 at = starts[(keys[k] >> shift) & ((1 << kDigit) - 1)]++;
            keys2[at] = keys[k], order2[at] = order[k];
        }
        keys.swap(keys2), order.swap(order2);
    }
}

int bits_of(u64 n) {
    int bits = 0;
    for (; n; n >>= 1) ++bits;
    return bits;
}

std::vector<i64> distinct(const i64* begin, const i64* end) {
    std::vector<i64> found(begin, end);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

// The groups of one sample in order. A key is (step - first step, or the step's rank) << cell bits | pooled cell.
struct PoolSample {
    std::vector<u64> keys;
    std::vector<i64> sizes, steps;  // steps: the distinct ones in order, where their range does not fit a key
    i64 first = 0;                  // step

    i64 step(u64 place) const { return steps.empty() ? first + static_cast<i64>(place) : steps[place]; }
    u64 place(i64 step) const {
        if (steps.empty()) return static_cast<u64>(step) - static_cast<u64>(first);
        return static_cast<u64>(std::lower_bound(steps.begin(), steps.end(), step) - steps.begin());
    }
};

// Groups the rows of sample b, and puts them into `group_rows` group by group.
PoolSample pool_sample(const PoolInputs& in, i64 b, i64 width, int cell_bits, i64* group_rows) {
    PoolSample sample;
    const i64 begin = in.row_offsets[b], end = in.row_offsets[b + 1];
    if (begin == end) return sample;
    const auto [low, high] = std::minmax_element(in.step + begin, in.step + end);
    sample.first = *low;
    u64 range = static_cast<u64>(*high) - static_cast<u64>(*low);
    if (bits_of(range) + cell_bits > 64) sample.steps = distinct(in.step + begin, in.step + end), range = sample.steps.size();
    std::vector<u64> keys(end - begin);
    std::vector<i64> order(end - begin);
    for (i64 r = begin; r < end; ++r) {
        const i64 cell = in.y[r] / in.pool * width + in.x[r] / in.pool;
        keys[r - begin] = sample.place(in.step[r]) << cell_bits | static_cast<u64>(cell);
        order[r - begin] = r;
    }
    radix_sort(keys, order, bits_of(range) + cell_bits);
    std::copy(order.begin(), order.end(), group_rows + begin);
    for (std::size_t k = 0; k < keys.size(); ++k) {
        if (k == 0 || keys[k] != keys[k - 1]) sample.keys.push_back(keys[k]), sample.sizes.push_back(0);
        ++sample.sizes.back();
    }
    return sample;
}

}  // namespace

PoolPlan pool_plan(const PoolInputs& in) {
    const i64 width = (in.width + in.pool - 1) / in.pool, height = (in.height + in.pool - 1) / in.pool;
    const int cell_bits = bits_of(width * height);
    PoolPlan plan;
    plan.group_rows = PlanArray<i64>(in.row_offsets[in.batch]);
    std::vector<PoolSample> samples(in.batch);
    parallel_for(in.batch, in.threads, [&](i64 b) { samples[b] = pool_sample(in, b, width, cell_bits, plan.group_rows.data.get()); });
    plan.item_offsets = PlanArray<i64>(in.batch + 1);
    plan.item_offsets.data[0] = 0;
    for (i64 b = 0; b < in.batch; ++b) plan.item_offsets.data[b + 1] = plan.item_offsets.data[b] + static_cast<i64>(samples[b].keys.size());
    const i64 items = plan.item_offsets.data[in.batch];
    plan.item_step = PlanArray<i64>(items), plan.item_x = PlanArray<i32>(items), plan.item_y = PlanArray<i32>(items);
    plan.group_offsets = PlanArray<i64>(items + 1);
    plan.group_offsets.data[0] = 0;
    i64 at = 0;
    for (const PoolSample& sample : samples)
        for (std::size_t k = 0; k < sample.keys.size(); ++k, ++at) {
            const u64 key = sample.keys[k], cell = key & ((u64(1) << cell_bits) - 1);
            plan.item_step.data[at] = sample.step(key >> cell_bits);
            plan.item_x.data[at] = static_cast<i32>(cell % width), plan.item_y.data[at] = static_cast<i32>(cell / width);
            plan.group_offsets.data[at + 1] = plan.group_offsets.data[at] + sample.sizes[k];
        }
    return plan;
}

}  // namespace longspike
