// The module: instruction sets, buffers, and the kernels of sequences; the other files here add the others.
#include "bindings/bindings.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <tuple>

#include "core/buffers.hpp"
#include "core/parallel.hpp"

using namespace longspike;

#if defined(LONGSPIKE_X86)
namespace longspike::avx512 { const Architecture& architecture(); }
namespace longspike::avx2 { const Architecture& architecture(); }
#endif
namespace longspike::portable { const Architecture& architecture(); }

namespace {

const Architecture* chosen = nullptr;

const Architecture& best() {
#if defined(LONGSPIKE_X86)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return avx512::architecture();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::architecture();
#endif
    return portable::architecture();
}

}  // namespace

const Architecture& longspike::now() {
    if (!chosen) chosen = &best();
    return *chosen;
}

namespace {

std::string use_architecture(const std::string& name) {
    const std::string before = now().name;
    if (name == "portable") chosen = &portable::architecture();
#if defined(LONGSPIKE_X86)
    else if (name == "avx2" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) chosen = &avx2::architecture();
    else if (name == "avx512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) chosen = &avx512::architecture();
#endif
    else throw nb::value_error(("this processor has no instruction set named " + name).c_str());
    return before;
}

// (address, batch stride, step stride, channel stride)
using View = std::tuple<Address, i64, i64, i64>;
template <class T> Strided<T> strided(const View& x) {
    return {at<T>(std::get<0>(x)), std::get<1>(x), std::get<2>(x), std::get<3>(x)};
}

template <class T>
LifCall<T> lif_call(const View& current, const View& spikes, Address v, Address r, Address s, Address checkpoints, Address beta,
                    Address theta, Address rho, Address gamma, i64 batch, i64 seqlen, i64 channels, int reset, int threads) {
    return {strided<const T>(current), strided<T>(spikes), at<T>(v), at<T>(r), at<T>(s), at<T>(checkpoints),
            {at<T>(beta), at<T>(theta), at<T>(rho), at<T>(gamma)}, batch, seqlen, channels, reset, threads};
}

template <class T> void bind_kernels(nb::module_& m, const std::string& suffix) {
    const auto name = [&](const char* stem) { return std::string(stem) + suffix; };
    using nogil = nb::call_guard<nb::gil_scoped_release>;
    m.def(name("lif_forward_").c_str(), [](View current, View spikes, Address v, Address r, Address s, Address checkpoints,
          Address beta, Address theta, Address rho, Address gamma, i64 batch, i64 seqlen, i64 channels, int reset, int threads) {
        table<T>().lif_forward(lif_call<T>(current, spikes, v, r, s, checkpoints, beta, theta, rho, gamma, batch, seqlen, channels, reset, threads));
    }, nogil());
    m.def(name("lif_speculative_").c_str(), [](View current, View spikes, Address v, Address r, Address s, Address checkpoints,
          Address beta, Address theta, Address rho, Address gamma, i64 batch, i64 seqlen, i64 channels, int reset, int threads, i64 chunk, i64 warmup) {
        return table<T>().lif_speculative(lif_call<T>(current, spikes, v, r, s, checkpoints, beta, theta, rho, gamma, batch, seqlen, channels, reset, threads), chunk, warmup);
    }, nogil());
    m.def(name("lif_backward_").c_str(), [](View current, View grad_spikes, Address checkpoints, View grad_current,
          Address grad_v, Address grad_r, Address grad_s, Address grad_parameters, Address beta, Address theta, Address rho, Address gamma,
          i64 batch, i64 seqlen, i64 channels, double scale, int reset, int surrogate, int gradient, int threads, bool has_refractory,
          bool wants_parameters) {
        table<T>().lif_backward({strided<const T>(current), strided<const T>(grad_spikes), at<const T>(checkpoints), strided<T>(grad_current), at<T>(grad_v),
            at<T>(grad_r), at<T>(grad_s), at<double>(grad_parameters), {at<T>(beta), at<T>(theta), at<T>(rho), at<T>(gamma)},
            batch, seqlen, channels, static_cast<T>(scale), reset, surrogate, gradient, threads, has_refractory, wants_parameters});
    }, nogil());
    m.def(name("s4d_forward_").c_str(), [](Address u, Address lambda, Address c, Address d, Address y, Address state, Address checkpoints,
          i64 batch, i64 seqlen, i64 channels, i64 n_pairs, i64 interval, int threads) {
        table<T>().s4d_forward({at<T>(u), at<T>(lambda), at<T>(c), at<T>(d), at<T>(y), at<T>(state), at<T>(checkpoints),
            batch, seqlen, channels, n_pairs, interval, threads});
    }, nogil());
    m.def(name("s4d_backward_").c_str(), [](Address u, Address grad_y, Address lambda, Address c, Address d, Address checkpoints,
          Address grad_u, Address grad_state, Address grad_lambda, Address grad_c, Address grad_d,
          i64 batch, i64 seqlen, i64 channels, i64 n_pairs, i64 interval, int threads) {
        table<T>().s4d_backward({at<T>(u), at<T>(grad_y), at<T>(lambda), at<T>(c), at<T>(d), at<T>(checkpoints), at<T>(grad_u),
            at<T>(grad_state), at<T>(grad_lambda), at<T>(grad_c), at<T>(grad_d), batch, seqlen, channels, n_pairs, interval, threads});
    }, nogil());
    m.def(name("linear_").c_str(), [](Address x, Address weight, Address bias, Address y, i64 rows, i64 inputs, i64 outputs, int threads) {
        table<T>().linear({at<T>(x), at<T>(weight), at<T>(bias), at<T>(y), rows, inputs, outputs, threads});
    }, nogil());
    m.def(name("glu_forward_").c_str(), [](Address x, Address y, i64 rows, i64 channels, int threads) {
        table<T>().glu_forward({at<T>(x), nullptr, at<T>(y), rows, channels, threads});
    }, nogil());
    m.def(name("glu_backward_").c_str(), [](Address x, Address grad_y, Address grad_x, i64 rows, i64 channels, int threads) {
        table<T>().glu_backward({at<T>(x), at<T>(grad_y), at<T>(grad_x), rows, channels, threads});
    }, nogil());
}

// Bytes from the pool; they go back when the last array or tensor that looks at them is gone.
nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<1>> pooled_array(std::size_t bytes) {
    const Buffer buffer = take_buffer(bytes);
    nb::capsule owner(new Buffer(buffer), [](void* p) noexcept {
        const auto* taken = static_cast<Buffer*>(p);
        give_buffer(*taken);
        delete taken;
    });
    return {buffer.data, {bytes}, owner};
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Compiled CPU kernels of longspike.";
    m.attr("lif_block") = kLifSpan;
    m.attr("s4d_block") = kS4dSpan;
    bind_kernels<float>(m, "f32");
    bind_kernels<double>(m, "f64");
    bind_block(m);
    bind_tick(m);
    bind_dendrite(m);
    bind_events(m);
    bind_limits(m);
    bind_sa_hippo(m);
    bind_stream(m);
    bind_spikes(m);
    m.def("architecture", [] { return std::string(now().name); });
    m.def("use_architecture", use_architecture, nb::arg("name"), "Select an instruction set; returns the one before.");
    m.def("thread_pool", [] { return std::string(thread_pool()); });
    m.def("pooled_array", pooled_array, nb::arg("bytes"));
    m.def("pooled_bytes", pooled_bytes);
    m.def("set_pool_limit", set_pool_limit, nb::arg("bytes"));
}
