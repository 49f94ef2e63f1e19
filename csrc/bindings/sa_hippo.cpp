// The spike-aware memory for Python.
#include <string>

#include "bindings/bindings.hpp"

using namespace longspike;

namespace {

template <class T> void bind(nb::module_& m, const std::string& suffix) {
    const auto name = [&](const char* stem) { return std::string(stem) + suffix; };
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(name("sa_hippo_tables_").c_str(), [](Address delta, Address log_dt, Address log_a_real, Address a_imag, Address log_decay,
          Address r, Address b, Address tables, i64 gaps, i64 heads, i64 n_pairs, i64 rank, bool is_diagonal, bool is_held, int threads) {
        table<T>().sa_hippo_tables({at<T>(delta), at<T>(log_dt), at<T>(log_a_real), at<T>(a_imag), at<T>(log_decay), at<T>(r), at<T>(b),
            at<T>(tables), gaps, heads, n_pairs, rank, is_diagonal, is_held, threads});
    }, nogil());
    m.def(name("sa_hippo_forward_").c_str(), [](Address u, Address index, Address offsets, Address tables, Address r, Address c, Address d,
          Address y, Address state, Address checkpoints, i64 batch, i64 d_model, i64 heads, i64 n_pairs, i64 rank, int threads) {
        table<T>().sa_hippo_forward({{at<T>(u), at<i64>(index), at<i64>(offsets), at<T>(tables), at<T>(r), at<T>(c), at<T>(d),
            batch, d_model, heads, n_pairs, rank, threads}, at<T>(y), at<T>(state), at<T>(checkpoints)});
    }, nogil());
    m.def(name("sa_hippo_backward_").c_str(), [](Address u, Address index, Address offsets, Address tables, Address r, Address c, Address d,
          Address grad_y, Address checkpoints, Address grad_u, Address grad_state, Address grad_tables, Address grad_r, Address grad_c,
          Address grad_d, i64 gaps, i64 groups, i64 batch, i64 d_model, i64 heads, i64 n_pairs, i64 rank, int threads) {
        table<T>().sa_hippo_backward({{at<T>(u), at<i64>(index), at<i64>(offsets), at<T>(tables), at<T>(r), at<T>(c), at<T>(d),
            batch, d_model, heads, n_pairs, rank, threads}, at<T>(grad_y), at<T>(checkpoints), at<T>(grad_u), at<T>(grad_state),
            at<double>(grad_tables), at<double>(grad_r), at<double>(grad_c), at<double>(grad_d), gaps, groups});
    }, nogil());
}

}  // namespace

void longspike::bind_sa_hippo(nb::module_& m) {
    m.attr("sa_hippo_block") = kSaHippoSpan;
    bind<float>(m, "f32");
    bind<double>(m, "f64");
}
