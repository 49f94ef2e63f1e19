// Sums of rows of a table where a vector of zeros and ones is set, in registers: what add_scaled does one by one.
#pragma once
#include <vector>

#include "spikes/bits.hpp"

namespace longspike::LONGSPIKE_ARCH {

// Appends start + k * stride for every x[k] that is not zero, k ascending; whether there is one. n: whole vectors.
inline bool append_nonzero(const float* x, i64 n, i64 start, i64 stride, std::vector<i64>& found) {
    std::uint64_t any = 0;
    for (i64 first = 0; first < n; first += kLanes<float>) {
        std::uint64_t bits = nonzero_lanes<float>(load<float>(x + first));
        for (any |= bits; bits; bits &= bits - 1) found.push_back(start + (first + __builtin_ctzll(bits)) * stride);
    }
    return any != 0;
}

template <int kVectors> inline void add_rows_tile(const float* table, const std::vector<i64>& rows, float* sum) {
    Vec<float> x[kVectors];
    for (int j = 0; j < kVectors; ++j) x[j] = load<float>(sum + j * kLanes<float>);
    for (const i64 row : rows)
        for (int j = 0; j < kVectors; ++j) x[j] = x[j] + load<float>(table + row + j * kLanes<float>);
    for (int j = 0; j < kVectors; ++j) store<float>(sum + j * kLanes<float>, x[j]);
}

// sum[j] += table[rows[0] + j], then table[rows[1] + j], ... for j < n.
inline void add_rows(const float* table, const std::vector<i64>& rows, i64 n, float* sum) {
    i64 j = 0;
    for (; j + 4 * kLanes<float> <= n; j += 4 * kLanes<float>) add_rows_tile<4>(table + j, rows, sum + j);
    for (; j + 2 * kLanes<float> <= n; j += 2 * kLanes<float>) add_rows_tile<2>(table + j, rows, sum + j);
    for (; j + kLanes<float> <= n; j += kLanes<float>) add_rows_tile<1>(table + j, rows, sum + j);
    for (; j < n; ++j)
        for (const i64 row : rows) sum[j] = sum[j] + table[row + j];
}

}  // namespace longspike::LONGSPIKE_ARCH
