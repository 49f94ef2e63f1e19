// Compiled once per instruction set and number type, with LONGSPIKE_ARCH naming the namespace and LONGSPIKE_SCALAR the type.
#include "core/kernels.hpp"

#include "dendrite/pool.hpp"
#include "mixing/mixing.hpp"
#include "refractory_lif/backward.hpp"
#include "refractory_lif/speculative.hpp"
#include "s4d_scan/scan.hpp"
#include "sa_hippo/backward.hpp"
#include "spikes/spikes.hpp"
#include "spiking_block/backward.hpp"
#include "streams/sequence_stream.hpp"
#include "tick/tick.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T> constexpr TickTable<T> tick_table() { return {embed_forward<T>, embed_backward<T>, normalise<T>, pool_ticks<T>}; }

template <class T> constexpr SpikeTable<T> spike_table() { return {spikes_forward<T>, count_spikes<T>, spikes_backward<T>}; }

template <class T> KernelTable<T> kernel_table() {
    return {lif_forward<T>,      lif_speculative<T>,   lif_backward<T>,     s4d_forward<T>,    s4d_backward<T>,         linear<T>,
            glu<T, false>,       glu<T, true>,         block_forward<T>,    block_backward<T>, make_sequence_stream<T>, sa_hippo_tables<T>,
            sa_hippo_forward<T>, sa_hippo_backward<T>, dendrite_table<T>(), tick_table<T>(),   spike_table<T>()};
}

template KernelTable<LONGSPIKE_SCALAR> kernel_table<LONGSPIKE_SCALAR>();

}  // namespace longspike::LONGSPIKE_ARCH
