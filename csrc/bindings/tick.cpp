// The kernels of a tick: embedding, layer normalisation, pooling.
#include "bindings/bindings.hpp"

#include <string>

namespace longspike {
namespace {

template <class T> void bind(nb::module_& m, const std::string& suffix) {
    const auto name = [&](const char* stem) { return std::string(stem) + suffix; };
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(name("embed_forward_").c_str(), [](Address values, Address weight, Address cell, Address tick_offsets, Address u,
          i64 items, i64 ticks, i64 channels, i64 d_model, int threads) {
        table<T>().tick.embed_forward({at<T>(values), at<T>(weight), at<i64>(cell), at<i64>(tick_offsets), at<T>(u),
            items, ticks, channels, d_model, threads});
    }, nogil());
    m.def(name("embed_backward_").c_str(), [](Address values, Address weight, Address cell, Address tick_offsets, Address grad_u,
          Address grad_values, Address grad_weight, i64 items, i64 ticks, i64 channels, i64 d_model, int threads) {
        table<T>().tick.embed_backward({at<T>(values), at<T>(weight), at<i64>(cell), at<i64>(tick_offsets), nullptr,
            items, ticks, channels, d_model, threads}, at<T>(grad_u), at<T>(grad_values), at<T>(grad_weight));
    }, nogil());
    m.def(name("layer_norm_").c_str(), [](Address x, Address weight, Address bias, Address y, double eps, i64 rows, i64 channels, int threads) {
        table<T>().tick.normalise({at<T>(x), at<T>(weight), at<T>(bias), at<T>(y), static_cast<T>(eps), rows, channels, threads});
    }, nogil());
    m.def(name("event_pool_").c_str(), [](Address y, Address weights, Address offsets, Address window, Address windows,
          Address counts, Address mean, i64 batch, i64 channels, i64 size, int threads) {
        table<T>().tick.pool_ticks({at<T>(y), at<double>(weights), at<i64>(offsets), at<double>(window), at<double>(windows), at<double>(counts),
            at<T>(mean), batch, channels, size, threads});
    }, nogil());
}

}  // namespace

void bind_tick(nb::module_& m) {
    bind<float>(m, "f32");
    bind<double>(m, "f64");
}

}  // namespace longspike
