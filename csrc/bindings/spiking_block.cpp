// The block of a spiking state-space model.
#include "bindings/bindings.hpp"

#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

namespace longspike {
namespace {

using Addresses = const std::vector<Address>&;

// `inputs` in the order of the fields: norm weight and bias, lambda, c, d, beta, theta, rho, gamma, weight, bias, spike
// scale, output scale, lengths.
template <class T>
BlockParameters<T> parameters(Addresses a, i64 batch, i64 seqlen, i64 channels, i64 n_pairs, double eps, int reset, int threads) {
    if (a.size() != 14) throw nb::value_error("block: 14 addresses of parameters are needed");
    return {at<T>(a[0]), at<T>(a[1]), at<T>(a[2]), at<T>(a[3]), at<T>(a[4]), {at<T>(a[5]), at<T>(a[6]), at<T>(a[7]), at<T>(a[8])},
            at<T>(a[9]), at<T>(a[10]), at<T>(a[11]), at<T>(a[12]), at<i64>(a[13]),
            batch, seqlen, channels, n_pairs, static_cast<T>(eps), reset, threads};
}

template <class T> void bind(nb::module_& m, const std::string& suffix) {
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(("block_forward_" + suffix).c_str(), [](Addresses inputs, Address x, Address y, Addresses state, Address counts, Address bits,
          Address scan_checkpoints, Address lif_checkpoints, i64 batch, i64 seqlen, i64 channels, i64 n_pairs, double eps, int reset, int threads) {
        if (state.size() != 4) throw nb::value_error("block: 4 addresses of states are needed");
        table<T>().block_forward({parameters<T>(inputs, batch, seqlen, channels, n_pairs, eps, reset, threads), at<T>(x), at<T>(y),
            at<T>(state[0]), at<T>(state[1]), at<T>(state[2]), at<T>(state[3]), at<T>(counts), at<std::uint64_t>(bits),
            at<T>(scan_checkpoints), at<T>(lif_checkpoints), nullptr});
    }, nogil());
    m.def(("block_backward_" + suffix).c_str(), [](Addresses inputs, Address x, Address grad_y, Address grad_counts, Address weight_by_output,
          Addresses saved, Address grad_x, Addresses grad_state, Addresses grads, i64 batch, i64 seqlen, i64 channels, i64 n_pairs, double eps, int reset,
          int threads, i64 groups, double scale, int surrogate, int gradient, bool has_refractory, bool wants_neuron) {
        if (saved.size() != 3 || grad_state.size() != 4 || grads.size() != 7) throw nb::value_error("block: 3, 4 and 7 addresses are needed");
        table<T>().block_backward({parameters<T>(inputs, batch, seqlen, channels, n_pairs, eps, reset, threads), at<T>(x), at<T>(grad_y),
            at<T>(grad_counts), at<T>(weight_by_output), at<std::uint64_t>(saved[0]), at<T>(saved[1]), at<T>(saved[2]), at<T>(grad_x),
            at<T>(grad_state[0]), at<T>(grad_state[1]), at<T>(grad_state[2]), at<T>(grad_state[3]), at<T>(grads[0]), at<T>(grads[1]), at<T>(grads[2]),
            at<double>(grads[3]), at<T>(grads[4]), at<T>(grads[5]), at<T>(grads[6]), groups, static_cast<T>(scale), surrogate, gradient,
            has_refractory, wants_neuron});
    }, nogil());
}

SequenceStreamCall stream_call(bool is_embedding, Addresses encoder, const std::vector<std::vector<Address>>& blocks, const std::vector<int>& resets,
                               Addresses pool, i64 batch, i64 d_input, i64 channels, i64 n_pairs, double eps) {
    SequenceStreamCall c{is_embedding, d_input, channels, n_pairs, batch, eps, at<void>(encoder.at(0)), at<void>(encoder.at(1)), {},
                         at<void>(pool.at(0)), at<void>(pool.at(1))};
    for (std::size_t k = 0; k < blocks.size(); ++k) {
        const auto& a = blocks[k];
        StreamedBlock block{resets.at(k), {}, {}, {}};
        for (std::size_t j = 0; j < block.parameters.size(); ++j) block.parameters[j] = at<void>(a.at(j));
        for (std::size_t j = 0; j < 2; ++j) block.last_norm[j] = at<void>(a.at(block.parameters.size() + j));
        for (std::size_t j = 0; j < 4; ++j) block.state[j] = at<void>(a.at(block.parameters.size() + 2 + j));
        c.blocks.push_back(block);
    }
    return c;
}

}  // namespace

void bind_block(nb::module_& m) {
    nb::class_<AbstractSequenceStream>(m, "SequenceStream")
        .def("push", [](AbstractSequenceStream& stream, Address x, i64 steps, Address spikes, int threads) {
            const std::lock_guard lock(stream.turn);
            return stream.push(at<void>(x), steps, at<void>(spikes), threads);
        }, nb::call_guard<nb::gil_scoped_release>())
        .def("load", [](AbstractSequenceStream& stream) {
            const std::lock_guard lock(stream.turn);
            stream.load();
        }, nb::call_guard<nb::gil_scoped_release>())
        .def("store", [](const AbstractSequenceStream& stream) {
            const std::lock_guard lock(stream.turn);
            stream.store();
        }, nb::call_guard<nb::gil_scoped_release>());
    const auto make = [&](const char* name, auto scalar) {
        m.def(name, [](bool is_embedding, Addresses encoder, const std::vector<std::vector<Address>>& blocks, const std::vector<int>& resets,
              Addresses pool, i64 batch, i64 d_input, i64 channels, i64 n_pairs, double eps) {
            return table<decltype(scalar)>().make_sequence_stream(
                stream_call(is_embedding, encoder, blocks, resets, pool, batch, d_input, channels, n_pairs, eps));
        });
    };
    make("make_sequence_stream_f32", float{});
    make("make_sequence_stream_f64", double{});
    bind<float>(m, "f32");
    bind<double>(m, "f64");
}

}  // namespace longspike
