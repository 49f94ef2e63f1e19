// The stack of blocks that a stream of steps moves.
#include "bindings/bindings.hpp"
#include "bindings/stream_turns.hpp"

#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <vector>

namespace longspike {
namespace {

using Addresses = const std::vector<Address>&;

SequenceStreamCall stream_call(bool is_embedding, bool is_affine, Addresses encoder, const std::vector<std::vector<Address>>& blocks,
                               const std::vector<int>& resets, Addresses pool, i64 batch, i64 d_input, i64 channels, i64 n_pairs,
                               double eps) {
    SequenceStreamCall c{is_embedding,
                         is_affine,
                         d_input,
                         channels,
                         n_pairs,
                         batch,
                         eps,
                         at<void>(encoder.at(0)),
                         at<void>(encoder.at(1)),
                         {},
                         at<void>(pool.at(0)),
                         at<double>(pool.at(1)),
                         at<i64>(pool.at(2))};
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

// blocks: addresses of the scan's state, v, r, s of every block, or none at all; pool: of last, total, steps.
SequenceStatePlaces state_places(const std::vector<std::vector<Address>>& blocks, Addresses pool) {
    SequenceStatePlaces places{{}, at<void>(pool.at(0)), at<double>(pool.at(1)), at<i64>(pool.at(2))};
    for (const auto& a : blocks) places.blocks.push_back({at<void>(a.at(0)), at<void>(a.at(1)), at<void>(a.at(2)), at<void>(a.at(3))});
    return places;
}

}  // namespace

void bind_sequence_stream(nb::module_& m) {
    nb::class_<AbstractSequenceStream>(m, "SequenceStream")
        .def("push",
             [](AbstractSequenceStream& stream, Address x, i64 steps, Address spikes, int threads) {
                 return in_turn(stream, [&] { return stream.push(at<void>(x), steps, at<void>(spikes), threads, SignalPoll()); });
             })
        .def_prop_ro("num_steps", [](const AbstractSequenceStream& stream) { return in_turn(stream, [&] { return stream.num_steps(); }); })
        .def("load_from",
             [](AbstractSequenceStream& stream, const std::vector<std::vector<Address>>& blocks, Addresses pool) {
                 const auto places = state_places(blocks, pool);
                 in_turn(stream, [&] { stream.load_from(places); });
             })
        .def("store_to",
             [](AbstractSequenceStream& stream, const std::vector<std::vector<Address>>& blocks, Addresses pool) {
                 const auto places = state_places(blocks, pool);
                 in_turn(stream, [&] { stream.store_to(places); });
             })
        .def("restart_mean", [](AbstractSequenceStream& stream) { in_turn(stream, [&] { stream.restart_mean(); }); });
    const auto make = [&](const char* name, auto scalar) {
        m.def(name, [](bool is_embedding, bool is_affine, Addresses encoder, const std::vector<std::vector<Address>>& blocks,
                       const std::vector<int>& resets, Addresses pool, i64 batch, i64 d_input, i64 channels, i64 n_pairs, double eps) {
            return table<decltype(scalar)>().make_sequence_stream(
                stream_call(is_embedding, is_affine, encoder, blocks, resets, pool, batch, d_input, channels, n_pairs, eps));
        });
    };
    make("make_sequence_stream_f32", float{});
    make("make_sequence_stream_f64", double{});
}

}  // namespace longspike
