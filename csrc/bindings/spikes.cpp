// Spikes without time for Python.
#include "bindings/bindings.hpp"

#include <string>

namespace longspike {
namespace {

template <class T> void bind(nb::module_& m, const std::string& suffix) {
    const auto name = [&](const char* stem) { return std::string(stem) + suffix; };
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(name("spikes_forward_").c_str(), [](Address x, double threshold, Address y, i64 n, int threads) {
        table<T>().spikes.forward({at<T>(x), nullptr, at<T>(y), static_cast<T>(threshold), T(1), n, 0, threads, false});
    }, nogil());
    m.def(name("count_spikes_").c_str(), [](Address x, double threshold, i64 n, int threads) {
        return table<T>().spikes.count({at<T>(x), nullptr, nullptr, static_cast<T>(threshold), T(1), n, 0, threads, false});
    }, nogil());
    m.def(name("spikes_backward_").c_str(), [](Address x, Address grad, double threshold, double scale, Address grad_x, i64 n, int surrogate,
          bool is_one_grad, int threads) {
        table<T>().spikes.backward({at<T>(x), at<T>(grad), at<T>(grad_x), static_cast<T>(threshold), static_cast<T>(scale), n, surrogate,
            threads, is_one_grad});
    }, nogil());
}

}  // namespace

void bind_spikes(nb::module_& m) {
    bind<float>(m, "f32");
    bind<double>(m, "f64");
}

}  // namespace longspike
