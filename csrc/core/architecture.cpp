// Compiled once per instruction set, with LONGSPIKE_ARCH naming the namespace.
#include "core/limits.hpp"
#include "dendrite/pool.hpp"
#include "mixing/mixing.hpp"
#include "refractory_lif/backward.hpp"
#include "refractory_lif/speculative.hpp"
#include "s4d_scan/scan.hpp"
#include "sa_hippo/backward.hpp"
#include "spikes/spikes.hpp"
#include "spiking_block/backward.hpp"
#include "streams/flames_stream_state.hpp"
#include "streams/sequence_stream.hpp"
#include "tick/tick.hpp"

#define LONGSPIKE_TEXT_(x) #x
#define LONGSPIKE_TEXT(x) LONGSPIKE_TEXT_(x)

namespace longspike::LONGSPIKE_ARCH {

template <class T> constexpr TickTable<T> tick_table() { return {embed_forward<T>, embed_backward<T>, normalise<T>, pool_ticks<T>}; }

template <class T> constexpr SpikeTable<T> spike_table() { return {spikes_forward<T>, count_spikes<T>, spikes_backward<T>}; }

template <class T> constexpr KernelTable<T> table() {
    return {lif_forward<T>,      lif_speculative<T>,   lif_backward<T>,     s4d_forward<T>,    s4d_backward<T>,         linear<T>,
            glu<T, false>,       glu<T, true>,         block_forward<T>,    block_backward<T>, make_sequence_stream<T>, sa_hippo_tables<T>,
            sa_hippo_forward<T>, sa_hippo_backward<T>, dendrite_table<T>(), tick_table<T>(),   spike_table<T>()};
}

std::unique_ptr<AbstractFlamesStream> make_flames_stream(const FlamesParameters& parameters) {
    return std::make_unique<FlamesStream>(parameters);
}

const Architecture& architecture() {
    static const Architecture here{LONGSPIKE_TEXT(LONGSPIKE_ARCH),
                                   table<float>(),
                                   table<double>(),
                                   {limit_copy, limit_triad, limit_fill, limit_sum, limit_fma, limit_records},
                                   make_flames_stream};
    return here;
}

}  // namespace longspike::LONGSPIKE_ARCH
