// Compiled once per instruction set, with LONGSPIKE_ARCH naming the namespace: its kernels (kernels.cpp), limits and streams.
#include "core/limits.hpp"
#include "streams/flames_stream_state.hpp"

#define LONGSPIKE_TEXT_(x) #x
#define LONGSPIKE_TEXT(x) LONGSPIKE_TEXT_(x)

namespace longspike::LONGSPIKE_ARCH {

template <class T> KernelTable<T> kernel_table();

std::unique_ptr<AbstractFlamesStream> make_flames_stream(const FlamesParameters& parameters) {
    return std::make_unique<FlamesStream>(parameters);
}

const Architecture& architecture() {
    static const Architecture here{LONGSPIKE_TEXT(LONGSPIKE_ARCH),
                                   kernel_table<float>(),
                                   kernel_table<double>(),
                                   {limit_copy, limit_triad, limit_fill, limit_sum, limit_fma, limit_records},
                                   make_flames_stream};
    return here;
}

}  // namespace longspike::LONGSPIKE_ARCH
