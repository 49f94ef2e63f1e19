// The kernels: what a call takes is its struct.
#include "bindings/call.hpp"

namespace longspike {
namespace {

template <class T> void bind_kernels_of(nb::module_& m, const std::string& suffix) {
    const auto bind = [&](const char* stem, auto pick) { bind_call(m, stem + suffix, [pick] { return pick(table<T>()); }); };
    using Table = KernelTable<T>;
    bind("lif_forward", [](const Table& t) { return t.lif_forward; });
    bind("lif_speculative", [](const Table& t) { return t.lif_speculative; });
    bind("lif_backward", [](const Table& t) { return t.lif_backward; });
    bind("s4d_forward", [](const Table& t) { return t.s4d_forward; });
    bind("s4d_backward", [](const Table& t) { return t.s4d_backward; });
    bind("linear", [](const Table& t) { return t.linear; });
    bind("glu_forward", [](const Table& t) { return t.glu_forward; });
    bind("glu_backward", [](const Table& t) { return t.glu_backward; });
    bind("block_forward", [](const Table& t) { return t.block_forward; });
    bind("block_backward", [](const Table& t) { return t.block_backward; });
    bind("sa_hippo_tables", [](const Table& t) { return t.sa_hippo_tables; });
    bind("sa_hippo_forward", [](const Table& t) { return t.sa_hippo_forward; });
    bind("sa_hippo_backward", [](const Table& t) { return t.sa_hippo_backward; });
    bind("dendritic_conv_forward", [](const Table& t) { return t.dendrite.conv_forward; });
    bind("dendritic_conv_backward", [](const Table& t) { return t.dendrite.conv_backward; });
    bind("dendritic_lif_forward", [](const Table& t) { return t.dendrite.dense_forward; });
    bind("dendritic_lif_backward", [](const Table& t) { return t.dendrite.dense_backward; });
    bind("segment_max", [](const Table& t) { return t.dendrite.segment_max; });
    bind("segment_max_backward", [](const Table& t) { return t.dendrite.segment_max_backward; });
    bind("embed_forward", [](const Table& t) { return t.tick.embed_forward; });
    bind("embed_backward", [](const Table& t) { return t.tick.embed_backward; });
    bind("layer_norm", [](const Table& t) { return t.tick.normalise; });
    bind("event_pool", [](const Table& t) { return t.tick.pool_ticks; });
    bind("spikes_forward", [](const Table& t) { return t.spikes.forward; });
    bind("count_spikes", [](const Table& t) { return t.spikes.count; });
    bind("spikes_backward", [](const Table& t) { return t.spikes.backward; });
}

}  // namespace

void bind_kernels(nb::module_& m) {
    m.attr("lif_block") = kLifSpan;
    m.attr("s4d_block") = kS4dSpan;
    m.attr("sa_hippo_block") = kSaHippoSpan;
    bind_kernels_of<float>(m, "_f32");
    bind_kernels_of<double>(m, "_f64");
}

}  // namespace longspike
