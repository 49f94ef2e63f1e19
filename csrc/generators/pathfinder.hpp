// Pictures of Pathfinder: two long dashed snakes, shorter ones that distract, and two discs at ends of the long ones.
// longspike/data/generators/pathfinder_reference.py is the same in Python, draw by draw; the words are its.
#pragma once
#include <cstdint>

namespace longspike::generators {

struct PathfinderRules {
    std::int64_t size, padding, lowest_margin, highest_margin;        // pixels
    std::int64_t contour_length, distractor_length, num_distractors;  // paddles, paddles, snakes
    double paddle_length, thickness, seed_distance, marker_radius;    // pixels
    double continuity, contrast;
};

// Pictures first .. first + count - 1 of a seed: images (count, size, size), labels (count) of 0 or 1, placed (count) distractors.
void draw_pathfinder(const PathfinderRules& rules, std::uint64_t seed, std::int64_t first, std::int64_t count, const std::uint8_t* labels,
                     std::uint8_t* images, std::int32_t* placed);

}  // namespace longspike::generators
