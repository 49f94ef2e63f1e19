#include "generators/pathfinder.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace longspike::generators {
namespace {

using i64 = std::int64_t;
constexpr double kPi = 3.141592653589793;
constexpr int kPaddleTries = 3, kSnakeTries = 5;
constexpr double kLeastFree = 0.01;

// SplitMix64 (Steele, Lea and Flood 2014).
struct Random {
    std::uint64_t state;
    std::uint64_t next() {
        std::uint64_t z = (state += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
    i64 below(i64 n) { return static_cast<i64>(uniform() * static_cast<double>(n)); }
};

struct Point { double x, y; };

struct Covered {
    i64 pixel;
    int quarters;  // of its four sub-pixels
};

struct Paddle {
    Point tail, head, pivot, direction;  // pivot: round which the next one's head is looked for
    std::vector<Covered> pixels;
};

double square(double x) { return x * x; }

// Squared distance of p to the segment from a to b.
double distance2(Point p, Point a, Point b) {
    const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    double t = length2 > 0.0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length2 : 0.0;
    t = std::min(std::max(t, 0.0), 1.0);
    return square(p.x - (a.x + t * dx)) + square(p.y - (a.y + t * dy));
}

class Picture {
public:
    Picture(const PathfinderRules& rules, Random random) : rules_(rules), random_(random), n_(rules.size), stamp_(n_ * n_, 0) {
        margin_ = rules.lowest_margin + random_.below(rules.highest_margin - rules.lowest_margin + 1);
        for (i64 dy = -margin_; dy <= margin_; ++dy)
            for (i64 dx = -margin_; dx <= margin_; ++dx)
                if (dx * dx + dy * dy <= margin_ * margin_) near_.push_back({dx, dy});
        mask_.assign(n_ * n_, 0), taken_.assign(n_ * n_, 0);
        for (i64 y = 0; y < n_; ++y)
            for (i64 x = 0; x < n_; ++x)
                if (std::min({x, y, n_ - 1 - x, n_ - 1 - y}) < rules_.padding) mark(y * n_ + x);
        border_ = mask_, near_border_ = taken_;
    }

    i64 draw(bool is_joined, std::uint8_t* image) {
        while (!place_pair()) {}
        const i64 placed = place_distractors();
        const i64 first = random_.below(2), last = is_joined ? first : 1 - first;
        std::fill(image, image + n_ * n_, std::uint8_t(0));
        for (const Covered& c : layer_) paint(image, c.pixel, std::min(1.0, rules_.contrast * c.quarters / 4.0));
        for (const Point tip : {pair_[first].front().tail, pair_[last].back().head})
            for (const Covered& c : covered(tip, tip, rules_.marker_radius)) paint(image, c.pixel, c.quarters / 4.0);
        return placed;
    }

private:
    static void paint(std::uint8_t* image, i64 pixel, double value) {
        image[pixel] = std::max(image[pixel], static_cast<std::uint8_t>(std::lround(255.0 * value)));
    }

    bool is_inside(i64 x, i64 y) const { return 0 <= x && x < n_ && 0 <= y && y < n_; }

    // The pixels of which a quarter or more lies within `radius` of the segment.
    std::vector<Covered> covered(Point a, Point b, double radius) const {
        const i64 x0 = std::max<i64>(0, std::floor(std::min(a.x, b.x) - radius)),
                  x1 = std::min<i64>(n_ - 1, std::ceil(std::max(a.x, b.x) + radius)),
                  y0 = std::max<i64>(0, std::floor(std::min(a.y, b.y) - radius)),
                  y1 = std::min<i64>(n_ - 1, std::ceil(std::max(a.y, b.y) + radius));
        std::vector<Covered> found;
        for (i64 y = y0; y <= y1; ++y)
            for (i64 x = x0; x <= x1; ++x) {
                int quarters = 0;
                for (const double dy : {-0.25, 0.25})
                    for (const double dx : {-0.25, 0.25}) quarters += distance2({x + dx, y + dy}, a, b) <= radius * radius;
                if (quarters) found.push_back({y * n_ + x, quarters});
            }
        return found;
    }

    Paddle paddle(Point tail, Point head, Point pivot, Point direction) const {
        return {tail, head, pivot, direction, covered(tail, head, rules_.thickness / 2)};
    }

    // Whether a paddle, widened by the margin, meets what is there, or the paddle `other`.
    bool meets(const Paddle& p, const Paddle* other) {
        ++stamps_;
        bool is_met = false;
        for (const Covered& c : p.pixels)
            for (const auto& [dx, dy] : near_) {
                const i64 x = c.pixel % n_ + dx, y = c.pixel / n_ + dy;
                if (!is_inside(x, y)) continue;
                stamp_[y * n_ + x] = stamps_;
                is_met |= mask_[y * n_ + x] != 0;
            }
        if (other)
            for (const Covered& c : other->pixels) is_met |= stamp_[c.pixel] == stamps_;
        return is_met || p.pixels.empty();
    }

    void join(const Paddle& p) {
        for (const Covered& c : p.pixels) mark(c.pixel);
    }

    void mark(i64 pixel) {
        mask_[pixel] = 1;
        for (const auto& [dx, dy] : near_)
            if (const i64 x = pixel % n_ + dx, y = pixel / n_ + dy; is_inside(x, y)) taken_[y * n_ + x] = 1;
    }

    // A first paddle with a random orientation, in whole degrees.
    Paddle seed(Point tail) {
        const double angle = static_cast<double>(random_.below(360)) * kPi / 180.0;
        const Point u{std::cos(angle), std::sin(angle)};
        const double length = rules_.paddle_length, reach = length + static_cast<double>(margin_);
        return paddle(tail, {tail.x + length * u.x, tail.y + length * u.y}, {tail.x + reach * u.x, tail.y + reach * u.y}, u);
    }

    struct Candidate {
        i64 x, y;
        Point direction;
        double sum;  // of the weights up to here
    };

    // The next paddle behind `last`, if one was found.
    std::optional<Paddle> extended(const Paddle& last, const Paddle* other) {
        const Point pivot = last.pivot, before = last.direction;
        const double margin = static_cast<double>(margin_), radius = rules_.paddle_length + margin;
        const double lowest = square(radius - 0.5), highest = square(radius + 0.5), widest = std::cos(kPi / 2 / rules_.continuity);
        auto& candidates = candidates_;
        candidates.clear();
        double sum = 0.0;
        const i64 reach = static_cast<i64>(std::ceil(radius)) + 2, px = std::lround(pivot.x), py = std::lround(pivot.y);
        for (i64 y = std::max<i64>(0, py - reach); y <= std::min(n_ - 1, py + reach); ++y)
            for (i64 x = std::max<i64>(0, px - reach); x <= std::min(n_ - 1, px + reach); ++x) {
                const double dx = static_cast<double>(x) - pivot.x, dy = static_cast<double>(y) - pivot.y;
                const double distance2 = dx * dx + dy * dy;
                if (distance2 < lowest || distance2 > highest || taken_[y * n_ + x]) continue;
                const double distance = std::sqrt(distance2);
                const Point u{dx / distance, dy / distance};
                const double along = u.x * before.x + u.y * before.y;
                if (along <= widest) continue;
                sum += square(std::cos(rules_.continuity * std::acos(std::min(along, 1.0))));
                candidates.push_back({x, y, u, sum});
            }
        if (candidates.empty()) return std::nullopt;
        for (int k = 0; k < kPaddleTries; ++k) {
            const double drawn = random_.uniform() * sum;
            const Candidate c = *std::find_if(candidates.begin(), candidates.end() - 1, [&](const Candidate& c) { return c.sum > drawn; });
            const Point head{static_cast<double>(c.x), static_cast<double>(c.y)};
            const double length = rules_.paddle_length, ahead = length + 2 * margin;
            Paddle found = paddle({head.x - length * c.direction.x, head.y - length * c.direction.y}, head,
                                  {pivot.x + ahead * c.direction.x, pivot.y + ahead * c.direction.y}, c.direction);
            if (!meets(found, other)) return found;
        }
        return std::nullopt;
    }

    bool place_pair() {
        mask_ = border_, taken_ = near_border_;
        pair_[0].clear(), pair_[1].clear();
        const i64 edge = std::lround(2 * rules_.seed_distance), room = n_ - 2 * edge;
        const Point tail{static_cast<double>(edge + random_.below(room)), static_cast<double>(edge + random_.below(room))};
        const double angle = random_.uniform() * 2 * kPi, away = rules_.seed_distance;
        pair_[0].push_back(seed(tail));
        pair_[1].push_back(seed({std::round(tail.x + away * std::cos(angle)), std::round(tail.y + away * std::sin(angle))}));
        if (meets(pair_[0][0], nullptr) || meets(pair_[1][0], &pair_[0][0])) return false;
        for (i64 k = 1; k < rules_.contour_length; ++k)
            for (int s = 0; s < 2; ++s) {
                std::optional<Paddle> next = extended(pair_[s].back(), &pair_[1 - s].back());
                if (!next) return false;
                join(pair_[s].back());
                pair_[s].push_back(std::move(*next));
            }
        for (const auto& snake : pair_) finish(snake);
        return true;
    }

    void finish(const std::vector<Paddle>& snake) {
        join(snake.back());
        for (const Paddle& p : snake) layer_.insert(layer_.end(), p.pixels.begin(), p.pixels.end());
    }

    i64 place_distractors() {
        i64 placed = 0;
        for (i64 k = 0; k < rules_.num_distractors; ++k)
            for (int t = 0; t < kSnakeTries; ++t) {
                std::vector<i64> free;
                for (i64 pixel = 0; pixel < n_ * n_; ++pixel)
                    if (!taken_[pixel]) free.push_back(pixel);
                if (static_cast<double>(free.size()) < kLeastFree * static_cast<double>(n_ * n_)) return placed;
                if (place_distractor(free[random_.below(static_cast<i64>(free.size()))])) {
                    ++placed;
                    break;
                }
            }
        return placed;
    }

    bool place_distractor(i64 pixel) {
        const std::vector<std::uint8_t> mask = mask_, taken = taken_;
        std::vector<Paddle> snake{seed({static_cast<double>(pixel % n_), static_cast<double>(pixel / n_)})};
        bool is_placed = !meets(snake[0], nullptr);
        for (i64 k = 1; is_placed && k < rules_.distractor_length; ++k) {
            std::optional<Paddle> next = extended(snake.back(), nullptr);
            is_placed = next.has_value();
            if (!is_placed) break;
            join(snake.back());
            snake.push_back(std::move(*next));
        }
        if (is_placed)
            finish(snake);
        else
            mask_ = mask, taken_ = taken;
        return is_placed;
    }

    const PathfinderRules& rules_;
    Random random_;
    i64 n_, margin_ = 0, stamps_ = 0;
    std::vector<std::pair<i64, i64>> near_;   // what is within the margin
    std::vector<std::uint8_t> mask_, taken_;  // what is there, the border too; and what is within the margin of it
    std::vector<std::uint8_t> border_, near_border_;
    std::vector<Candidate> candidates_;
    std::vector<i64> stamp_;
    std::vector<Covered> layer_;
    std::vector<Paddle> pair_[2];
};

}  // namespace

void draw_pathfinder(const PathfinderRules& rules, std::uint64_t seed, std::int64_t first, std::int64_t count, const std::uint8_t* labels,
                     std::uint8_t* images, std::int32_t* placed) {
    for (i64 k = 0; k < count; ++k) {
        Random start{seed};
        Picture picture(rules, Random{start.next() + static_cast<std::uint64_t>(first + k)});
        placed[k] = static_cast<std::int32_t>(picture.draw(labels[k] != 0, images + k * rules.size * rules.size));
    }
}

}  // namespace longspike::generators
