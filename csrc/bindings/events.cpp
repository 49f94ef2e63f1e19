// The decoders of event cameras' files. longspike/events/decoding.py vouches for the addresses.
#include "bindings/bindings.hpp"

#include <nanobind/stl/pair.h>

#include "events/decoding.hpp"

namespace longspike {
namespace {

using events::Call;
using events::Done;

template <Done (*decode)(const Call&)> void bind_decoder(nb::module_& m, const char* name) {
    m.def(
        name,
        [](Address records, i64 count, Address state, Address out, i64 capacity, bool skip) {
            const Done done = decode({at<std::uint8_t>(records), count, at<i64>(state), at<events::Event>(out), capacity, skip});
            return std::pair(done.consumed, done.produced);
        },
        nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace

void bind_events(nb::module_& m) {
    bind_decoder<events::decode_evt2>(m, "decode_evt2");
    bind_decoder<events::decode_evt21>(m, "decode_evt21");
    bind_decoder<events::decode_evt3>(m, "decode_evt3");
    bind_decoder<events::decode_dat>(m, "decode_dat");
    bind_decoder<events::decode_es>(m, "decode_es");
    bind_decoder<events::decode_nmnist>(m, "decode_nmnist");
    bind_decoder<events::screen>(m, "screen_events");
}

}  // namespace longspike
