// The module: instruction sets and buffers; the other files here add the rest.
#include "bindings/bindings.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "core/buffers.hpp"
#include "core/parallel.hpp"

using namespace longspike;

#if defined(LONGSPIKE_X86)
namespace longspike::avx512 {
const Architecture& architecture();
}
namespace longspike::avx2 {
const Architecture& architecture();
}
#endif
namespace longspike::portable {
const Architecture& architecture();
}

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
    else if (name == "avx2" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        chosen = &avx2::architecture();
    else if (name == "avx512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        chosen = &avx512::architecture();
#endif
    else
        throw nb::value_error(("this processor has no instruction set named " + name).c_str());
    return before;
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
    bind_kernels(m);
    bind_plans(m);
    bind_sequence_stream(m);
    bind_event_stream(m);
    bind_events(m);
    bind_limits(m);
    m.def("architecture", [] { return std::string(now().name); });
    m.def("use_architecture", use_architecture, nb::arg("name"), "Select an instruction set; returns the one before.");
    m.def("thread_pool", [] { return std::string(thread_pool()); });
    m.def("pooled_array", pooled_array, nb::arg("bytes"));
    m.def("pooled_bytes", pooled_bytes);
    m.def("set_pool_limit", set_pool_limit, nb::arg("bytes"));
}
