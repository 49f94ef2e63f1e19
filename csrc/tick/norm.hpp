// Layer normalisation of rows. A row has the same bits alone and among others, with every instruction set.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/lane_sums.hpp"
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr int kNormRows = 8;  // rows at a time: their sums end in one vector, and none waits for another's

// Eight neighbours in double.
template <class T> [[gnu::always_inline]] inline Doubles load_doubles(const T* x) {
    return doubles([&](int k) -> Vec<double> {
#if defined(__AVX512F__)
        if constexpr (sizeof(T) == 4) return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(x));
#endif
        typedef T Narrow __attribute__((vector_size(Doubles::kPart * sizeof(T))));
        Narrow row;
        std::memcpy(&row, x + k * Doubles::kPart, sizeof row);
        return __builtin_convertvector(row, Vec<double>);
    });
}

// sum over j of term(x[j]) in double, as eight partial sums: of four eights in a fixed order.
template <class T, class Term> [[gnu::always_inline]] inline Doubles partial_sums(const T* x, i64 n, const Term& term) {
    const auto eight = [&](const Doubles& value) { return doubles([&](int k) { return term(value.parts[k]); }); };
    Doubles first{}, second{}, third{}, fourth{};
    i64 j = 0;
    for (; j + 32 <= n; j += 32) {
        first = first + eight(load_doubles(x + j)), second = second + eight(load_doubles(x + j + 8));
        third = third + eight(load_doubles(x + j + 16)), fourth = fourth + eight(load_doubles(x + j + 24));
    }
    for (; j + 8 <= n; j += 8) first = first + eight(load_doubles(x + j));
    Doubles sums = (first + second) + (third + fourth);
    for (int k = 0; j < n; ++j, ++k) sums.add(k, term(splat<double>(x[j]))[0]);
    return sums;
}

// Mean and 1 / sqrt(variance + eps) of kRows rows of n numbers that lie one behind the other.
template <class T, int kRows> inline void row_moments(const T* x, T eps, i64 n, T* mean, T* scale) {
    Doubles sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = partial_sums<T>(x + r * n, n, [](Vec<double> value) { return value; });
    const Doubles exact = lane_sums<kRows>(sums) / static_cast<double>(n);
    for (int r = 0; r < kRows; ++r) {
        const Vec<double> centre = splat<double>(exact[r]);
        sums[r] = partial_sums<T>(x + r * n, n, [centre](Vec<double> value) { return (value - centre) * (value - centre); });
    }
    const Doubles variance = lane_sums<kRows>(sums) / static_cast<double>(n);
    for (int r = 0; r < kRows; ++r) mean[r] = static_cast<T>(exact[r]), scale[r] = static_cast<T>(1.0 / std::sqrt(variance[r] + eps));
}

// y = (x - mean) * scale * weight + bias.
template <class T> inline void normalise_row(const T* x, const T* weight, const T* bias, T mean, T scale, i64 n, T* y) {
    const Vec<T> centre = splat<T>(mean), factor = splat<T>(scale);
    for_vectors<T>(n, [&](i64 j, auto lanes) {
        const Vec<T> standard = (load_first<T>(x + j, lanes) - centre) * factor;
        store_first<T>(y + j, standard * load_first<T>(weight + j, lanes) + load_first<T>(bias + j, lanes), lanes);
    });
}
template <class T> inline void normalise_row(const T* x, const T* weight, const T* bias, T eps, i64 n, T* y) {
    T mean, scale;
    row_moments<T, 1>(x, eps, n, &mean, &scale);
    normalise_row<T>(x, weight, bias, mean, scale, n, y);
}

// Rows of x, one behind the other, into rows `stride` apart; mean and scale (rows) are kept.
template <class T>
inline void normalise_rows(const T* x, const T* weight, const T* bias, T eps, i64 n, i64 rows, T* mean, T* scale, T* y, i64 stride) {
    for (i64 i = 0; i < rows; i += kNormRows) {
        const i64 some = std::min<i64>(kNormRows, rows - i);
        if (some == kNormRows)
            row_moments<T, kNormRows>(x + i * n, eps, n, mean + i, scale + i);
        else
            for (i64 r = i; r < rows; ++r) row_moments<T, 1>(x + r * n, eps, n, mean + r, scale + r);
        for (i64 r = i; r < i + some; ++r) normalise_row<T>(x + r * n, weight, bias, mean[r], scale[r], n, y + r * stride);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
