#include "dendrite/plan.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/parallel.hpp"

namespace longspike {
namespace {

using i64 = std::int64_t;
using i32 = std::int32_t;

constexpr int kTapBits = 16;  // an entry is (input << 17) | (tap << 1) | is_active

struct PlanRow {
    i64 step;
    i32 cell, pairs;
};

struct SamplePlan {
    std::vector<PlanRow> rows;
    std::vector<i32> chains;  // rows of each chain
    PlanArray<i64> entries;   // of the rows one after the other
    i64 num_pairs = 0;
};

struct Field {
    i64 kernel, stride, padding, width, height;                        // width, height: of the output
    i64 strides(i64 n) const { return stride == 1 ? n : n / stride; }  // a division costs more than all the rest
    // Calls visit(cell, tap) for every output cell whose receptive field holds (x, y).
    template <class Visit> void cells_of(i64 x, i64 y, Visit&& visit) const {
        const i64 px = x + padding, py = y + padding;
        const i64 x0 = px < kernel ? 0 : strides(px - kernel) + 1, x1 = std::min(width - 1, strides(px));
        const i64 y0 = py < kernel ? 0 : strides(py - kernel) + 1, y1 = std::min(height - 1, strides(py));
        for (i64 oy = y0; oy <= y1; ++oy)
            for (i64 ox = x0; ox <= x1; ++ox) visit(oy * width + ox, (py - oy * stride) * kernel + px - ox * stride);
    }
};

// One sample by a counting sort over the cells it touches; `slots` holds a zero per cell before and after.
void plan_sample(const PlanInputs& in, const Field& field, i64 begin, i64 end, std::vector<i64>& slots, SamplePlan& out) {
    std::vector<i64> touched;
    i64 total = 0;
    for (i64 q = begin; q < end; ++q)
        field.cells_of(in.x[q], in.y[q], [&](i64 cell, i64) {
            if (slots[cell]++ == 0) touched.push_back(cell);
            ++total;
        });
    if (static_cast<i64>(touched.size()) * 16 < field.width * field.height) {
        std::sort(touched.begin(), touched.end());
    } else {
        touched.clear();
        for (i64 cell = 0; cell < field.width * field.height; ++cell)
            if (slots[cell]) touched.push_back(cell);
    }
    i64 next = 0;
    for (const i64 cell : touched) next += std::exchange(slots[cell], next);
    out.entries = PlanArray<i64>(total);
    i64* entries = out.entries.data.get();
    for (i64 q = begin; q < end; ++q)
        field.cells_of(in.x[q], in.y[q],
                       [&](i64 cell, i64 tap) { entries[slots[cell]++] = (q << (kTapBits + 1)) | (tap << 1) | (in.is_active[q] != 0); });
    out.rows.reserve(total / 2);
    i64 read = 0, write = 0;
    for (const i64 cell : touched) {  // slots[cell] is now the end of its entries
        const i64 stop = std::exchange(slots[cell], 0);
        const std::size_t before = out.rows.size();
        while (read < stop) {
            const i64 step = in.step[entries[read] >> (kTapBits + 1)], first = read;
            bool is_active = false;
            for (; read < stop && in.step[entries[read] >> (kTapBits + 1)] == step; ++read) is_active |= entries[read] & 1;
            if (!is_active) continue;
            for (i64 k = first; k < read; ++k) entries[write++] = entries[k];
            out.rows.push_back({step, static_cast<i32>(cell), static_cast<i32>(read - first)});
        }
        if (out.rows.size() > before) out.chains.push_back(static_cast<i32>(out.rows.size() - before));
    }
    out.num_pairs = write;
}

void write_sample(const SamplePlan& sample, i64 b, i64 width, i64 row, i64 chain, i64 pair, Plan& plan) {
    i64 chain_end = row, pair_end = pair;  // a sample writes the ends of its own chains and rows
    for (const i32 rows : sample.chains) plan.chain_offsets.data[++chain] = chain_end += rows;
    i32 x = 0, y = 0;
    for (std::size_t k = 0; k < sample.rows.size(); ++k) {
        const PlanRow& r = sample.rows[k];
        if (k == 0 || r.cell != sample.rows[k - 1].cell) x = r.cell % static_cast<i32>(width), y = r.cell / static_cast<i32>(width);
        plan.row_sample.data[row + k] = static_cast<i32>(b);
        plan.row_x.data[row + k] = x;
        plan.row_y.data[row + k] = y;
        plan.row_step.data[row + k] = r.step;
        plan.pair_offsets.data[row + k + 1] = pair_end += r.pairs;
    }
    for (i64 k = 0; k < sample.num_pairs; ++k) {
        const i64 entry = sample.entries.data[k];
        plan.pair_input.data[pair + k] = entry >> (kTapBits + 1);
        plan.pair_tap.data[pair + k] = static_cast<i32>((entry >> 1) & ((1 << kTapBits) - 1));
    }
}

i64 first_unsorted(const PlanInputs& in) {
    for (i64 b = 0; b < in.batch; ++b)
        for (i64 q = in.offsets[b] + 1; q < in.offsets[b + 1]; ++q)
            if (in.step[q] < in.step[q - 1]) return q;
    return -1;
}

}  // namespace

Plan dendrite_plan(const PlanInputs& in) {
    Plan plan;
    plan.unsorted = first_unsorted(in);
    if (plan.unsorted >= 0) return plan;
    const Field field{in.kernel, in.stride, in.padding, (in.width + 2 * in.padding - in.kernel) / in.stride + 1,
                      (in.height + 2 * in.padding - in.kernel) / in.stride + 1};
    std::vector<SamplePlan> samples(in.batch);
    std::atomic<i64> next{0};
    parallel_for(std::min<i64>(in.threads, in.batch), in.threads, [&](i64) {
        std::vector<i64> slots(field.width * field.height);
        for (i64 b; (b = next.fetch_add(1)) < in.batch;) plan_sample(in, field, in.offsets[b], in.offsets[b + 1], slots, samples[b]);
    });
    std::vector<i64> row(in.batch + 1), chain(in.batch + 1), pair(in.batch + 1);
    for (i64 b = 0; b < in.batch; ++b) {
        row[b + 1] = row[b] + static_cast<i64>(samples[b].rows.size());
        chain[b + 1] = chain[b] + static_cast<i64>(samples[b].chains.size());
        pair[b + 1] = pair[b] + samples[b].num_pairs;
    }
    const i64 rows = row[in.batch];
    plan.row_sample = PlanArray<i32>(rows), plan.row_x = PlanArray<i32>(rows), plan.row_y = PlanArray<i32>(rows);
    plan.row_step = PlanArray<i64>(rows), plan.chain_offsets = PlanArray<i64>(chain[in.batch] + 1);
    plan.pair_offsets = PlanArray<i64>(rows + 1), plan.pair_input = PlanArray<i64>(pair[in.batch]);
    plan.pair_tap = PlanArray<i32>(pair[in.batch]), plan.row_offsets = PlanArray<i64>(in.batch + 1);
    std::copy(row.begin(), row.end(), plan.row_offsets.data.get());
    plan.chain_offsets.data[0] = plan.pair_offsets.data[0] = 0;
    parallel_for(in.batch, in.threads, [&](i64 b) { write_sample(samples[b], b, field.width, row[b], chain[b], pair[b], plan); });
    return plan;
}

}  // namespace longspike
