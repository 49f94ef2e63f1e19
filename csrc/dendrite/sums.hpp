// The sums of the dendritic neuron's gradients over a range of chains.
#pragma once
#include <algorithm>
#include <vector>

#include "dendrite/forward.hpp"

namespace longspike::LONGSPIKE_ARCH {

// What is summed over a range of chains. Branch sums are taken in T over some hundred rows and then added in double.
template <class T> struct DendriteSums {
    DendriteScratch<T> weight, values;  // (taps, c_in, branches, width); (inputs from first_input on, c_in)
    DendriteScratch<T> recent;          // (2, branches + 1, lanes)
    std::vector<double> branch;         // (2, branches + 1): g (the last is idle), rate
    i64 first_input = 0, last_input = -1, rows = 0;

    T* recent_g(i64 d) { return recent.data() + d * kLanes<T>; }
    T* recent_rate(i64 d) { return recent.data() + (branch.size() / 2 + d) * kLanes<T>; }
    void collect() {
        for (i64 k = 0; k < static_cast<i64>(branch.size()); ++k) {
            T* lanes = recent.data() + k * kLanes<T>;
            double sum = 0;
            for (int lane = 0; lane < kLanes<T>; ++lane) sum += lanes[lane];
            branch[k] += sum;
            std::fill_n(lanes, kLanes<T>, T(0));
        }
        rows = 0;
    }
};

}  // namespace longspike::LONGSPIKE_ARCH
