// The dendritic neuron's plans, which come back as arrays.
#include <nanobind/ndarray.h>

#include "bindings/call.hpp"
#include "dendrite/plan.hpp"

namespace longspike {
namespace {

// An array that owns its memory.
template <class T> nb::object hand_over(PlanArray<T>& array) {
    const std::size_t size = array.size;
    T* data = array.data.release();
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {size}, owner));
}

nb::tuple as_arrays(Plan&& p) {
    return nb::make_tuple(p.unsorted, hand_over(p.row_sample), hand_over(p.row_x), hand_over(p.row_y), hand_over(p.row_step),
                          hand_over(p.chain_offsets), hand_over(p.pair_offsets), hand_over(p.pair_input), hand_over(p.pair_tap),
                          hand_over(p.row_offsets));
}

nb::tuple as_arrays(PoolPlan&& p) {
    return nb::make_tuple(hand_over(p.item_step), hand_over(p.item_x), hand_over(p.item_y), hand_over(p.item_offsets),
                          hand_over(p.group_offsets), hand_over(p.group_rows));
}

}  // namespace

void bind_plans(nb::module_& m) {
    bind_call(m, "dendrite_plan", [] { return dendrite_plan; }, [](Plan&& p) { return as_arrays(std::move(p)); });
    bind_call(m, "pool_plan", [] { return pool_plan; }, [](PoolPlan&& p) { return as_arrays(std::move(p)); });
}

}  // namespace longspike
