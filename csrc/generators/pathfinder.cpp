#include "generators/pathfinder.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "generators/dashes.hpp"
#include "generators/next_heads.hpp"
#include "generators/plane.hpp"

namespace longspike::generators {
namespace {

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

struct Paddle {
    Point tail, head, pivot, direction;  // pivot: round which the next one's head is looked for
    double turn;                         // of the direction
    i64 cell, sector;                    // of its tip in the middle of a pixel; of a DashTable, from there
};

// What all pictures of one margin share.
struct Margin {
    HeadRule rule;
    Board empty;
    HeadTable heads;
    DashTable dashes;
    Point directions[360];  // of whole degrees
    std::vector<i64> near;  // steps to the cells within the margin
    double least;           // so far ahead of the pivot the next paddle begins
    double reach;           // of the next paddle, from the place half a radius ahead of the pivot

    Margin(const PathfinderRules& rules, i64 margin)
        : rule{rules.paddle_length + static_cast<double>(margin), rules.continuity},
          empty(rules.size, DashTable::reach(rules.paddle_length, rules.thickness / 2) + margin + 2, rules.padding + margin),
          heads(rule, empty.row), dashes(rules.paddle_length, rules.thickness / 2, empty.row) {
        for (int k = 0; k < 360; ++k) directions[k] = {std::cos(k * kPi / 180.0), std::sin(k * kPi / 180.0)};
        for (i64 dy = -margin; dy <= margin; ++dy)
            for (i64 dx = -margin; dx <= margin; ++dx)
                if (dx * dx + dy * dy <= margin * margin) near.push_back(dy * empty.row + dx);
        const double most = rule.radius + 0.5, half = rule.radius / 2, bend = rule.widest();
        least = (static_cast<double>(margin) - 0.5) * bend - rules.thickness / 2 - kPixel;
        reach = std::sqrt(square(most) + square(half) - 2 * most * half * bend) + rules.thickness / 2 + kPixel;
    }
};

class Picture {
public:
    Picture(const PathfinderRules& rules, i64 margin, const Margin& shared, Random random)
        : rules_(rules), margin_(static_cast<double>(margin)), shared_(shared), random_(random), board_(shared.empty),
          heads_(shared.rule, shared.heads) {}

    i64 draw(bool is_joined, std::uint8_t* image) {
        while (!place_pair()) {}
        const i64 placed = place_distractors();
        const i64 first = random_.below(2), last = is_joined ? first : 1 - first;
        std::fill(image, image + board_.n * board_.n, std::uint8_t(0));
        for (const Paddle& p : layer_) paint(image, p.tail, p.head, rules_.thickness / 2, rules_.contrast);
        for (const Point tip : {pair_[first].front().tail, pair_[last].back().head}) paint(image, tip, tip, rules_.marker_radius, 1.0);
        return placed;
    }

private:
    // The pixels of which a quarter or more lies within `radius` of the segment.
    void paint(std::uint8_t* image, Point a, Point b, double radius, double contrast) const {
        const i64 n = board_.n, x0 = std::max<i64>(0, std::floor(std::min(a.x, b.x) - radius)),
                  x1 = std::min<i64>(n - 1, std::ceil(std::max(a.x, b.x) + radius)),
                  y0 = std::max<i64>(0, std::floor(std::min(a.y, b.y) - radius)),
                  y1 = std::min<i64>(n - 1, std::ceil(std::max(a.y, b.y) + radius));
        for (i64 y = y0; y <= y1; ++y)
            for (i64 x = x0; x <= x1; ++x) {
                const int found = quarters({static_cast<double>(x), static_cast<double>(y)}, a, b, radius);
                const auto grey = static_cast<std::uint8_t>(std::lround(255.0 * std::min(1.0, contrast * found / 4.0)));
                image[y * n + x] = std::max(image[y * n + x], grey);
            }
    }

    bool covers(const Paddle& p, i64 cell) const { return quarters(board_.pixel(cell), p.tail, p.head, rules_.thickness / 2) > 0; }

    // Whether a paddle meets a cell with one of these flags.
    bool meets(const Paddle& p, std::uint8_t flags) const {
        const Lists &sure = shared_.dashes.sure(), &unsure = shared_.dashes.unsure();
        const std::uint8_t* cells = board_.cells.data() + p.cell;
        std::uint8_t found = 0;
        for (const std::int32_t* step = sure.begin(p.sector); step != sure.end(p.sector); ++step) found |= cells[*step];
        if (found & flags) return true;
        return std::any_of(unsure.begin(p.sector), unsure.end(p.sector),
                           [&](std::int32_t step) { return (cells[step] & flags) && covers(p, p.cell + step); });
    }

    // Give the cells within the margin of a paddle a flag.
    void mark(const Paddle& p, std::uint8_t flag) {
        is_marked_ = true;
        const Lists &sure = shared_.dashes.sure(), &unsure = shared_.dashes.unsure();
        const auto mark_cell = [&](i64 cell) {
            for (const i64 step : shared_.near) board_.cells[cell + step] |= flag;
        };
        for (const std::int32_t* step = sure.begin(p.sector); step != sure.end(p.sector); ++step) mark_cell(p.cell + *step);
        for (const std::int32_t* step = unsure.begin(p.sector); step != unsure.end(p.sector); ++step)
            if (covers(p, p.cell + *step)) mark_cell(p.cell + *step);
    }

    // A first paddle with a random orientation, in whole degrees.
    Paddle seed(i64 x, i64 y) {
        const double length = rules_.paddle_length, reach = length + margin_;
        const Point u = shared_.directions[random_.below(360)], tail{static_cast<double>(x), static_cast<double>(y)};
        const double turn = turn_of(u);
        return {tail,
                {tail.x + length * u.x, tail.y + length * u.y},
                {tail.x + reach * u.x, tail.y + reach * u.y},
                u,
                turn,
                board_.at(x, y),
                sector_of(turn, DashTable::kSectors)};
    }

    // The next paddle behind `last` that meets none of these flags, if one was found.
    std::optional<Paddle> extended(const Paddle& last, std::uint8_t flags) {
        const double length = rules_.paddle_length, ahead = length + 2 * margin_;
        heads_.look(board_, last.pivot, last.direction, last.turn);
        for (int k = 0; k < kPaddleTries; ++k) {
            if (heads_.empty()) break;
            const NextHeads::Head head = heads_.draw(random_.uniform());
            const Point u = head.direction;
            const double turn = turn_of(u);
            const Paddle found{{head.at.x - length * u.x, head.at.y - length * u.y},
                               head.at,
                               {last.pivot.x + ahead * u.x, last.pivot.y + ahead * u.y},
                               u,
                               turn,
                               board_.at(static_cast<i64>(head.at.x), static_cast<i64>(head.at.y)),
                               sector_of(turn < 2.0 ? turn + 2.0 : turn - 2.0, DashTable::kSectors)};
            if (!meets(found, flags)) return found;
        }
        return std::nullopt;
    }

    // The flag of the last paddle of a snake of the pair, which is no obstacle to its own snake, nor to where a head can be.
    static std::uint8_t last_of(int snake) { return static_cast<std::uint8_t>(2 << snake); }

    // Whether anything within `reach` of a place can come within the margin of a paddle.
    bool is_near(Point at, double reach, const Paddle& p) const {
        return square((p.tail.x + p.head.x) / 2 - at.x) + square((p.tail.y + p.head.y) / 2 - at.y) <
               square(reach + rules_.paddle_length / 2 + rules_.thickness / 2 + kPixel + margin_);
    }

    // Mark what is near the paddle that is looked for: of the snakes what is there, and the last paddle of the other one.
    void mark_near(int snake) {
        const Paddle &last = pair_[snake].back(), &other = pair_[1 - snake].back();
        const double wide = rules_.thickness / 2 + kPixel + margin_;  // of a paddle, to where another meets it
        const double ahead = shared_.rule.radius / 2;
        const Point u = last.direction, middle{last.pivot.x + ahead * u.x, last.pivot.y + ahead * u.y};
        const double behind = last.pivot.x * u.x + last.pivot.y * u.y + shared_.least - wide;
        const auto may_meet = [&](const Paddle& p) {
            return square((p.tail.x + p.head.x) / 2 - middle.x) + square((p.tail.y + p.head.y) / 2 - middle.y) <
                       square(shared_.reach + rules_.paddle_length / 2 + wide) &&
                   std::max(p.tail.x * u.x + p.tail.y * u.y, p.head.x * u.x + p.head.y * u.y) > behind;
        };
        for (std::size_t k = 0; k < waiting_.size();)
            if (may_meet(waiting_[k])) {
                mark(waiting_[k], Board::kTaken);
                waiting_[k] = waiting_.back(), waiting_.pop_back();
            } else
                ++k;
        if (may_meet(other)) mark(other, last_of(1 - snake));
    }

    bool place_pair() {
        if (is_marked_) board_.cells = shared_.empty.cells;
        is_marked_ = false;
        waiting_.clear();
        const i64 edge = std::lround(2 * rules_.seed_distance), room = board_.n - 2 * edge;
        const i64 x = edge + random_.below(room), y = edge + random_.below(room);
        const double angle = random_.uniform() * 2 * kPi, away = rules_.seed_distance;
        pair_[0].assign(1, seed(x, y));
        pair_[1].assign(1, seed(std::lround(static_cast<double>(x) + away * std::cos(angle)),
                                std::lround(static_cast<double>(y) + away * std::sin(angle))));
        const Paddle &first = pair_[0][0], &second = pair_[1][0];
        if (is_near(second.tail, rules_.paddle_length + rules_.thickness / 2 + kPixel, first)) mark(first, last_of(0));
        if (meets(first, Board::kTaken) || meets(second, Board::kTaken | last_of(0))) return false;
        for (i64 k = 1; k < rules_.contour_length; ++k)
            for (int s = 0; s < 2; ++s) {
                mark_near(s);
                const std::optional<Paddle> next = extended(pair_[s].back(), Board::kTaken | last_of(1 - s));
                if (!next) return false;
                waiting_.push_back(pair_[s].back());
                pair_[s].push_back(*next);
            }
        for (const Paddle& p : waiting_) mark(p, Board::kTaken);
        for (const auto& snake : pair_) finish(snake);
        return true;
    }

    // The last paddle is there, and the snake is drawn.
    void finish(const std::vector<Paddle>& snake) {
        mark(snake.back(), Board::kTaken);
        layer_.insert(layer_.end(), snake.begin(), snake.end());
    }

    i64 place_distractors() {
        const i64 n = board_.n;
        i64 placed = 0;
        for (i64 k = 0; k < rules_.num_distractors; ++k)
            for (int t = 0; t < kSnakeTries; ++t) {
                std::vector<i64> free;
                for (i64 y = 0; y < n; ++y)
                    for (i64 x = 0; x < n; ++x)
                        if (!(board_.cells[board_.at(x, y)] & Board::kTaken)) free.push_back(y * n + x);
                if (static_cast<double>(free.size()) < kLeastFree * static_cast<double>(n * n)) return placed;
                const i64 pixel = free[random_.below(static_cast<i64>(free.size()))];
                if (place_distractor(pixel % n, pixel / n)) {
                    ++placed;
                    break;
                }
            }
        return placed;
    }

    bool place_distractor(i64 x, i64 y) {
        const std::vector<std::uint8_t> before = board_.cells;
        std::vector<Paddle> snake{seed(x, y)};
        bool is_placed = !meets(snake[0], Board::kTaken);
        for (i64 k = 1; is_placed && k < rules_.distractor_length; ++k) {
            const std::optional<Paddle> next = extended(snake.back(), Board::kTaken);
            is_placed = next.has_value();
            if (!is_placed) break;
            mark(snake.back(), Board::kTaken);
            snake.push_back(*next);
        }
        if (is_placed)
            finish(snake);
        else
            board_.cells = before;
        return is_placed;
    }

    const PathfinderRules& rules_;
    double margin_;
    const Margin& shared_;
    Random random_;
    Board board_;
    NextHeads heads_;
    bool is_marked_ = false;
    std::vector<Paddle> layer_, pair_[2], waiting_;
};

}  // namespace

void draw_pathfinder(const PathfinderRules& rules, std::uint64_t seed, std::int64_t first, std::int64_t count, const std::uint8_t* labels,
                     std::uint8_t* images, std::int32_t* placed) {
    std::vector<Margin> margins;
    for (i64 margin = rules.lowest_margin; margin <= rules.highest_margin; ++margin) margins.emplace_back(rules, margin);
    for (i64 k = 0; k < count; ++k) {
        Random start{seed}, random{start.next() + static_cast<std::uint64_t>(first + k)};
        const i64 above = random.below(static_cast<i64>(margins.size()));
        Picture picture(rules, rules.lowest_margin + above, margins[above], random);
        placed[k] = static_cast<std::int32_t>(picture.draw(labels[k] != 0, images + k * rules.size * rules.size));
    }
}

}  // namespace longspike::generators
