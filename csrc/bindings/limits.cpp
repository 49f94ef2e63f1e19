// The physical limits of the machine.
#include "bindings/bindings.hpp"

namespace longspike {

void bind_limits(nb::module_& m) {
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(
        "limit_copy", [](Address x, Address y, i64 n, int threads) { now().limits.copy(at<float>(x), at<float>(y), n, threads); }, nogil());
    m.def(
        "limit_triad",
        [](Address a, Address b, float scale, Address y, i64 n, int threads) {
            now().limits.triad(at<float>(a), at<float>(b), scale, at<float>(y), n, threads);
        },
        nogil());
    m.def("limit_fill", [](float value, Address y, i64 n, int threads) { now().limits.fill(value, at<float>(y), n, threads); }, nogil());
    m.def("limit_sum", [](Address x, i64 n, int threads) { return now().limits.sum(at<float>(x), n, threads); }, nogil());
    m.def(
        "limit_records",
        [](Address x, i64 numbers, Address order, i64 count, int threads) {
            now().limits.records(at<float>(x), numbers, at<i64>(order), count, threads);
        },
        nogil());
    m.def("limit_fma", [](i64 items, int threads) { return now().limits.fma(items, threads); }, nogil());
}

}  // namespace longspike
