// Spans of a (batch, seqlen, channels) tensor with the channels side by side, whatever the tensor's strides.
//
// Channels that lie side by side are used where they are. Steps that lie side by side (a channels-first tensor) are
// transposed in registers, a few steps and channels at a time, on their way through the first-level cache, so that the
// whole tensor is neither copied nor allocated. Anything else (expanded, sliced) is gathered number by number.
#pragma once
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/kernels.hpp"
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kTransposedChannels = 64;  // channels of a tile that is transposed: two spans of it fit the nearest cache
constexpr i64 kStagedChannels = 256;     // channels of a tile whose rows are shifted to whole cache lines

template <class T> bool is_side_by_side(const Strided<T>& x) { return x.channel == 1; }

// A buffer whose first element lies `phase` elements after a whole vector.
template <class T> struct Scratch {
    std::vector<T> memory;
    T* at(i64 size, i64 phase = 0) {
        if (static_cast<i64>(memory.size()) < size + 2 * kLanes<T>) memory.resize(size + 2 * kLanes<T>);
        const auto misplaced = reinterpret_cast<std::uintptr_t>(memory.data()) % LONGSPIKE_VECTOR_BYTES / sizeof(T);
        return memory.data() + (kLanes<T> - misplaced) % kLanes<T> + phase;
    }
};

template <class T, bool kHigh, int... k> inline Vec<T> interleave_half(Vec<T> a, Vec<T> b, std::integer_sequence<int, k...>) {
    return __builtin_shufflevector(a, b, ((kHigh ? kLanes<T> / 2 : 0) + k / 2 + (k % 2 ? kLanes<T> : 0))...);
}

// Rows become columns: interleaving row i with row i + n/2 is a perfect shuffle, and log2(n) of them transpose.
template <class T> inline void transpose(std::array<Vec<T>, kLanes<T>>& rows) {
    constexpr int n = kLanes<T>;
    using Each = std::make_integer_sequence<int, n>;
#pragma GCC unroll 8
    for (int stage = 1; stage < n; stage *= 2) {
        std::array<Vec<T>, n> next;
#pragma GCC unroll 8
        for (int i = 0; i < n / 2; ++i) {
            next[2 * i] = interleave_half<T, false>(rows[i], rows[i + n / 2], Each{});
            next[2 * i + 1] = interleave_half<T, true>(rows[i], rows[i + n / 2], Each{});
        }
        rows = next;
    }
}

// One square of transpose_matrix, or what the edge leaves of it; whole squares stay in registers.
template <class T, bool kWhole, bool kStreaming>
[[gnu::always_inline]] inline void transpose_square(const T* x, i64 x_stride, T* y, i64 y_stride, int height, int width, i64 ahead) {
    std::array<Vec<T>, kLanes<T>> part{};
#pragma GCC unroll 16
    for (int k = 0; k < (kWhole ? kLanes<T> : width); ++k) {
        part[k] = load_first<T>(x + k * x_stride, kWhole ? kLanes<T> : height);
        __builtin_prefetch(x + k * x_stride + ahead);
    }
    transpose<T>(part);
#pragma GCC unroll 16
    for (int k = 0; k < (kWhole ? kLanes<T> : height); ++k) {
        if constexpr (kStreaming)
            store_streaming<T>(y + k * y_stride, part[k]);
        else
            store_first<T>(y + k * y_stride, part[k], kWhole ? kLanes<T> : width);
    }
}

// y[i, j] = x[j, i] for i < rows, j < columns; `ahead` elements further on x is fetched for the next call.
template <class T> void transpose_matrix(const T* x, i64 x_stride, T* y, i64 y_stride, i64 rows, i64 columns, i64 ahead, bool streaming) {
    constexpr i64 n = kLanes<T>;
    for (i64 j = 0; j < columns; j += n)
        for (i64 i = 0; i < rows; i += n) {
            const int height = static_cast<int>(std::min(n, rows - i)), width = static_cast<int>(std::min(n, columns - j));
            const T* from = x + j * x_stride + i;
            T* to = y + i * y_stride + j;
            if (height < n || width < n)
                transpose_square<T, false, false>(from, x_stride, to, y_stride, height, width, ahead);
            else if (streaming)
                transpose_square<T, true, true>(from, x_stride, to, y_stride, height, width, ahead);
            else
                transpose_square<T, true, false>(from, x_stride, to, y_stride, height, width, ahead);
        }
}

// Around the caches, as far as whole vectors of `to` go; both lie equally far from a whole vector.
template <class T> void copy_streaming(T* to, const T* from, i64 n) {
    const auto misplaced = static_cast<i64>(reinterpret_cast<std::uintptr_t>(to) % LONGSPIKE_VECTOR_BYTES / sizeof(T));
    const i64 head = std::min(n, misplaced ? kLanes<T> - misplaced : 0);
    if (head) store_first<T>(to, load_first<T>(from, head), head);
    i64 j = head;
    for (; j + kLanes<T> <= n; j += kLanes<T>) store_streaming<T>(to + j, load<T>(from + j));
    if (j < n) store_first<T>(to + j, load_first<T>(from + j, n - j), n - j);
}

// The steps of a span, side by side or strided.
template <class T> struct SpanView {
    T* first;    // of the span's first step and the tile's first channel
    i64 stride;  // elements from a step to the next
};

// Fetches cache lines early, row after row. A few steps of a vector at a time touch memory in an order that the hardware does
// not foresee; this walks through it in order, which the hardware sees and continues.
template <class T> struct Fetch {
    const T* at = nullptr;  // null: nothing to fetch
    i64 vectors = 1, jump = 0, done = 0;

    Fetch() = default;
    Fetch(const SpanView<const T>& span, i64 width)
        : at(span.first), vectors((width + kLanes<T> - 1) / kLanes<T>), jump(span.stride - vectors * kLanes<T>) {}
    template <int kLevel> void next() {
        if (!at) return;
        __builtin_prefetch(at, 0, kLevel);
        at += kLanes<T>;
        if (++done == vectors) done = 0, at += jump;
    }
};

// Reads one sample's channels [first, first + width).
template <class T> struct SpanReader {
    Strided<const T> x;
    i64 width;
    Scratch<T> scratch;
    SpanReader(const Strided<const T>& all, i64 b, i64 first, i64 width_) : x(all), width(width_) {
        x.data += b * x.batch + first * x.channel;
    }
    bool is_direct() const { return is_side_by_side(x); }
    // From step t on, where the numbers are used where they lie; a transposing reader fetches on its own.
    Fetch<T> fetch(i64 t) const { return is_direct() ? Fetch<T>({x.data + t * x.time, x.time}, width) : Fetch<T>(); }
    // `ahead`: how many steps on (or back, if negative) the next span lies.
    SpanView<const T> at(i64 t, i64 rows, i64 ahead) {
        const T* from = x.data + t * x.time;
        if (is_direct()) return {from, x.time};
        const i64 stride = (width + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
        T* to = scratch.at(rows * stride);
        if (x.time == 1) {
            transpose_matrix<T>(from, x.channel, to, stride, rows, width, ahead, false);
        } else if (x.channel == 0) {  // expanded, as the gradient of a sum
            for (i64 k = 0; k < rows; ++k) std::fill_n(to + k * stride, width, from[k * x.time]);
        } else {
            for (i64 k = 0; k < rows; ++k)
                for (i64 j = 0; j < width; ++j) to[k * stride + j] = from[k * x.time + j * x.channel];
        }
        return {to, stride};
    }
};

// Writes one sample's channels [first, first + width): `begin` says where, `end` brings it to its place.
template <class T> struct SpanWriter {
    Strided<T> y;
    i64 width;
    bool streaming, staged;
    Scratch<T> scratch;
    SpanWriter(const Strided<T>& all, i64 b, i64 first, i64 width_, bool streaming_) : y(all), width(width_), streaming(streaming_) {
        const bool fits = all.batch * sizeof(T) % LONGSPIKE_VECTOR_BYTES == 0 && all.time * sizeof(T) % LONGSPIKE_VECTOR_BYTES == 0 &&
                          reinterpret_cast<std::uintptr_t>(all.data) % LONGSPIKE_VECTOR_BYTES == 0;
        y.data += b * y.batch + first * y.channel;
        staged = !is_side_by_side(y) || (streaming && !fits);
    }
    // Whether the rows themselves may be written around the caches.
    bool rows_stream() const { return streaming && !staged; }
    SpanView<T> begin(i64 t, i64 rows) {
        T* to = y.data + t * y.time;
        if (!staged) return {to, y.time};
        if (!is_side_by_side(y)) {
            const i64 stride = (width + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
            return {scratch.at(rows * stride), stride};
        }
        // The same distance from a whole vector as the destination, row for row.
        const i64 phase = static_cast<i64>(reinterpret_cast<std::uintptr_t>(to) % LONGSPIKE_VECTOR_BYTES / sizeof(T));
        const i64 stride = width == y.time ? width : (width + kLanes<T> - 1) / kLanes<T> * kLanes<T> + y.time % kLanes<T>;
        return {scratch.at(rows * stride, phase), stride};
    }
    void end(const SpanView<T>& span, i64 t, i64 rows) {
        T* to = y.data + t * y.time;
        if (!staged) return;
        if (!is_side_by_side(y)) {
            const bool whole = reinterpret_cast<std::uintptr_t>(to) % LONGSPIKE_VECTOR_BYTES == 0 && y.channel % kLanes<T> == 0;
            transpose_matrix<T>(span.first, span.stride, to, y.channel, width, rows, 0, streaming && whole);
        } else if (span.stride == y.time) {
            copy_streaming<T>(to, span.first, rows * width);
        } else {
            for (i64 k = 0; k < rows; ++k) copy_streaming<T>(to + k * y.time, span.first + k * span.stride, width);
        }
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
