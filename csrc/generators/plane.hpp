// Points, directions and dashes on a picture whose pixels lie at whole numbers, and the picture while it is drawn.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace longspike::generators {

using i64 = std::int64_t;
constexpr double kPi = 3.141592653589793;
constexpr double kRound = 1e-9;  // more than any rounding of a place on a picture
constexpr double kPixel = 0.36;  // from the middle of a pixel to those of its four parts, and more

struct Point { double x, y; };

inline double square(double x) { return x * x; }

// Squared distance of p to the segment from a to b.
inline double distance2(Point p, Point a, Point b) {
    const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    double t = length2 > 0.0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length2 : 0.0;
    t = std::min(std::max(t, 0.0), 1.0);
    return square(p.x - (a.x + t * dx)) + square(p.y - (a.y + t * dy));
}

// How many of the four parts of pixel p lie within `radius` of the segment from a to b.
inline int quarters(Point p, Point a, Point b, double radius) {
    int found = 0;
    for (const double dy : {-0.25, 0.25})
        for (const double dx : {-0.25, 0.25}) found += distance2({p.x + dx, p.y + dy}, a, b) <= radius * radius;
    return found;
}

// The turn of a direction: a number in [0, 4) that grows with its angle, by a half to once as fast, and costs one division.
inline double turn_of(Point u) {
    const double along = u.y / (std::fabs(u.x) + std::fabs(u.y)), turn = u.x >= 0.0 ? along : 2.0 - along;
    return turn < 0.0 ? turn + 4.0 : turn;
}

inline Point direction_of(double turn) {
    const double x = std::fabs(turn - 2.0) - 1.0, y = turn > 3.0 ? turn - 4.0 : 1.0 - std::fabs(turn - 1.0);
    const double length = std::hypot(x, y);
    return {x / length, y / length};
}

// One of `count` equal shares of all turns.
inline i64 sector_of(double turn, i64 count) { return std::min(static_cast<i64>(turn * static_cast<double>(count) / 4.0), count - 1); }

// A picture with room round it: a cell is a byte of flags, and all that is outside has the first.
struct Board {
    static constexpr std::uint8_t kTaken = 1;

    i64 n, room, row;
    std::vector<std::uint8_t> cells;

    // Free but for `border` pixels along the edges.
    Board(i64 n, i64 room, i64 border) : n(n), room(room), row(n + 2 * room), cells(row * row, kTaken) {
        for (i64 y = border; y < n - border; ++y) std::fill_n(&cells[at(border, y)], std::max<i64>(0, n - 2 * border), std::uint8_t(0));
    }
    i64 at(i64 x, i64 y) const { return (y + room) * row + x + room; }
    Point pixel(i64 cell) const { return {static_cast<double>(cell % row - room), static_cast<double>(cell / row - room)}; }
};

// Lists, one behind another.
struct Lists {
    std::vector<std::int32_t> entries;
    std::vector<i64> starts{0};

    void close() { starts.push_back(static_cast<i64>(entries.size())); }
    i64 size(i64 k) const { return starts[k + 1] - starts[k]; }
    const std::int32_t* begin(i64 k) const { return entries.data() + starts[k]; }
    const std::int32_t* end(i64 k) const { return entries.data() + starts[k + 1]; }
};

}  // namespace longspike::generators
