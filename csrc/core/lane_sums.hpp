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

// Eight numbers in as many vectors as they need: one loop over parts for every instruction set. (A vector type of 64 bytes
// would do, but compilers carry it through memory where registers are shorter.)
struct Doubles {
    static constexpr int kPart = kLanes<double>, kParts = 8 / kPart;
    Vec<double> parts[kParts];

    double operator[](int k) const { return parts[k / kPart][k % kPart]; }
    void add(int k, double value) { parts[k / kPart][k % kPart] += value; }
};
template <class F> [[gnu::always_inline]] inline Doubles doubles(const F& part) {
    Doubles all;
    for (int k = 0; k < Doubles::kParts; ++k) all.parts[k] = part(k);
    return all;
}
inline Doubles operator+(const Doubles& a, const Doubles& b) {
    return doubles([&](int k) { return a.parts[k] + b.parts[k]; });
}
inline Doubles operator/(const Doubles& a, double divisor) {
    return doubles([&](int k) { return a.parts[k] / splat<double>(divisor); });
}

// The sum over each of n eights, in the first n lanes of one; always ((0 + 1) + (2 + 3)) + .., as above.
template <int n> inline Doubles lane_sums(const Doubles* x) {
    constexpr int kPart = Doubles::kPart, kSome = n < kPart ? n : kPart;
    Vec<double> rows[n];
    for (int r = 0; r < n; ++r) {
        Vec<double> parts[Doubles::kParts];
        for (int k = 0; k < Doubles::kParts; ++k) parts[k] = x[r].parts[k];
        for (int left = Doubles::kParts; left > 1; left /= 2)
            for (int k = 0; k < left / 2; ++k)
                parts[k] = neighbour_sums<Vec<double>>(parts[2 * k], parts[2 * k + 1], std::make_integer_sequence<int, kPart>());
        rows[r] = parts[0];
    }
    Doubles sums{};
    for (int r = 0; r < n; r += kSome) sums.parts[r / kPart] = lane_sums<Vec<double>, kSome>(rows + r);
    return sums;
}

}  // namespace longspike::LONGSPIKE_ARCH
