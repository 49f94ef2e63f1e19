// Sums over the lanes of several vectors at once.
#pragma once
#include <utility>

#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

// The sums of two vectors' neighbours: (a0 + a1, a2 + a3, ..., b0 + b1, ...).
template <class V, int... k> inline V neighbour_sums(V a, V b, std::integer_sequence<int, k...>) {
    return __builtin_shufflevector(a, b, 2 * k...) + __builtin_shufflevector(a, b, 2 * k + 1 ...);
}
// The sum over the lanes of each of n vectors, in the first n lanes of one; always ((0 + 1) + (2 + 3)) + .., whatever n is.
template <class V, int n, int kLeft = sizeof(V) / sizeof(V{}[0])> inline V lane_sums(const V* x) {
    if constexpr (kLeft == 1) {
        return x[0];
    } else {
        constexpr int half_n = n > 1 ? n / 2 : 1;
        V half[half_n];
        for (int k = 0; k < half_n; ++k)
            half[k] = neighbour_sums<V>(x[2 * k], x[n > 1 ? 2 * k + 1 : 0], std::make_integer_sequence<int, sizeof(V) / sizeof(V{}[0])>());
        return lane_sums<V, half_n, kLeft / 2>(half);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
