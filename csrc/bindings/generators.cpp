// Data sets that are made. longspike/data/generators/pathfinder.py vouches for the addresses.
#include "bindings/bindings.hpp"

#include <nanobind/stl/vector.h>

#include <vector>

#include "generators/pathfinder.hpp"

namespace longspike {

void bind_generators(nb::module_& m) {
    m.def("draw_pathfinder", [](const std::vector<i64>& n, const std::vector<double>& x, std::uint64_t seed, i64 first, i64 count,
                                Address labels, Address images, Address placed) {
        const generators::PathfinderRules rules{n.at(0), n.at(1), n.at(2), n.at(3), n.at(4), n.at(5), n.at(6),
                                                x.at(0), x.at(1), x.at(2), x.at(3), x.at(4), x.at(5)};
        nb::gil_scoped_release release;
        generators::draw_pathfinder(rules, seed, first, count, at<std::uint8_t>(labels), at<std::uint8_t>(images),
                                    at<std::int32_t>(placed));
    });
}

}  // namespace longspike
