// The module: instruction sets and buffers; the other files here add the rest.
#include "bindings/bindings.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/buffers.hpp"
#include "core/parallel.hpp"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace longspike;

#if defined(LONGSPIKE_HAS_AVX512)
namespace longspike::avx512 {
const Architecture& architecture();
}
#endif
#if defined(LONGSPIKE_HAS_AVX2)
namespace longspike::avx2 {
const Architecture& architecture();
}
#endif
#if defined(LONGSPIKE_HAS_PORTABLE)
namespace longspike::portable {
const Architecture& architecture();
}
#endif

namespace {

struct InstructionSet {
    std::string name;
    bool is_here;  // whether this processor has it
    const Architecture& (*architecture)();
};

// What was built, best first.
const std::vector<InstructionSet>& instruction_sets() {
    static const std::vector<InstructionSet> sets{
#if defined(LONGSPIKE_HAS_AVX512)
        {"avx512",
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"),
         avx512::architecture},
#endif
#if defined(LONGSPIKE_HAS_AVX2)
        {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), avx2::architecture},
#endif
#if defined(LONGSPIKE_HAS_PORTABLE)
        {"portable", true, portable::architecture},
#endif
    };
    return sets;
}

const Architecture& best() {
    for (const auto& set : instruction_sets())
        if (set.is_here) return set.architecture();
    throw std::runtime_error("built for instruction sets that this processor does not have");
}

// Kernels read it while another thread may choose anew.
std::atomic<const Architecture*> chosen{nullptr};

}  // namespace

const Architecture& longspike::now() { return *chosen.load(std::memory_order_relaxed); }

void longspike::ask_program() {
#if defined(__linux__)
    if (syscall(SYS_gettid) != getpid()) return;
#endif
    const nb::gil_scoped_acquire interpreter;
    if (PyErr_CheckSignals()) throw nb::python_error();
}

namespace {

std::string use_architecture(const std::string& name) {
    const std::string before = now().name;
    for (const auto& set : instruction_sets())
        if (set.is_here && set.name == name) {
            chosen = &set.architecture();
            return before;
        }
    throw nb::value_error(("this processor has no instruction set named " + name).c_str());
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
    chosen = &best();
    bind_kernels(m);
    bind_plans(m);
    bind_sequence_stream(m);
    bind_event_stream(m);
    bind_events(m);
    bind_generators(m);
    bind_limits(m);
    m.attr("interface") = LONGSPIKE_INTERFACE;
    m.def("architecture", [] { return std::string(now().name); });
    m.def("use_architecture", use_architecture, nb::arg("name"), "Select an instruction set; returns the one before.");
    m.def("thread_pool", [] { return std::string(thread_pool()); });
    m.def("pooled_array", pooled_array, nb::arg("bytes"));
    m.def("pooled_bytes", pooled_bytes);
    m.def("set_pool_limit", set_pool_limit, nb::arg("bytes"));
}
