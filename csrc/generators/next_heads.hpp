// Where the next paddle of a snake can have its head, and one of these places drawn by its weight.
#pragma once
#include <cstring>

#include "generators/plane.hpp"

namespace longspike::generators {

typedef float Floats __attribute__((vector_size(16)));
constexpr i64 kLanes = 4;
inline Floats splat(float x) { return Floats{x, x, x, x}; }
inline Floats root(Floats x) { return Floats{std::sqrt(x[0]), std::sqrt(x[1]), std::sqrt(x[2]), std::sqrt(x[3])}; }
inline Floats load(const float* p) {
    Floats x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
inline void store(float* p, Floats x) { std::memcpy(p, &x, sizeof x); }

// cos^2(continuity * angle) of the cosine of an angle up to pi / 2 / continuity, in single precision. With z = (1 - cosine) / 2,
// cos(2 c angle) = 2F1(-2 c, 2 c; 1/2; z); its terms fall as z^k, and z <= 1/2 (Abramowitz and Stegun 1964, 15.1.17).
class Weight {
public:
    explicit Weight(double continuity) {
        double term = 1.0;
        for (int k = 0; k < kTerms; ++k) {
            terms_[k] = splat(static_cast<float>(term / 2 + (k == 0 ? 0.5 : 0.0)));
            term *= (k - 2 * continuity) * (k + 2 * continuity) / ((k + 0.5) * (k + 1));
        }
    }

    Floats operator()(Floats cosine) const {
        const Floats z = 0.5f - 0.5f * cosine;
        Floats sum = terms_[kTerms - 1];
        for (int k = kTerms - 2; k >= 0; --k) sum = sum * z + terms_[k];
        return sum;
    }

private:
    static constexpr int kTerms = 9;
    Floats terms_[kTerms];
};

// The rule of the places: their distance of the pivot is `radius`, up to half a pixel, and their weight cos^2(continuity * angle).
struct HeadRule {
    double radius, continuity;
    double widest() const { return std::cos(kPi / 2 / continuity); }  // the cosine of the angle from which on the weight is 0
};

// The cells, as steps from the pivot's, that can be a place for some direction of a sector and some pivot in a quarter of its
// pixel; row by row, and filled up to whole vectors with a cell that is no place.
class HeadTable {
public:
    HeadTable(HeadRule rule, i64 row) : reach_(static_cast<i64>(std::ceil(rule.radius)) + 2) {
        for (i64 k = 0; k < 4 * kSectors; ++k) {
            const Point from = direction_of(4.0 * static_cast<double>(k / 4) / kSectors),
                        to = direction_of(4.0 * static_cast<double>(k / 4 + 1) / kSectors),
                        pivot{k & 1 ? 0.25 : -0.25, k & 2 ? 0.25 : -0.25};
            for (i64 y = -reach_; y <= reach_; ++y)
                for (i64 x = -reach_; x <= reach_; ++x)
                    if (is_possible(rule, {static_cast<double>(x) - pivot.x, static_cast<double>(y) - pivot.y}, from, to)) {
                        x_.push_back(static_cast<float>(x)), y_.push_back(static_cast<float>(y));
                        steps_.entries.push_back(static_cast<std::int32_t>(y * row + x));
                    }
            for (; x_.size() % kLanes; steps_.entries.push_back(0)) x_.push_back(0.0f), y_.push_back(0.0f);  // inside no ring
            steps_.close();
            most_ = std::max(most_, steps_.size(k));
        }
    }

    // The list for a direction, and for a pivot that far from the middle of its pixel.
    static i64 key(double turn, Point off) { return 4 * sector_of(turn, kSectors) + 2 * (off.y >= 0.0) + (off.x >= 0.0); }
    const float* x(i64 key) const { return x_.data() + steps_.starts[key]; }
    const float* y(i64 key) const { return y_.data() + steps_.starts[key]; }
    const Lists& steps() const { return steps_; }
    i64 most() const { return most_; }
    i64 reach() const { return reach_; }

private:
    static constexpr i64 kSectors = 64;

    static double angle(Point a, Point b) { return std::fabs(std::atan2(a.x * b.y - a.y * b.x, a.x * b.x + a.y * b.y)); }

    static bool is_possible(HeadRule rule, Point p, Point from, Point to) {
        const double inexact = 0.25 * std::sqrt(2.0), distance = std::hypot(p.x, p.y);
        const double sideways = distance > inexact ? std::asin(inexact / distance) : kPi;
        return std::fabs(distance - rule.radius) <= 0.5 + inexact + kRound &&
               std::min(angle(p, from), angle(p, to)) <= kPi / 2 / rule.continuity + sideways + kRound;
    }

    i64 reach_, most_ = 0;
    Lists steps_;
    std::vector<float> x_, y_;
};

// The places for one paddle. Their weights are computed in single precision; what is drawn so near to a border between two places
// that it might fall on either side is drawn again in double precision, by the same number: the outcome is that of the latter.
class NextHeads {
public:
    struct Head { Point at, direction; };

    NextHeads(HeadRule rule, const HeadTable& table)
        : rule_(rule), widest_(rule.widest()), table_(table), weight_(rule.continuity), weights_(table.most()), sums_(table.most()),
          places_(table.most()) {}

    void look(const Board& board, Point pivot, Point direction, double turn) {
        board_ = &board, pivot_ = pivot, before_ = direction, is_exact_ = false;
        const i64 px = std::lround(pivot.x), py = std::lround(pivot.y), centre = board.at(px, py);
        px_ = static_cast<double>(px), py_ = static_cast<double>(py);
        const Point off{pivot.x - px_, pivot.y - py_};
        const i64 key = table_.key(turn, off), count = table_.steps().size(key);
        if (weigh(key, count, off)) return look_exactly();
        const std::int32_t* steps = table_.steps().begin(key);
        const std::uint8_t* around = board.cells.data() + centre;
        const float* weights = weights_.data();
        float *sums = sums_.data(), sum = 0.0f;
        std::int32_t* places = places_.data();
        i64 size = 0;
        for (i64 k = 0; k < count; ++k) {
            places[size] = static_cast<std::int32_t>(k), sums[size] = weights[k];
            size += (weights[k] > 0.0f) & !(around[steps[k]] & Board::kTaken);
        }
        for (i64 k = 0; k < size; ++k) sums[k] = sum += sums[k];
        size_ = size, key_ = key;
        if (size > 0 && sum < 4 * kClose) look_exactly();
    }

    bool empty() const { return is_exact_ ? exact_.empty() : size_ == 0; }

    // The place for a number in [0, 1).
    Head draw(double uniform) {
        if (!is_exact_) {
            const float drawn = static_cast<float>(uniform) * sums_[size_ - 1];
            i64 k = 0;
            bool is_close = false;
            for (i64 j = 0; j < size_; ++j) k += sums_[j] <= drawn, is_close |= std::fabs(sums_[j] - drawn) < kClose;
            if (!is_close && k < size_) {
                const i64 place = places_[k];
                return head({px_ + table_.x(key_)[place], py_ + table_.y(key_)[place]});
            }
            look_exactly();
        }
        const double drawn = uniform * exact_.back().sum;
        return head(std::find_if(exact_.begin(), exact_.end() - 1, [&](const Exact& e) { return e.sum > drawn; })->at);
    }

private:
    struct Exact {
        Point at;
        double sum;  // of the weights up to here
    };
    // Above the errors of single precision, of squared distances and of sums of weights; and a weight that is not 0.
    static constexpr float kCloseRing = 1e-4f, kClose = 3e-4f, kLeast = 1e-12f;

    // The weights of a list; whether one is so near to the edge of the ring that single precision cannot say if it is inside.
    bool weigh(i64 key, i64 count, Point off) {
        const float *xs = table_.x(key), *ys = table_.y(key);
        const auto fx = static_cast<float>(off.x), fy = static_cast<float>(off.y), ux = static_cast<float>(before_.x),
                   uy = static_cast<float>(before_.y), widest = static_cast<float>(widest_) - kCloseRing;
        float* weights = weights_.data();
        const auto middle = static_cast<float>(square(rule_.radius) + 0.25), half = static_cast<float>(rule_.radius);
        const Weight weight_of = weight_;
        Floats nearest = splat(1.0f);
        for (i64 k = 0; k < count; k += kLanes) {
            const Floats dx = load(xs + k) - fx, dy = load(ys + k) - fy, distance2 = dx * dx + dy * dy;
            const Floats off_middle = distance2 - middle, inside = half - (off_middle < 0.0f ? -off_middle : off_middle);
            const Floats along = (dx * ux + dy * uy) / root(distance2), weight = weight_of(along);
            const Floats edge = inside < 0.0f ? -inside : inside, none = splat(0.0f), least = splat(kLeast);
            store(weights + k, inside > 0.0f ? along > widest ? weight > least ? weight : least : none : none);
            nearest = edge < nearest ? edge : nearest;
        }
        return std::min(std::min(nearest[0], nearest[1]), std::min(nearest[2], nearest[3])) < kCloseRing;
    }

    // What weight and ring are in double precision, as pathfinder_reference.py has them.
    void look_exactly() {
        const double lowest = square(rule_.radius - 0.5), highest = square(rule_.radius + 0.5);
        const i64 reach = table_.reach(), px = std::lround(pivot_.x), py = std::lround(pivot_.y);
        double sum = 0.0;
        is_exact_ = true;
        exact_.clear();
        for (i64 y = py - reach; y <= py + reach; ++y)
            for (i64 x = px - reach; x <= px + reach; ++x) {
                const double dx = static_cast<double>(x) - pivot_.x, dy = static_cast<double>(y) - pivot_.y, d2 = dx * dx + dy * dy;
                if (d2 < lowest || d2 > highest || board_->cells[board_->at(x, y)] & Board::kTaken) continue;
                const double distance = std::sqrt(d2), along = dx / distance * before_.x + dy / distance * before_.y;
                if (along <= widest_) continue;
                sum += square(std::cos(rule_.continuity * std::acos(std::min(along, 1.0))));
                exact_.push_back({{static_cast<double>(x), static_cast<double>(y)}, sum});
            }
    }

    Head head(Point at) const {
        const double dx = at.x - pivot_.x, dy = at.y - pivot_.y, distance = std::sqrt(dx * dx + dy * dy);
        return {at, {dx / distance, dy / distance}};
    }

    HeadRule rule_;
    double widest_;
    const HeadTable& table_;
    Weight weight_;
    const Board* board_ = nullptr;
    Point pivot_{}, before_{};
    bool is_exact_ = false;
    double px_ = 0, py_ = 0;
    i64 key_ = 0, size_ = 0;
    std::vector<float> weights_, sums_;
    std::vector<std::int32_t> places_;
    std::vector<Exact> exact_;
};

}  // namespace longspike::generators
