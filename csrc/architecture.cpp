// Compiled once per instruction set, with LONGSPIKE_ARCH naming the namespace.
#include "mixing.hpp"
#include "refractory_lif_backward.hpp"
#include "s4d_scan.hpp"
#include "sa_hippo.hpp"
#include "sa_hippo_backward.hpp"

#define LONGSPIKE_TEXT_(x) #x
#define LONGSPIKE_TEXT(x) LONGSPIKE_TEXT_(x)

namespace longspike::LONGSPIKE_ARCH {

template <class T> constexpr KernelTable<T> table() {
    return {lif_forward<T>, lif_speculative<T>, lif_backward<T>, s4d_forward<T>,
            s4d_backward<T>, linear<T>, glu<T, false>, glu<T, true>,
            sa_hippo_tables<T>, sa_hippo_forward<T>, sa_hippo_backward<T>};
}

const Architecture& architecture() {
    static const Architecture here{LONGSPIKE_TEXT(LONGSPIKE_ARCH), table<float>(), table<double>()};
    return here;
}

}  // namespace longspike::LONGSPIKE_ARCH
