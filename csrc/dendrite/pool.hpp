// The largest row of each group, channel by channel: spatial pooling of membranes.
#pragma once
#include <algorithm>
#include <type_traits>

#include "core/parallel.hpp"
#include "dendrite/backward.hpp"

namespace longspike::LONGSPIKE_ARCH {

constexpr i64 kGroupsPerPiece = 256;

template <class T> void segment_max(const SegmentMaxCall<T>& c) {
    using I = typename Lanes<T>::I;
    using Index = std::remove_reference_t<decltype(I{}[0])>;
    for_pieces(c.groups, kGroupsPerPiece, c.threads, [&](i64 from, i64 to) {
        for (i64 k = from; k < to; ++k) {
            const i64 begin = c.group_offsets[k], count = c.group_offsets[k + 1] - begin;
            for (i64 j = 0; j < c.channels; j += kLanes<T>) {
                const int n = static_cast<int>(std::min<i64>(kLanes<T>, c.channels - j));
                Vec<T> largest = load_first<T>(c.x + c.group_rows[begin] * c.channels + j, n);
                I position{};
                for (i64 r = 1; r < count; ++r) {
                    const Vec<T> x = load_first<T>(c.x + c.group_rows[begin + r] * c.channels + j, n);
                    position = x > largest ? I{} + static_cast<Index>(r) : position;
                    largest = maximum<T>(x, largest);
                }
                store_first<T>(c.y + k * c.channels + j, largest, n);
                for (int lane = 0; lane < n; ++lane) c.position[k * c.channels + j + lane] = static_cast<std::int32_t>(position[lane]);
            }
        }
    });
}

template <class T> void segment_max_backward(const SegmentMaxCall<T>& c) {
    for_pieces(c.groups, kGroupsPerPiece, c.threads, [&](i64 from, i64 to) {
        for (i64 k = from; k < to; ++k)
            for (i64 r = c.group_offsets[k]; r < c.group_offsets[k + 1]; ++r) {
                T* __restrict out = c.y + c.group_rows[r] * c.channels;
                const T* __restrict grad = c.x + k * c.channels;
                const std::int32_t* __restrict position = c.position + k * c.channels;
                const auto here = static_cast<std::int32_t>(r - c.group_offsets[k]);
                for (i64 j = 0; j < c.channels; ++j) out[j] = position[j] == here ? grad[j] : T(0);
            }
    });
}

template <class T> constexpr DendriteTable<T> dendrite_table() {
    return {dendrite_forward<T, false>, dendrite_forward<T, true>, dendrite_backward<T, false>, dendrite_backward<T, true>, segment_max<T>,
            segment_max_backward<T>};
}

}  // namespace longspike::LONGSPIKE_ARCH
