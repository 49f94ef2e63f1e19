// Sums over the lanes of several vectors at once.
#pragma once
#include <utility>

#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

// The sums of two vectors' neighbours: (a0 + a1, a2 + a3, ..., b0 + b1, ...).
template <class T, int... k> inline Vec<T> neighbour_sums(Vec<T> a, Vec<T> b, std::integer_sequence<int, k...>) {
    return __builtin_shufflevector(a, b, 2 * k...) + __builtin_shufflevector(a, b, 2 * k + 1 ...);
}
// The sum over the lanes of each of `n` = kLanes vectors.
template <class T, int n> inline Vec<T> lane_sums(const Vec<T>* x) {
    if constexpr (n == 1) {
        return x[0];
    } else {
        Vec<T> half[n / 2];
        for (int k = 0; k < n / 2; ++k) half[k] = neighbour_sums<T>(x[2 * k], x[2 * k + 1], std::make_integer_sequence<int, kLanes<T>>());
        return lane_sums<T, n / 2>(half);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
