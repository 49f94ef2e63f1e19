// What the binding files share: the only files that know Python. Addresses and sizes come in; longspike/kernels/native.py
// vouches for them.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>

#include "core/kernels.hpp"

namespace nb = nanobind;

namespace longspike {

// The kernels of the instruction set in use.
const Architecture& now();

using Address = std::uintptr_t;
template <class T> T* at(Address address) { return reinterpret_cast<T*>(address); }

template <class T> const KernelTable<T>& table() {
    if constexpr (sizeof(T) == 4)
        return now().f32;
    else
        return now().f64;
}

// Runs the program's signal handlers if a signal waits, and throws what one of them raises (Ctrl-C: KeyboardInterrupt). Python
// runs them on its main thread alone, so others do not queue for the interpreter.
void ask_program();

// One function a binding file.
void bind_kernels(nb::module_& m);
void bind_plans(nb::module_& m);
void bind_sequence_stream(nb::module_& m);
void bind_event_stream(nb::module_& m);
void bind_events(nb::module_& m);
void bind_generators(nb::module_& m);
void bind_limits(nb::module_& m);

}  // namespace longspike
