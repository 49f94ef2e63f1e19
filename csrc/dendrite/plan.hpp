// Which rows a batch of sparse inputs makes: structure only, no floating-point numbers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace longspike {

// An array whose memory is left uninitialised.
template <class T> struct PlanArray {
    std::unique_ptr<T[]> data;
    std::size_t size = 0;
    PlanArray() = default;
    explicit PlanArray(std::size_t n) : data(new T[n]), size(n) {}
};

struct PlanInputs {
    const std::int64_t* step;   // (inputs), not decreasing within a sample
    const std::int32_t *x, *y;  // (inputs), inside the grid
    const std::uint8_t* is_active;
    const std::int64_t* offsets;  // (batch + 1)
    std::int64_t batch, width, height, kernel, stride, padding;
    int threads;
};

// A row: one (sample, output cell, step) with an active input in its receptive field; a chain: the rows of one
// (sample, cell). Order: sample, cell = y*width + x, step; the pairs of a row as their inputs came.
struct Plan {
    PlanArray<std::int32_t> row_sample, row_x, row_y;
    PlanArray<std::int64_t> row_step, chain_offsets, pair_offsets, pair_input, row_offsets;
    PlanArray<std::int32_t> pair_tap;
    std::int64_t unsorted = -1;  // the first input that is earlier than the one before it in its sample
};
Plan dendrite_plan(const PlanInputs& inputs);

struct PoolInputs {
    const std::int64_t *step, *row_offsets;  // (rows), (batch + 1)
    const std::int32_t *x, *y;
    std::int64_t batch, width, height, pool;  // of the grid of the rows
    int threads;
};

// Rows grouped by (sample, step, pooled cell), in that order; rows of a group as they came.
struct PoolPlan {
    PlanArray<std::int64_t> item_step, item_offsets, group_offsets, group_rows;
    PlanArray<std::int32_t> item_x, item_y;
};
PoolPlan pool_plan(const PoolInputs& inputs);

}  // namespace longspike
