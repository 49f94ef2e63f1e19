// Bindings of the dendritic neuron: its plans, which come back as arrays, and its kernels.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <string>

#include "bindings/bindings.hpp"
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

nb::tuple bound_dendrite_plan(Address step, Address x, Address y, Address is_active, Address offsets, i64 batch, i64 width,
                              i64 height, i64 kernel, i64 stride, i64 padding, int threads) {
    Plan p;
    {
        const nb::gil_scoped_release nogil;
        p = dendrite_plan({at<i64>(step), at<std::int32_t>(x), at<std::int32_t>(y), at<std::uint8_t>(is_active), at<i64>(offsets),
                           batch, width, height, kernel, stride, padding, threads});
    }
    return nb::make_tuple(p.unsorted, hand_over(p.row_sample), hand_over(p.row_x), hand_over(p.row_y), hand_over(p.row_step),
                          hand_over(p.chain_offsets), hand_over(p.pair_offsets), hand_over(p.pair_input), hand_over(p.pair_tap),
                          hand_over(p.row_offsets));
}

nb::tuple bound_pool_plan(Address step, Address row_offsets, Address x, Address y, i64 batch, i64 width, i64 height, i64 pool, int threads) {
    PoolPlan p;
    {
        const nb::gil_scoped_release nogil;
        p = pool_plan({at<i64>(step), at<i64>(row_offsets), at<std::int32_t>(x), at<std::int32_t>(y), batch, width, height, pool, threads});
    }
    return nb::make_tuple(hand_over(p.item_step), hand_over(p.item_x), hand_over(p.item_y), hand_over(p.item_offsets),
                          hand_over(p.group_offsets), hand_over(p.group_rows));
}

// Addresses of: values, weight, rate, g, i0, v0, membrane, i_end, v_end, gap, chain_offsets, pair_offsets, pair_input, pair_tap.
using Addresses = nb::tuple;
// inputs, c_in, taps, branches, channels, rows, chains.
using Sizes = nb::tuple;

template <class T> DendriteCall<T> dendrite_call(const Addresses& a, const Sizes& n, double threshold, int threads, bool by_event) {
    const auto address = [&](int k) { return nb::cast<Address>(a[k]); };
    const auto size = [&](int k) { return nb::cast<i64>(n[k]); };
    return {at<T>(address(0)), at<T>(address(1)), at<T>(address(2)), at<T>(address(3)), at<T>(address(4)), at<T>(address(5)),
            at<T>(address(6)), at<T>(address(7)), at<T>(address(8)), at<i64>(address(9)), at<i64>(address(10)), at<i64>(address(11)),
            at<i64>(address(12)), at<std::int32_t>(address(13)), size(0), size(1), size(2), size(3), size(4), size(5), size(6),
            static_cast<T>(threshold), threads, by_event};
}

// Addresses of: grad_membrane, grad_i_end, grad_v_end, grad_values, grad_weight, grad_rate, grad_g, grad_i0, grad_v0.
template <class T> DendriteBackward<T> dendrite_backward_call(const DendriteCall<T>& call, const Addresses& a, double scale, int surrogate) {
    const auto address = [&](int k) { return nb::cast<Address>(a[k]); };
    return {call, at<T>(address(0)), at<T>(address(1)), at<T>(address(2)), at<T>(address(3)), at<T>(address(4)), at<T>(address(5)),
            at<T>(address(6)), at<T>(address(7)), at<T>(address(8)), static_cast<T>(scale), surrogate};
}

template <class T, bool kDense> void bind_chains(nb::module_& m, const std::string& stem, const std::string& suffix) {
    m.def((stem + "_forward_" + suffix).c_str(), [](Addresses a, Sizes n, double threshold, int threads, bool by_event) {
        const auto call = dendrite_call<T>(a, n, threshold, threads, by_event);
        const nb::gil_scoped_release nogil;
        return kDense ? table<T>().dendrite.dense_forward(call) : table<T>().dendrite.conv_forward(call);
    });
    m.def((stem + "_backward_" + suffix).c_str(), [](Addresses a, Sizes n, double threshold, int threads, Addresses grads, double scale, int surrogate) {
        const auto call = dendrite_backward_call<T>(dendrite_call<T>(a, n, threshold, threads, false), grads, scale, surrogate);
        const nb::gil_scoped_release nogil;
        kDense ? table<T>().dendrite.dense_backward(call) : table<T>().dendrite.conv_backward(call);
    });
}

template <class T> SegmentMaxCall<T> segment_call(Address x, Address y, Address position, Address offsets, Address rows, i64 groups, i64 channels, int threads) {
    return {at<T>(x), at<T>(y), at<std::int32_t>(position), at<i64>(offsets), at<i64>(rows), groups, channels, threads};
}

template <class T> void bind_for(nb::module_& m, const std::string& suffix) {
    bind_chains<T, false>(m, "dendritic_conv", suffix);
    bind_chains<T, true>(m, "dendritic_lif", suffix);
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(("segment_max_" + suffix).c_str(), [](Address x, Address y, Address position, Address offsets, Address rows, i64 groups, i64 channels, int threads) {
        table<T>().dendrite.segment_max(segment_call<T>(x, y, position, offsets, rows, groups, channels, threads));
    }, nogil());
    m.def(("segment_max_backward_" + suffix).c_str(), [](Address x, Address y, Address position, Address offsets, Address rows, i64 groups, i64 channels, int threads) {
        table<T>().dendrite.segment_max_backward(segment_call<T>(x, y, position, offsets, rows, groups, channels, threads));
    }, nogil());
}

}  // namespace

void bind_dendrite(nb::module_& m) {
    m.def("dendrite_plan", bound_dendrite_plan);
    m.def("pool_plan", bound_pool_plan);
    bind_for<float>(m, "f32");
    bind_for<double>(m, "f64");
}

}  // namespace longspike
