// Which cells a dash covers, by its direction.
#pragma once
#include "generators/plane.hpp"

namespace longspike::generators {

// A dash that begins in the middle of a pixel: as steps from its cell, those that every direction of a sector covers, and those
// that only some of its directions may.
class DashTable {
public:
    static constexpr i64 kSectors = 1024;

    DashTable(double length, double radius, i64 row) {
        const i64 reach = this->reach(length, radius);
        const double inexact = length * 4.0 / kSectors + kRound;  // of the far end, within half a sector
        for (i64 k = 0; k < kSectors; ++k) {
            const Point u = direction_of(4.0 * (static_cast<double>(k) + 0.5) / kSectors), end{length * u.x, length * u.y};
            for (i64 y = -reach; y <= reach; ++y)
                for (i64 x = -reach; x <= reach; ++x) {
                    const Point pixel{static_cast<double>(x), static_cast<double>(y)};
                    const auto step = static_cast<std::int32_t>(y * row + x);
                    if (distance2(pixel, {0.0, 0.0}, end) > square(radius + inexact + kPixel)) continue;
                    if (radius > inexact && quarters(pixel, {0.0, 0.0}, end, radius - inexact))
                        sure_.entries.push_back(step);
                    else if (quarters(pixel, {0.0, 0.0}, end, radius + inexact))
                        unsure_.entries.push_back(step);
                }
            sure_.close(), unsure_.close();
        }
    }

    // So far from its first cell at most.
    static i64 reach(double length, double radius) { return static_cast<i64>(std::ceil(length + radius)) + 1; }
    const Lists& sure() const { return sure_; }
    const Lists& unsure() const { return unsure_; }

private:
    Lists sure_, unsure_;
};

}  // namespace longspike::generators
