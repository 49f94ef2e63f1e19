// A small dense product whose right side is packed once and stays in the caches: out = a b, row by row, in a fixed order.
#pragma once
#include <algorithm>

#include "core/aligned.hpp"
#include "core/kernels.hpp"
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

#if LONGSPIKE_VECTOR_BYTES == 64
constexpr int kDenseRows = 6, kDenseVectors = 4;
#else
constexpr int kDenseRows = 4, kDenseVectors = 2;  // sixteen registers
#endif

// b (inner, columns) as panels of kDenseVectors vectors, rows of a panel side by side; the columns behind the last are zero.
template <class T> struct PackedMatrix {
    static constexpr i64 kPanel = kDenseVectors * kLanes<T>;
    i64 inner, columns, panels;
    Aligned<T> data;
    PackedMatrix(const T* b, i64 inner_, i64 columns_)
        : inner(inner_), columns(columns_), panels((columns_ + kPanel - 1) / kPanel), data(panels * inner_ * kPanel) {
        for (i64 q = 0; q < panels; ++q)
            for (i64 k = 0; k < inner; ++k)
                std::copy_n(b + k * columns + q * kPanel, std::min(kPanel, columns - q * kPanel), panel(q) + k * kPanel);
    }
    T* panel(i64 q) { return data.data() + q * inner * kPanel; }
    const T* panel(i64 q) const { return data.data() + q * inner * kPanel; }
};

// Memory to be fetched line by line while something else is computed.
struct FetchedLines {
    const char *first[3] = {}, *last[3] = {};
    int count = 0;
    template <class T> void add(const T* x, i64 n) {
        first[count] = reinterpret_cast<const char*>(x), last[count] = reinterpret_cast<const char*>(x + n);
        ++count;
    }
    // Where the next `lines` of them begin; null: nowhere.
    const char* next(i64 lines) {
        if (count == 0) return nullptr;
        const char* at = first[count - 1];
        if ((first[count - 1] += 64 * lines) >= last[count - 1]) --count;
        return at;
    }
};

// kRows rows of one panel over `steps` of the inner index; adds to what `sums` holds.
template <class T, int kRows> void dense_tile(const T* a, i64 stride, const T* panel, i64 steps, T* sums, const char* fetch) {
    constexpr int kV = kDenseVectors;
    Vec<T> sum[kRows][kV];
    for (int i = 0; i < kRows; ++i)
        for (int g = 0; g < kV; ++g) sum[i][g] = load<T>(sums + (i * kV + g) * kLanes<T>);
    const i64 hop = fetch ? 64 : 0;
    if (!fetch) fetch = reinterpret_cast<const char*>(a);
    for (i64 k = 0; k < steps; ++k, panel += kV * kLanes<T>, fetch += hop) {
        Vec<T> b[kV];
        for (int g = 0; g < kV; ++g) b[g] = load<T>(panel + g * kLanes<T>);
        __builtin_prefetch(fetch, 0, 2);
        for (int i = 0; i < kRows; ++i) {
            const Vec<T> x = splat<T>(a[i * stride + k]);
            for (int g = 0; g < kV; ++g) sum[i][g] = fma(x, b[g], sum[i][g]);
        }
    }
    for (int i = 0; i < kRows; ++i)
        for (int g = 0; g < kV; ++g) store<T>(sums + (i * kV + g) * kLanes<T>, sum[i][g]);
}

template <class T> void dense_tile_of(int rows, const T* a, i64 stride, const T* panel, i64 steps, T* sums, const char* fetch) {
    if (rows == 1) return dense_tile<T, 1>(a, stride, panel, steps, sums, fetch);
    if (rows == 2) return dense_tile<T, 2>(a, stride, panel, steps, sums, fetch);
    if (rows == 3) return dense_tile<T, 3>(a, stride, panel, steps, sums, fetch);
    if (rows == 4) return dense_tile<T, 4>(a, stride, panel, steps, sums, fetch);
    if constexpr (kDenseRows == 6) {
        if (rows == 5) return dense_tile<T, 5>(a, stride, panel, steps, sums, fetch);
        return dense_tile<T, 6>(a, stride, panel, steps, sums, fetch);
    }
}

// out (rows, columns) = a (rows, inner) b for one panel of b; the panel's pieces stay in the first-level cache. Strides are
// those of the rows.
template <class T>
void dense_panel(const T* a, i64 a_stride, const PackedMatrix<T>& b, i64 q, T* out, i64 out_stride, i64 rows, FetchedLines fetch) {
    constexpr i64 kPanel = PackedMatrix<T>::kPanel, kPiece = 128;
    alignas(LONGSPIKE_VECTOR_BYTES) T sums[64 * kPanel] = {};
    for (i64 k = 0; k < b.inner; k += kPiece) {
        const i64 steps = std::min(kPiece, b.inner - k);
        for (i64 i = 0; i < rows; i += kDenseRows)
            dense_tile_of<T>(static_cast<int>(std::min<i64>(kDenseRows, rows - i)), a + i * a_stride + k, a_stride, b.panel(q) + k * kPanel,
                             steps, sums + i * kPanel, fetch.next(steps));
    }
    const i64 first = q * kPanel, n = std::min(kPanel, b.columns - first);
    for (i64 i = 0; i < rows; ++i) std::copy_n(sums + i * kPanel, n, out + i * out_stride + first);
}

}  // namespace longspike::LONGSPIKE_ARCH
