// The event stream: a network's parameters in, packets in, counters and logits out.
#include "bindings/bindings.hpp"
#include "bindings/stream_turns.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <tuple>

#include "streams/flames_stream_call.hpp"

namespace longspike {
namespace {

using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

Aligned<float> copied(const Floats& x) { return {x.data(), x.data() + x.size()}; }

template <class T> nb::ndarray<nb::numpy, T, nb::ndim<1>> array(std::vector<T> values) {
    auto* held = new std::vector<T>(std::move(values));
    nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return {held->data(), {held->size()}, owner};
}

void add_front(FlamesParameters& p, const std::vector<i64>& n, float rate_soma, float threshold, Floats weight, Floats rate,
               Floats coupling) {
    p.fronts.push_back({n.at(0), n.at(1), n.at(2), n.at(3), n.at(4), n.at(5), n.at(6), n.at(7), n.at(8), n.at(9), n.at(10), rate_soma,
                        threshold, copied(weight), copied(rate), copied(coupling)});
}

void add_block(FlamesParameters& p, const std::vector<i64>& n, bool is_diagonal, bool is_held, float threshold, float eps,
               const std::vector<Floats>& x) {
    p.blocks.push_back({n.at(0),         n.at(1),         n.at(2),          n.at(3),
                        is_diagonal,     is_held,         threshold,        eps,
                        copied(x.at(0)), copied(x.at(1)), copied(x.at(2)),  copied(x.at(3)),
                        copied(x.at(4)), copied(x.at(5)), copied(x.at(6)),  copied(x.at(7)),
                        copied(x.at(8)), copied(x.at(9)), copied(x.at(10)), copied(x.at(11))});
}

// A contiguous array's memory, asked for without its format: a third of what the conversion to an ndarray costs.
struct Memory {
    Py_buffer view;
    explicit Memory(nb::handle array) {
        if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_SIMPLE)) throw nb::python_error();
    }
    ~Memory() { PyBuffer_Release(&view); }
    Memory(const Memory&) = delete;
};

void push(AbstractFlamesStream& stream, nb::handle events) {
    const Memory memory(events);
    if (memory.view.len % kEventBytes) throw nb::value_error("push: events must be whole records of 13 bytes");
    const auto* bytes = static_cast<const std::uint8_t*>(memory.view.buf);
    try {
        in_turn(stream, [&] { stream.push(bytes, static_cast<i64>(memory.view.len / kEventBytes), SignalPoll()); });
    } catch (const std::invalid_argument& refusal) {
        throw std::invalid_argument("EventStream.push: " + std::string(refusal.what()) + ". Nothing of the packet was taken.");
    }
}

auto logits(const AbstractFlamesStream& stream, std::size_t outputs) {
    std::vector<float> values(outputs);
    in_turn(stream, [&] { stream.logits(values.data()); });
    return array(std::move(values));
}

nb::dict counters(const AbstractFlamesStream& stream) {
    const StreamCounters c = in_turn(stream, [&] { return stream.counters; });
    nb::dict found;
    found["events"] = c.events, found["late"] = c.late, found["steps"] = c.steps, found["ticks"] = c.ticks;
    found["spikes"] = c.spikes, found["updates"] = c.updates;
    return found;
}

nb::dict clock(const AbstractFlamesStream& stream) {
    const auto [far, jumps, time_us] =
        in_turn(stream, [&] { return std::tuple(stream.counters.far, stream.counters.jumps, stream.time_us()); });
    nb::dict found;
    found["far"] = far, found["jumps"] = jumps, found["time_us"] = time_us;
    return found;
}

nb::list take_records(AbstractFlamesStream& stream) {
    std::vector<TickRecord> records;
    in_turn(stream, [&] { records.swap(stream.records); });
    nb::list found;
    for (auto& r : records)
        found.append(nb::make_tuple(r.step, array(std::move(r.cells)), array(std::move(r.front)), array(std::move(r.spikes)),
                                    array(std::move(r.logits))));
    return found;
}

}  // namespace

void bind_event_stream(nb::module_& m) {
    nb::class_<FlamesParameters>(m, "FlamesParameters")
        .def(nb::init<>())
        .def("set_sizes",
             [](FlamesParameters& p, i64 width, i64 height, i64 step_us, i64 downsample, i64 window, i64 outputs, bool is_time_weighted) {
                 p.sensor_width = width, p.sensor_height = height, p.step_us = step_us, p.downsample = downsample;
                 p.window = window, p.num_outputs = outputs, p.is_time_weighted = is_time_weighted;
             })
        .def("add_front", add_front)
        .def("add_block", add_block)
        .def("set_read_out", [](FlamesParameters& p, Floats embedding, Floats weight, Floats bias) {
            p.embedding = copied(embedding), p.decoder_weight = copied(weight), p.decoder_bias = copied(bias);
        });
    nb::class_<AbstractFlamesStream>(m, "FlamesStream")
        .def("push", push)
        .def("flush", [](AbstractFlamesStream& stream) { in_turn(stream, [&] { stream.flush(); }); })
        .def("reset", [](AbstractFlamesStream& stream) { in_turn(stream, [&] { stream.reset(); }); })
        .def("restart_mean", [](AbstractFlamesStream& stream) { in_turn(stream, [&] { stream.restart_mean(); }); })
        .def("logits", logits)
        .def("state", [](const AbstractFlamesStream& stream) { return array(in_turn(stream, [&] { return stream.state(); })); })
        .def("set_state", [](AbstractFlamesStream& stream,
                             const Bytes& bytes) { in_turn(stream, [&] { stream.set_state(bytes.data(), bytes.size()); }); })
        .def("copy", [](const AbstractFlamesStream& stream) { return in_turn(stream, [&] { return stream.copy(); }); })
        .def("memory_bytes", &AbstractFlamesStream::memory_bytes)
        .def("clock", clock)
        .def("counters", counters)
        .def("latency_histogram",
             [](const AbstractFlamesStream& stream) {
                 return array(in_turn(stream, [&] { return std::vector<i64>(stream.latency_histogram); }));
             })
        .def("take_records", take_records)
        .def_rw("is_recording", &AbstractFlamesStream::is_recording)
        .def_rw("refuses_late", &AbstractFlamesStream::refuses_late)
        .def_rw("max_gap_us", &AbstractFlamesStream::max_gap_us)
        .def_rw("threads", &AbstractFlamesStream::threads);
    m.attr("latency_bins_per_octave") = kBinsPerOctave;
    m.def("make_flames_stream", [](const FlamesParameters& p) { return now().make_flames_stream(p); });
}

}  // namespace longspike
